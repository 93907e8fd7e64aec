"""Where a feed is published: its ring, counters and publisher, wired from the configuration for whoever reads a venue.

outlet(settings, name, session, log) ──▶ (publisher, reporter, bus), its numbering begun behind the ring and the tape
supervise(shell, reporter, stop)     ──▶ the shell runs, what it counts is told
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any, NamedTuple, Protocol

from tapewire import health
from tapewire.clock import SystemClock
from tapewire.config import Config, Feed
from tapewire.errors import ConfigError
from tapewire.feed.publisher import Publisher
from tapewire.feed.reporter import STATS_EVERY_S, Reporter, create_page
from tapewire.feed.sequence import first_seq
from tapewire.feed.session import VenueSession
from tapewire.latest import outlet as latest
from tapewire.lifecycle import stop_on_signals
from tapewire.logs import Logger
from tapewire.ring import RingProducer, create_ring
from tapewire.transports.nats import NatsTransport


class Outlet(NamedTuple):
    publisher: Publisher
    reporter: Reporter
    bus: NatsTransport


class Shell(Protocol):
    """What runs a session against its venue."""

    async def run(self) -> None: ...

    def stop(self) -> None:
        """Lets `run` end."""


@asynccontextmanager
async def outlet(settings: Config, name: str, session: VenueSession[Any], log: Logger) -> AsyncIterator[Outlet | None]:
    """That of [feed.<name>]; None if we are stopped before its numbering is known. Raises ConfigError, StatsError."""
    number, feed = list(settings.feeds).index(name) + 1, settings.feeds[name]
    folders, clock = settings.folders, SystemClock()
    folders.prepare(settings.rings)
    path = folders.md_ring(name)
    create_ring(path, feed.ring_bytes)
    bus = NatsTransport(settings.nats, name=f"connector-{name}")
    with (
        health.serve(settings, f"connector-{name}") as told,
        RingProducer(path) as ring,
        create_page(folders.stats / f"connector.{name}") as page,
        latest.page(settings, name, len(feed.tickers) + 1) or nullcontext() as values,
    ):
        stop = stop_on_signals()
        told.watch_loop(stop)
        seq = await first_seq(path, folders.md_tape(name), log, stop)
        if seq is None:
            yield None
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
            latest=values.put if values is not None else latest.nowhere,
        )
        check_ring(publisher, session, name, feed)
        reporter = Reporter(session, publisher, page, bus, clock, settings.env, name)
        told.check(ready=reporter.reasons, detail=reporter.figures)
        yield Outlet(publisher, reporter, bus)
        log.info("stopped", next_seq=publisher.next_seq, published=publisher.published, dropped=publisher.dropped)


def check_ring(publisher: Publisher, session: VenueSession[Any], name: str, feed: Feed) -> None:
    """A snapshot must fit one record of the ring."""
    window = max(i.book.window or i.book.depth for i in session.instruments)
    if 2 * window > publisher.max_levels:
        raise ConfigError(
            f"feed.{name}.ring_bytes: holds {feed.ring_bytes}; a snapshot of {window} levels a side must fit a quarter "
            f"of it. Raise ring_bytes, or lower feed.{name}.depth"
        )


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
