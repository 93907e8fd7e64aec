"""Runs the simulated venues, (`fix`) one that speaks FIX, or (`traders`) the simulated traders of the house market."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from services.simulator import instruments, recordings
from services.simulator.binance import BinanceVenue
from services.simulator.binance_market import GeneratedBinance
from services.simulator.coinbase import CoinbaseVenue
from services.simulator.coinbase_market import GeneratedCoinbase
from services.simulator.kraken import KrakenVenue
from services.simulator.kraken_market import GeneratedKraken
from services.simulator.replay import open_market
from services.simulator.server import Simulator
from services.simulator.venue import Venue
from tapewire import lifecycle, logs
from tapewire.errors import ConfigError
from tapewire.lifecycle import run, stop_on_signals

VENUES = ("binance", "coinbase", "kraken")
PATHS = {"binance": "", "coinbase": "", "kraken": "/v2"}
RECORDED_DEPTH = {"kraken": 25}
WITHOUT_TRADES = {"kraken"}  # where the recording holds only a book


def build(name: str, seed: int, rate: float, data: Path | None, speed: float) -> Venue:
    """A venue by name, generated or replayed."""
    now = time.time_ns()
    if name == "binance":
        return BinanceVenue(
            open_market(name, data, speed) if data else GeneratedBinance(instruments.BINANCE, seed, rate, now)
        )
    if name == "coinbase":
        return CoinbaseVenue(
            open_market(name, data, speed) if data else GeneratedCoinbase(instruments.COINBASE, seed, rate, now)
        )
    return KrakenVenue(open_market(name, data, speed) if data else GeneratedKraken(instruments.KRAKEN, seed, rate, now))


def announce(path: Path, simulator: Simulator, host: str, recorded: bool) -> None:
    """Writes where each venue is, all at once: a reader sees the whole file or none."""
    found = {}
    for name, endpoint in simulator.endpoints.items():
        port = simulator.ports[name]
        found[name] = {
            "port": port,
            "url": f"ws://{host}:{port}{PATHS[name]}",
            "rest_url": f"http://{host}:{port}",
            "tickers": list(endpoint.venue.market.tickers),
            "trades": not (recorded and name in WITHOUT_TRADES),
            **({"depth": RECORDED_DEPTH[name]} if recorded and name in RECORDED_DEPTH else {}),
        }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(
            f"--ports-file {path}: cannot be written: {error.strerror}. Name a file in a folder this user may write to"
        ) from error


async def serve(
    venues: Sequence[Venue], host: str, ports: dict[str, int], ports_file: Path | None, recorded: bool
) -> None:
    log = logs.get("simulator")
    stop = stop_on_signals()
    async with Simulator(venues, host, ports) as simulator:
        if ports_file:
            announce(ports_file, simulator, host, recorded)
        log.info("listening", ports=simulator.ports)
        done, _ = await asyncio.wait(
            (asyncio.ensure_future(stop.wait()), asyncio.ensure_future(simulator.wait())),
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in done:
            task.result()


@click.group(invoke_without_command=True)
@click.option("--venues", default=",".join(VENUES), show_default=True, help="which venues, separated by commas")
@click.option("--ports-file", type=click.Path(path_type=Path), help="written once all sockets listen: JSON by venue")
@click.option(
    "--data", type=click.Path(path_type=Path), help="folder of recordings to replay instead of generated flow"
)
@click.option("--seed", default=1, show_default=True, help="of the generated flow")
@click.option("--rate", default=40.0, show_default=True, help="generated arrivals a second and symbol")
@click.option("--speed", default=1.0, show_default=True, help="of a replay; 2 is twice as fast as recorded")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", "ports", multiple=True, metavar="VENUE=PORT", help="a port to take; otherwise any free one")
@click.pass_context
def main(
    ctx: click.Context,
    venues: str,
    ports_file: Path | None,
    data: Path | None,
    seed: int,
    rate: float,
    speed: float,
    host: str,
    ports: tuple[str, ...],
) -> None:
    """Venues that speak the real protocols over real sockets. Without a command: serves them."""
    if ctx.invoked_subcommand is not None:
        return
    logs.configure("simulator")
    names = [name for name in venues.split(",") if name]
    if not names or any(name not in VENUES for name in names):
        raise ConfigError(f"--venues {venues}: expected some of {', '.join(VENUES)}, separated by commas")
    if not (0 < rate <= 100_000 and 0 < speed <= 10_000):
        raise ConfigError(f"--rate {rate:g}, --speed {speed:g}: expected above 0, at most 100,000 and 10,000")
    if data is not None:
        recordings.check(data, names)
    run(
        serve(
            *([build(name, seed, rate, data, speed) for name in dict.fromkeys(names)], host, _ports(ports)),
            *(ports_file, data is not None),
        )
    )


@main.command(add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.pass_context
def fix(ctx: click.Context) -> None:
    """An outside venue that speaks FIX; --help says more."""
    # Imported here: the WebSocket venues run where no core is compiled.
    from services.simulator.fix_venue.command import command

    command.main(ctx.args, prog_name="tapewire simulator fix", standalone_mode=False)


@main.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="the engine's data folder")
@click.option("--rate", default=100.0, show_default=True, help="commands a second, all traders together")
@click.option(
    "--producer", default="traders", show_default=True, help="name of the inbound ring, as in [engine] producers"
)
@click.option("--shard", default=0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--accounts", default="1,2,3,4,5,6", show_default=True, help="who trades: makers first, takers last")
@click.option("--wait", default=60.0, show_default=True, help="seconds to wait for the engine")
def traders(data: Path, rate: float, producer: str, shard: int, seed: int, accounts: str, wait: float) -> None:
    """Market makers and takers of the house market."""
    log = logs.configure("traders")
    numbers = [int(text) for text in accounts.split(",") if text.strip().isdigit()]
    if len(numbers) != len(accounts.split(",")) or len(numbers) < 2 or not 0 < rate <= 1_000_000:
        raise ConfigError(f"--accounts {accounts}, --rate {rate:g}: expected two or more numbers, and 1 to 1,000,000")
    # Imported here: the venues run where no core is compiled.
    from services.simulator import trading
    from tapewire.client import RingFull

    stop = threading.Event()
    stopping.on_stop(stop.set)
    log.info("waiting for the engine", data=str(data), producer=producer, seconds=wait)
    orders = trading.open_orders(data, shard, producer, wait, stop.is_set)
    if orders is None:
        return
    try:
        model = trading.trade(orders, seed, numbers, rate, stop.is_set, RingFull)
    finally:
        orders.close()
    log.info("stopped", sent=dict(model.sent), seen=dict(model.seen), refused=dict(model.refused))


def _ports(texts: tuple[str, ...]) -> dict[str, int]:
    ports = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in VENUES or not number.isdigit() or not 0 <= int(number) < 65_536:
            raise ConfigError(f"--port {text}: expected VENUE=PORT, such as binance=9443")
        ports[name] = int(number)
    return ports


if __name__ == "__main__":
    lifecycle.main(main, "tapewire simulator")
