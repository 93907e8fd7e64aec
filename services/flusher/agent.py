"""The duty cycle of one feed: ring, tape, commit, release. In that order, so that a kill anywhere loses nothing.

    waiting ──ring and tape open──▶ running ──sequence broken, ring or tape damaged──▶ stopped
       ▲                               │
       └──────disk full: try again─────┘
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from services.flusher.flusher import Pacer, seq_of, sort_out, ts_of
from tapewire.errors import RingError, RingMissing, TapeError, TapeFull
from tapewire.ring import RingConsumer
from tapewire.tape import TapeReader, TapeWriter

RETRY_NS: Final = 1_000_000_000  # how often a ring that is not there, or a disk that was full, is tried again


class State(Enum):
    waiting = "waiting"
    running = "running"
    stopped = "stopped"


class Counters(Protocol):
    """Where an agent counts; a StatsPage is one."""

    def add(self, name: str, n: int = 1, /) -> None: ...
    def set(self, name: str, value: int, /) -> None: ...


COUNTERS: Final = ("records", "commits", "duplicates", "gaps", "next_seq", "ring_bytes", "state")
"""`state`: 0 waiting, 1 running, 2 stopped. `ring_bytes`: what waits in the ring. The rest since the start."""
HISTOGRAMS: Final = ("sequenced_to_committed", "commit")


class Recorder(Protocol):
    """Where an agent puts durations; a Histogram is one."""

    def record(self, ns: int, /) -> None: ...


class FeedFlusher:
    """Moves one ring onto its tape. `open_tape` gives the writer: it is called again after every retry."""

    def __init__(
        self,
        feed: str,
        ring: Path,
        tape: Path,
        open_tape: Callable[[], TapeWriter],
        pacer: Pacer,
        counters: Counters,
        latency: Recorder,
        commit_time: Recorder,
    ) -> None:
        self.feed = feed
        self.state = State.waiting
        self.reason = f"ring {ring} is not there yet"
        self._ring_path, self._tape_path, self._open_tape = ring, tape, open_tape
        self._pacer, self._counters, self._latency, self._commit_time = pacer, counters, latency, commit_time
        self._ring: RingConsumer | None = None
        self._tape: TapeWriter | None = None
        self._pending: list[int] = []
        self._retry_at = 0
