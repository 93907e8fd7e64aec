"""Run a strategy: live, in the market of a recorded tape, or on what it saw then."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import Instant, file_option, json_option
from tapewire.cli._options import settings as configured
from tapewire.errors import StrategyError

if TYPE_CHECKING:
    from tapewire.strategy.report import RunReport
    from tapewire.strategy.strategy import Strategy

US = 1_000
STRATEGIES = "strategies"
"""The folder of what reached live strategies, in that of the data."""


@click.group()
def command() -> None:
    """Run trading strategies (docs/strategy.md).

    \b
    tapewire strategy run examples/market_maker.py:MarketMaker --live --account 9
    """


@command.command("run")
@click.argument("strategy", metavar="FILE:CLASS")
@click.option("--live", is_flag=True, help="On the bus of the settings, with real orders.")
@click.option("--simulate", type=click.Path(path_type=Path), metavar="TAPE", help="In the market of a recorded tape.")
@click.option("--replay", type=click.Path(path_type=Path), metavar="TAPE", help="On a session as it was.")
@click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy.")
@click.option("--account", type=click.IntRange(1), default=1, show_default=True, help="That it trades for.")
@click.option("--name", default="", help="The beginning of its ClOrdIDs; of a replay: of those it had then.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of its random numbers.")
@click.option("--seconds", type=float, default=None, help="Live: how long; left out, until Ctrl-C.")
@click.option("--order-latency", type=click.IntRange(0), default=100, show_default=True, help="µs to the engine.")
@click.option("--data-latency", type=click.IntRange(0), default=100, show_default=True, help="µs from the engine.")
@click.option("--jitter", type=click.IntRange(0), default=0, show_default=True, help="µs more to the engine, at most.")
@click.option("--ticker", "tickers", multiple=True, help="Of a venue's tape: what the market is made of; default all.")
@click.option("--without", type=int, multiple=True, metavar="ACCOUNT", help="Leave out its recorded orders.")
@click.option("--since", type=Instant(), default=None, help="Of a replay: when the run began then.")
@click.option("--until", type=Instant(), default=None, help="When it ends; of a replay: when it ended then.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder for the tape of a simulation; default: a new one."
)
@click.option(
    "--ring", default="", metavar="PRODUCER", help="Live by a ring of the engine on this machine, not the bus."
)
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="Live: the folder that keeps what reaches the strategy, for an exact replay; default: <data>/strategies. "
    "Of a replay: that file; default: what lies there of --name.",
)
@click.option("--url", default=None, help="Of the bus; default: that of the settings.")
@click.option("--env", "environment", default=None, help="Default: that of the settings.")
@file_option
@json_option
def run(
    strategy: str,
    live: bool,
    simulate: Path | None,
    replay: Path | None,
    params: tuple[str, ...],
    account: int,
    name: str,
    seed: int,
    seconds: float | None,
    order_latency: int,
    data_latency: int,
    jitter: int,
    tickers: tuple[str, ...],
    without: tuple[int, ...],
    since: int | None,
    until: int | None,
    output: Path | None,
    ring: str,
    inputs: Path | None,
    url: str | None,
    environment: str | None,
    as_json: bool,
) -> None:
    """Run the strategy CLASS of FILE and report what it came to: P&L, spread capture, slippage, fill rate, inventory.

    \b
    tapewire strategy run examples/market_maker.py:MarketMaker --live --account 2 --seconds 60
    tapewire strategy run examples/market_maker.py:MarketMaker --simulate .tapewire/demo/tapes/md.binance
    tapewire strategy run examples/market_maker.py:MarketMaker --replay /tmp/run/orders.0 --name simulated
    """
    import msgspec

    from tapewire.strategy import report as reports
    from tapewire.strategy.loading import load
    from tapewire.strategy.stepped import Latency

    if live + (simulate is not None) + (replay is not None) != 1:
        raise click.UsageError("give one of --live, --simulate TAPE, --replay TAPE")
    loaded = load(strategy, dict(_pair(one) for one in params))
    latency = Latency(order_latency * US, data_latency * US, jitter * US)
    if live and ring:
        report = _by_ring(loaded, account, name, seed, seconds, ring, inputs)
    elif live:
        report = asyncio.run(_live(loaded, account, name, seed, seconds, url, environment, inputs))
    elif simulate is not None:
        import importlib

        # A service is named, not imported: tapewire depends on none.
        simulation = importlib.import_module("services.engine.simulation")
        settings = simulation.SimulationSettings(
            account=account,
            name=name or "simulated",
            seed=seed,
            latency=latency,
            tickers=frozenset(tickers),
            without=frozenset(without),
            until=until or 0,
        )
        folder = output or Path(tempfile.mkdtemp(prefix="tapewire-simulation-"))
        with _progress(as_json, "steps") as progress:
            report = simulation.simulate(loaded, simulate, folder, settings, progress)
    elif replay is not None and (kept := _inputs_of(replay, name, inputs)) is not None:
        from tapewire.strategy.relived import relive

        with _progress(as_json, "inputs") as progress:
            report = relive(loaded, replay, kept, progress)
    else:
        from tapewire.strategy.replaying import Replayed

        assert replay is not None
        again = Replayed(
            loaded,
            replay,
            account=account,
            name=name or "simulated",
            seed=seed,
            latency=latency,
            since=since or 0,
            until=until or 0,
        )
        with _progress(as_json, "records") as progress:
            report = again.run(progress)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        for line in reports.lines(report):
            click.echo(line)


async def _live(
    strategy: Strategy,
    account: int,
    name: str,
    seed: int,
    seconds: float | None,
    url: str | None,
    environment: str | None,
    inputs: Path | None,
) -> RunReport:
    import tapewire
    from tapewire import lifecycle
    from tapewire.strategy.live import LiveRun

    settings = configured()
    async with tapewire.connect(url or settings.nats.url, env=environment or settings.env, account=account) as tw:
        running = LiveRun(strategy, tw, name=name, seed=seed, inputs=_folder(settings.data, inputs))
        stop = lifecycle.stop_on_signals()
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: running.stop())
        try:
            return await running.run(seconds)
        finally:
            stopping.cancel()


def _folder(data: Path, given: Path | None) -> Path | None:
    """Where a live run keeps its inputs; None: a client of the bus alone, which has no data folder."""
    return given or (data / STRATEGIES if data.is_dir() else None)


def _inputs_of(tape: Path, name: str, given: Path | None) -> Path | None:
    """The inputs of a run on that tape; None: none were kept, and the order of news is that of the tape."""
    from tapewire.strategy.inputs import path_of

    if given is not None:
        return given
    path = path_of(tape.resolve().parent.parent / STRATEGIES, name)
    return path if name and path.is_file() else None


def _by_ring(
    strategy: Strategy,
    account: int,
    name: str,
    seed: int,
    seconds: float | None,
    producer: str,
    inputs: Path | None,
) -> RunReport:
    import signal

    from tapewire.strategy.local import LocalRun

    settings = configured()
    running = LocalRun(
        strategy,
        settings.data,
        account=account,
        producer=producer,
        shard=settings.engine.shard,
        name=name,
        seed=seed,
        inputs=_folder(settings.data, inputs),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.stop())
    return running.run(seconds)


class _progress:
    """A line on the terminal that counts; none for programs."""

    def __init__(self, quiet: bool, what: str) -> None:
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TextColumn(what), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet)

    def __enter__(self) -> Callable[[int], None]:
        self._bar.__enter__()
        task = self._bar.add_task("running", total=None)
        return lambda done: self._bar.update(task, completed=done)

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(None, None, None)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise StrategyError(f"-p {text!r}: expected NAME=VALUE")
    return name, value
