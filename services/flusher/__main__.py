"""Market data from the rings onto tapes, and tapes into columnar files. `python -m services.flusher --help`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import click

from services.flusher.agent import COUNTERS, HISTOGRAMS, FeedFlusher, State
from services.flusher.archiver import Archiver, Limits
from services.flusher.flusher import Pacer
from services.flusher.service import ARCHIVE_COUNTERS, ARCHIVE_HISTOGRAMS, ArchiveLoop, run_feeds
from tapewire import logs
from tapewire.config import Config, load
from tapewire.histogram import StatsPage
from tapewire.store import layout
from tapewire.tape import TapeWriter

SWITCH_SECONDS: Final = 0.001  # how long the archive's thread may keep the rings' thread from its turn
ARCHIVE_JOIN_S: Final = 1.5  # drained feeds and this stay within the 5 s that a stop may take


def feed_flusher(config: Config, feed: str) -> FeedFlusher:
    name, settings = f"md.{feed}", config.flusher
    path = config.folders.tape(name)

    def open_tape() -> TapeWriter:
        return TapeWriter(path, name=name, segment_bytes=settings.segment_bytes, durability=settings.durability)

    page = StatsPage.create(_stats(config, f"flusher.{name}"), HISTOGRAMS, COUNTERS)
    return FeedFlusher(feed, config.folders.ring(name), path, open_tape, Pacer(settings.max_batch), page)


def archive_loop(config: Config, stop: threading.Event, log: logs.Logger) -> ArchiveLoop:
    settings = config.flusher
    limits = Limits(settings.archive_records, int(settings.archive_wait * 1e9), settings.row_group_rows)
    return ArchiveLoop(
        find=lambda: layout.tapes(config.data),
        make=lambda tape: Archiver(config.data, tape, limits),
        page=lambda tape: StatsPage.create(
            _stats(config, f"archiver.{tape}"), ARCHIVE_HISTOGRAMS, ARCHIVE_COUNTERS
        ),
        stop=stop,
        log=log,
    )


def _stats(config: Config, name: str) -> Path:
    folder = config.data / "stats"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file to read.")
@click.option("--feed", "only", multiple=True, help="Only this feed; may be given again. Default: every [feed.…].")
def main(path: Path | None, only: tuple[str, ...]) -> None:
    """Move every feed's ring onto its tape, and tapes into columnar files. SIGTERM drains, commits and ends."""
    config = load(path)
    log = logs.configure("flusher")
    sys.setswitchinterval(SWITCH_SECONDS)
    config.folders.prepare(config.rings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    feeds = [feed_flusher(config, feed) for feed in only or config.feeds]
    archive = threading.Thread(target=archive_loop(config, stop, log).run, name="archive", daemon=True)
    if config.flusher.archive:
        archive.start()
    log.info("started", feeds=[feed.feed for feed in feeds], data=str(config.data), archive=config.flusher.archive)
    run_feeds(feeds, stop, log)
    if config.flusher.archive:
        archive.join(ARCHIVE_JOIN_S)
    stopped = [feed.feed for feed in feeds if feed.state is State.stopped]
    log.info("ended", stopped=stopped)
    if archive.is_alive():
        # A stretch takes longer than anyone should wait. The next start does it again, as after a kill.
        os._exit(1 if stopped else 0)
    sys.exit(1 if stopped else 0)


if __name__ == "__main__":
    main()
