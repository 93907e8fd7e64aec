"""The flusher put together: one thread moves the rings, another the archive, and neither waits for the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from services.flusher.agent import FeedFlusher, State
from services.flusher.archiver import Archiver
from tapewire.errors import TapewireError
from tapewire.histogram import StatsPage
from tapewire.logs import Logger

IDLE_MIN_S: Final = 0.000_05
IDLE_MAX_S: Final = 0.002  # how late a quiet feed's next message may be noticed; its ring holds far more than that
ARCHIVE_IDLE_S: Final = 0.25
ARCHIVE_RETRY_S: Final = 5.0
DRAIN_S: Final = 3.0

ARCHIVE_COUNTERS: Final = ("archived_seq", "archived_records", "behind", "failures")
ARCHIVE_HISTOGRAMS: Final = ("archive_stretch",)


def run_feeds(feeds: Sequence[FeedFlusher], stop: threading.Event, log: Logger) -> None:
    """Moves records until `stop`, then drains every ring and commits. A feed that stops is logged once, with why."""
    idle, told = IDLE_MIN_S, dict[str, str]()
    while not stop.is_set():
        now, work = time.monotonic_ns(), 0
        for feed in feeds:
            work += feed.do_work(now)
            if feed.reason != told.get(feed.feed):
                told[feed.feed] = feed.reason
                _tell(feed, log)
        # Twice as long each time nothing came, so that a quiet market costs no processor; a message ends it.
        idle = IDLE_MIN_S if work else min(IDLE_MAX_S, idle * 2)
        if not work:
            stop.wait(idle)
    deadline = time.monotonic_ns() + int(DRAIN_S * 1e9)
    for feed in feeds:
        feed.drain(time.monotonic_ns(), deadline)
        _tell(feed, log)


def _tell(feed: FeedFlusher, log: Logger) -> None:
    say = log.error if feed.state is State.stopped else log.info
    say("feed", feed=feed.feed, state=feed.state.name, reason=feed.reason)


class ArchiveLoop:
    """Archives the tapes that `find` names, each by an Archiver of its own, until `stop`.

    What fails is logged, counted and left alone for a while; the other tapes go on. The tape keeps what is not archived.
    """

    def __init__(
        self,
        find: Callable[[], list[str]],
        make: Callable[[str], Archiver],
        page: Callable[[str], StatsPage],
        stop: threading.Event,
        log: Logger,
    ) -> None:
        self._find, self._make, self._page, self._stop, self._log = find, make, page, stop, log
        self._archivers: dict[str, Archiver] = {}
        self._pages: dict[str, StatsPage] = {}
        self._retry_at: dict[str, float] = {}

    def run(self) -> None:
        while not self._stop.is_set():
            if self.do_work() == 0:
                self._stop.wait(ARCHIVE_IDLE_S)
        for archiver in self._archivers.values():
            archiver.close()

    def do_work(self) -> int:
        """One stretch of each tape that has one due; returns the records archived."""
        done = 0
        for tape in self._find():
            if self._stop.is_set():
                break
            if time.monotonic() >= self._retry_at.get(tape, 0.0):
                done += self._archive(tape)
        return done

    def _archive(self, tape: str) -> int:
        page = self._pages.get(tape)
        if page is None:
            page = self._pages[tape] = self._page(tape)
        started = time.monotonic_ns()
        try:
            if tape not in self._archivers:
                self._archivers[tape] = self._make(tape)
            archiver = self._archivers[tape]
            done = archiver.do_work(started)
            page.set("behind", archiver.behind())
        except (TapewireError, OSError) as error:
            page.add("failures")
            self._log.error("archive", tape=tape, error=str(error), retry_seconds=ARCHIVE_RETRY_S)
            self._retry_at[tape] = time.monotonic() + ARCHIVE_RETRY_S
            failed = self._archivers.pop(tape, None)
            if failed is not None:
                failed.close()
            return 0
        if done:
            page.histogram("archive_stretch").record(time.monotonic_ns() - started)
            page.add("archived_records", done)
            page.set("archived_seq", archiver.checkpoint.archived)
        return done
