"""The archive's duty cycle: every tape in turn, a stretch at a time, beside the rings and never in their way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from services.flusher.archiver import Archiver
from tapewire.errors import TapewireError
from tapewire.histogram import StatsPage
from tapewire.logs import Logger

RETRY_S: Final = 5.0  # how long a tape that could not be archived is left alone

COUNTERS: Final = ("archived_seq", "archived_records", "behind", "failures")
"""`archived_seq` and `behind` (records) as of the last look; the others since the start."""
HISTOGRAMS: Final = ("stretch",)
"""What archiving one stretch took, ns."""


class ArchiveAgent:
    """Archives the tapes that `find` names, each by an Archiver of its own. Runs on a thread that no ring waits for.

    What fails is logged, counted and left alone for a while; the other tapes go on. The tape keeps what is not.
    """

    def __init__(
        self,
        find: Callable[[], list[str]],
        make: Callable[[str], Archiver],
        page: Callable[[str], StatsPage],
        log: Logger,
    ) -> None:
        self._find, self._make, self._page, self._log = find, make, page, log
        self.name = "archive"
        self._archivers: dict[str, Archiver] = {}
        self._pages: dict[str, StatsPage] = {}
        self._retry_at: dict[str, float] = {}
        self._turn = 0

    def do_work(self) -> int:
        """One stretch of one tape, the one whose turn it is; returns the records archived."""
        tapes = self._find()
        for _ in tapes:
            self._turn += 1
            tape = tapes[self._turn % len(tapes)]
            if time.monotonic() >= self._retry_at.get(tape, 0.0) and (done := self._archive(tape)):
                return done
        return 0

    def close(self) -> None:
        for archiver in self._archivers.values():
            archiver.close()
        for page in self._pages.values():
            page.close()

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
            self._log.error("archive", tape=tape, error=str(error), retry_seconds=RETRY_S)
            self._retry_at[tape] = time.monotonic() + RETRY_S
            failed = self._archivers.pop(tape, None)
            if failed is not None:
                failed.close()
            return 0
        if done:
            page.histogram("stretch").record(time.monotonic_ns() - started)
            page.add("archived_records", done)
            page.set("archived_seq", archiver.checkpoint.archived)
        return done
