"""The duty cycle of one feed: ring, tape, commit, release. In that order, so that a kill anywhere loses nothing.

    waiting ──ring and tape open──▶ running ──sequence broken, ring or tape damaged──▶ stopped
       ▲                               │
       └──────disk full: try again─────┘
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Final

from services.flusher.flusher import Pacer, seq_of, sort_out, ts_of
from tapewire.errors import RingBusy, RingMissing, TapeFull, TapewireError, WireError
from tapewire.histogram import StatsPage
from tapewire.ring import RingConsumer
from tapewire.tape import TapeReader, TapeWriter
from tapewire.wire._wire import is_flat

RETRY_NS: Final = 1_000_000_000  # how often a ring that is not there yet, or a full disk, is tried again

COUNTERS: Final = ("state", "records", "commits", "duplicates", "next_seq", "ring_bytes")
"""`state` as in State; `ring_bytes` is what waits in the ring; `next_seq` the tape's; the others since the start."""
HISTOGRAMS: Final = ("sequenced_to_committed", "commit")
"""From the sequencer's `ts` to the end of the commit, first record of each batch; and what a commit takes. In ns."""


class State(IntEnum):
    waiting = 0
    running = 1
    stopped = 2


class FeedFlusher:
    """Moves one ring onto its tape. `open_tape` makes the writer; it is called again after a disk was full.

    A feed that cannot go on stops alone: `state` and `reason` say so, and nothing more is released from its ring.
    """

    def __init__(
        self, feed: str, ring: Path, tape: Path, open_tape: Callable[[], TapeWriter], pacer: Pacer, stats: StatsPage
    ) -> None:
        self.feed = feed
        self.state = State.waiting
        self.reason = f"ring {ring} was not opened yet"
        self._ring_path, self._tape_path, self._open_tape = ring, tape, open_tape
        self._pacer, self._stats = pacer, stats
        self._latency, self._commit_time = (stats.histogram(name) for name in HISTOGRAMS)
        self._ring: RingConsumer | None = None
        self._tape: TapeWriter | None = None
        self._recovering = True
        self._polled = self._appended = 0  # since the last commit
        self._first_ts = self._first_at = self._retry_at = 0

    def do_work(self, now: int) -> int:
        """One bounded step; returns how many records it moved. `now` in ns, of a steady clock. Raises nothing that a
        feed's own ring, tape or messages can cause: that ends in `state` and `reason`."""
        try:
            if self.state is State.running:
                return self._step(now)
            if self.state is State.waiting and now >= self._retry_at:
                self._open(now)
        except TapeFull as error:
            self._leave(State.waiting, error)
            self._retry_at = now + RETRY_NS
        except TapewireError as error:
            self._leave(State.stopped, error)
        return 0

    def drain(self, now: int, deadline: int) -> None:
        """Moves what the ring holds, commits, releases and closes. What is left at `deadline` waits for the next start."""
        while self.do_work(now) and now < deadline:
            now = time.monotonic_ns()
        if self.state is State.running:
            try:
                self._commit(now)
            except TapewireError as error:
                self._leave(State.stopped, error)
        self.close()

    def close(self) -> None:
        """Without a commit: what was not committed stays in the ring."""
        if self._ring is not None:
            self._ring.close()
        if self._tape is not None:
            self._tape.close()
        self._ring = self._tape = None

    def _open(self, now: int) -> None:
        self._retry_at = now + RETRY_NS
        try:
            self._ring = RingConsumer(self._ring_path)
        except (RingMissing, RingBusy) as error:  # its connector, or the flusher before us, has yet to start or to end
            self.reason = str(error)
            return
        self._tape = self._open_tape()
        self._recovering, self._polled, self._appended = True, 0, 0
        self.state, self.reason = State.running, ""
        self._stats.set("next_seq", self._tape.next_seq)
        self._stats.set("state", self.state)

    def _leave(self, state: State, error: TapewireError) -> None:
        self.close()
        self.state, self.reason = state, str(error)
        self._stats.set("state", state)

    def _step(self, now: int) -> int:
        assert self._ring is not None
        raws = self._ring.poll(self._pacer.records_max - self._polled)
        if raws:
            self._append(raws, now)
        if self._pacer.due(self._polled, now - self._first_at):
            self._commit(now)
        self._stats.set("ring_bytes", self._ring.tail - self._ring.head)
        return len(raws)

    def _append(self, raws: list[bytes], now: int) -> None:
        assert self._tape is not None
        damaged = next((place for place, raw in enumerate(raws) if not is_flat(raw)), None)
        found = sort_out(raws[:damaged], self._tape.next_seq, self._recovering)
        if found.duplicates:
            self._check_duplicates(found.duplicates)
        if self._polled == 0:
            self._first_at, self._first_ts = now, ts_of(raws[0])
        for raw in found.append:
            self._tape.append(raw)
        self._polled += len(found.duplicates) + len(found.append)
        self._appended += len(found.append)
        self._recovering = self._recovering and not found.append
        if found.found is not None or damaged is not None:
            self._commit(now)  # what came before the fault is good
            raise self._fault(found.found, damaged)

    def _fault(self, found: int | None, damaged: int | None) -> TapewireError:
        assert self._tape is not None
        expected = self._tape.next_seq
        if found is None:
            return WireError(f"ring {self._ring_path}: record {expected} is no message of ours. The feed is stopped.")
        way = "jumps ahead to" if found > expected else "steps back to"
        return TapewireError(
            f"feed {self.feed}: ring {self._ring_path} {way} record {found}, but the next one for tape {self._tape_path} "
            f"is {expected}. A tape has no gaps, so nothing more of this feed is written. Was the tape or the ring "
            f"removed alone? Stop the connector of {self.feed}, remove the ring (its records are then lost) and start it."
        )

    def _check_duplicates(self, duplicates: list[bytes]) -> None:
        """After a kill between commit and release the ring holds again what the tape has: the same bytes, or we stop."""
        first = seq_of(duplicates[0])
        with TapeReader(self._tape_path, from_seq=first) as reader:
            held = reader.poll(len(duplicates))
        if held != duplicates:
            raise TapewireError(
                f"feed {self.feed}: ring {self._ring_path} and tape {self._tape_path} hold different records from "
                f"{first} on. One of them is from another run: nothing was changed, and this feed is stopped."
            )
        self._stats.add("duplicates", len(duplicates))

    def _commit(self, now: int) -> None:
        assert self._tape is not None
        assert self._ring is not None
        if self._polled == 0:
            return
        if self._appended:
            started = time.monotonic_ns()
            self._tape.commit()
            took = time.monotonic_ns() - started
            self._pacer.committed(took)
            self._commit_time.record(took)
            self._latency.record(time.time_ns() - self._first_ts)
            self._stats.add("records", self._appended)
            self._stats.add("commits")
            self._stats.set("next_seq", self._tape.next_seq)
        self._ring.release()
        self._polled = self._appended = 0
