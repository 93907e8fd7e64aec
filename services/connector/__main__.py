"""`tapewire connector NAME`: one feed of the configuration, from its venue to the ring and the bus."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import asyncio
import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import click

from services.connector.binance import BinanceSession
from services.connector.coinbase import CoinbaseSession
from services.connector.kraken import KrakenSession
from services.connector.publisher import Publisher
from services.connector.reporter import STATS_EVERY_S, Reporter, create_page
from services.connector.sequence import first_seq
from services.connector.session import VenueSession
from services.connector.shell import Shell
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.clock import SystemClock
from tapewire.config import Config, Feed
from tapewire.errors import ConfigError
from tapewire.lifecycle import draining, run, stop_on_signals
from tapewire.logs import configure
from tapewire.ring import RingProducer, create_ring
from tapewire.transports.nats import NatsTransport

SESSIONS: dict[str, Callable[[Sequence[str], int, Random], VenueSession[Any]]] = {
    "binance": BinanceSession,
    "coinbase": CoinbaseSession,
    "kraken": KrakenSession,
}


def find_feed(settings: Config, name: str) -> tuple[int, Feed]:
    """The feed's number (its place in the configuration, from 1) and its section."""
    for number, (known, feed) in enumerate(settings.feeds.items(), 1):
        if known == name:
            return number, feed
    raise ConfigError(f"no section [feed.{name}]; there is {', '.join(settings.feeds) or 'none'}")


def check_ring(publisher: Publisher, session: VenueSession[Any], name: str, feed: Feed) -> None:
    """A snapshot must fit one record of the ring."""
    window = max(i.book.window or i.book.depth for i in session.instruments)
    if 2 * window > publisher.max_levels:
        raise ConfigError(
            f"feed.{name}.ring_bytes: holds {feed.ring_bytes}; a snapshot of {window} levels a side must fit a quarter "
            f"of it. Raise ring_bytes, or lower feed.{name}.depth"
        )


async def serve(settings: Config, name: str, seed: int | None) -> None:
    """Runs the feed until SIGTERM or Ctrl-C, or until something fails that must not."""
    number, feed = find_feed(settings, name)
    folders, clock, log = settings.folders, SystemClock(), configure(f"connector-{name}")
    folders.prepare(settings.rings)
    path = folders.md_ring(name)
    create_ring(path, feed.ring_bytes)
    random = SystemRandom() if seed is None else Random(seed)
    session = SESSIONS[feed.venue](feed.tickers, feed.depth, random)
    bus = NatsTransport(settings.nats, name=f"connector-{name}")
    with RingProducer(path) as ring, create_page(folders.stats / f"connector.{name}") as page:
        seq = await first_seq(path, folders.md_tape(name), log, stop_on_signals())
        if seq is None:
            return
        publisher = Publisher(
            env=settings.env,
            feed=name,
            source=number,
            tickers=feed.tickers,
            ring=ring,
            bus=bus,
            next_seq=seq,
            clock=clock,
            snapshot=session.snapshot,
            processing=page.histogram("decode_ns"),
            from_venue=page.histogram("exchange_to_edge_ns"),
            trace_every=settings.monitor.tick_every,
        )
        check_ring(publisher, session, name, feed)
        shell = Shell(session, publisher, url=feed.url, rest_url=feed.rest_url, clock=clock, log=log)
        reporter = Reporter(session, publisher, page, bus, clock, settings.env, name)
        log.info("starting", venue=feed.venue, url=feed.url, tickers=feed.tickers, next_seq=publisher.next_seq)
        async with draining(bus) as stop:
            # What is alive now stays: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            await supervise(shell, reporter, stop)
        log.info("stopped", next_seq=publisher.next_seq, published=publisher.published, dropped=publisher.dropped)


async def supervise(shell: Shell, reporter: Reporter, stop: asyncio.Event) -> None:
    """Runs the shell and reports beside it, until it ends or `stop` is set."""
    running = asyncio.get_running_loop().create_task(shell.run())
    stopping = asyncio.get_running_loop().create_task(stop.wait())
    try:
        while not running.done() and not stopping.done():
            reporter.count()
            reporter.tell()
            await asyncio.wait((running, stopping), timeout=STATS_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        reporter.draining = True
        shell.stop()
        await running
    finally:
        stopping.cancel()
        reporter.count()
        reporter.tell()


@click.command()
@click.argument("name")
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--seed", type=int, help="Makes the jitter of retries reproducible.")
def main(name: str, path: Path | None, seed: int | None) -> None:
    """Connects to the venue of [feed.NAME] and publishes its market data."""
    run(serve(configuration.load(path), name, seed))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire connector")
