"""Market data from the rings onto tapes, and tapes into columnar files. `python -m services.flusher --help`."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import os
import sys
import threading
from pathlib import Path
from typing import Final

import click

from services.flusher import agent, archive_agent
from services.flusher.agent import FeedFlusher, State
from services.flusher.archive_agent import ArchiveAgent
from services.flusher.archiver import Archiver, Limits
from services.flusher.flusher import Pacer
from services.flusher.retention_agent import RetentionAgent
from tapewire import health, lifecycle, logs
from tapewire.agent import AgentRunner, BackoffIdle, CompositeAgent, IdleStrategy, SpinIdle, YieldIdle
from tapewire.config import Config, load
from tapewire.errors import ConfigError
from tapewire.histogram import StatsPage
from tapewire.ring import RingConsumer, create_ring
from tapewire.store import layout
from tapewire.tape import TapeWriter

SERVICE: Final = "flusher"
SWITCH_S: Final = 0.001  # how long the archive's thread may keep the rings' thread from its turn
QUIET_NS: Final = 2_000_000  # how late a quiet feed's next message may be noticed; its ring holds far more than that
ARCHIVE_QUIET_NS: Final = 250_000_000
FEEDS_JOIN_S: Final = 4.0
ARCHIVE_JOIN_S: Final = 0.5


def feed_flusher(config: Config, feed: str, log: logs.Logger) -> FeedFlusher:
    name, settings = f"md.{feed}", config.flusher
    path, ring = config.folders.tape(name), config.folders.ring(name)
    if feed not in config.feeds:
        raise ConfigError(f"feed {feed}: there is no [feed.{feed}]; there are {', '.join(config.feeds) or 'none'}")

    def open_ring() -> RingConsumer:
        # Whichever of connector and flusher comes first makes it: a ring that is there is kept with all it holds.
        create_ring(ring, config.feeds[feed].ring_bytes)
        return RingConsumer(ring)

    def open_tape() -> TapeWriter:
        return TapeWriter(path, name=name, segment_bytes=settings.segment_bytes, durability=settings.durability)

    page = StatsPage.create(config.folders.stats / f"flusher.{name}", agent.HISTOGRAMS, agent.COUNTERS)
    return FeedFlusher(feed, ring, path, open_ring, open_tape, Pacer(settings.max_batch), page, log)


def archiving(config: Config, log: logs.Logger) -> ArchiveAgent:
    settings = config.flusher
    limits = Limits(settings.archive_records, int(settings.archive_wait * 1e9), settings.row_group_rows)

    def page(tape: str) -> StatsPage:
        path = config.folders.stats / f"archiver.{tape}"
        return StatsPage.create(path, archive_agent.HISTOGRAMS, archive_agent.COUNTERS)

    return ArchiveAgent(lambda: layout.tapes(config.data), lambda tape: Archiver(config.data, tape, limits), page, log)


class Beating:
    """Tells with every turn of the rings' thread that it turns."""

    name = "pulse"

    def __init__(self, pulse: health.Pulse) -> None:
        self._beat = pulse.beat

    def do_work(self) -> int:
        self._beat()
        return 0

    def close(self) -> None:
        """There is nothing to give back."""


def idle_of(config: Config) -> IdleStrategy:
    """Connectors ring no bell, so that what sleeps has to look by itself now and then."""
    if config.flusher.idle == "spin":
        return SpinIdle()
    return YieldIdle() if config.flusher.idle == "yield" else BackoffIdle(sleep_ns_max=QUIET_NS)


def without_rings() -> IdleStrategy:
    """Of what nobody waits for."""
    return BackoffIdle(0, 0, 1_000_000, ARCHIVE_QUIET_NS)


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file to read.")
@click.option("--feed", "only", multiple=True, help="Only this feed; may be given again. Default: every [feed.…].")
@click.option("--archive-only", is_flag=True, help="No feed: only tapes, such as copies of other hosts', into files.")
def main(path: Path | None, only: tuple[str, ...], archive_only: bool) -> None:
    """Move every feed's ring onto its tape, and tapes into columnar files. SIGTERM drains, commits and ends."""
    config = load(path)
    if archive_only and (only or not config.flusher.archive):
        raise ConfigError("--archive-only: with --feed, or with flusher.archive = false, there is nothing to do")
    log = logs.configure("flusher")
    config.folders.prepare(config.rings)
    sys.setswitchinterval(SWITCH_S)
    stop = threading.Event()
    told = health.serve(config, SERVICE)
    stopping.on_stop(told.draining(stop.set))
    feeds = [] if archive_only else [feed_flusher(config, feed, log) for feed in only or config.feeds]
    rings = AgentRunner(
        CompositeAgent("rings", [*feeds, Beating(told.pulse("rings"))]),
        idle_of(config) if feeds else without_rings(),
        on_error=lambda *_: stop.set(),
    )
    beside = [archiving(config, log)] if config.flusher.archive else []
    archive = AgentRunner(
        CompositeAgent("archive", [*beside, RetentionAgent(config, log)]),
        without_rings(),
        on_error=lambda *_: stop.set(),
    )
    rings.start()
    archive.start()
    told.check(
        ready=lambda: [why for feed in feeds for why in feed.reasons()],
        detail=lambda: " ".join(f"{feed.feed}={feed.state.name}" for feed in feeds),
    )
    log.info("started", feeds=[feed.feed for feed in feeds], data=str(config.data), archive=config.flusher.archive)
    stop.wait()
    archive.request_stop()
    rings.stop(FEEDS_JOIN_S)
    stopped = [feed.feed for feed in feeds if feed.state is State.stopped]
    told.close()
    log.info("drained", stopped=stopped)
    try:
        archive.join(ARCHIVE_JOIN_S)
    except TimeoutError:
        # The stretch under way takes longer than a stop may. The next start does it again, as after a kill.
        os._exit(1 if stopped else 0)
    sys.exit(1 if stopped else 0)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire flusher")
