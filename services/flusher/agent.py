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
from tapewire.errors import RingBusy, TapeFenced, TapeFull, TapewireError, WireError
from tapewire.histogram import StatsPage
from tapewire.logs import Logger
from tapewire.ring import RingConsumer
from tapewire.tape import TapeReader, TapeWriter

RETRY_NS: Final = 1_000_000_000  # how often a ring or tape that another process has, or a full disk, is tried again
DRAIN_NS: Final = 3_000_000_000

COUNTERS: Final = ("state", "records", "commits", "duplicates", "gaps", "next_seq", "ring_bytes")
"""`state` as in State; `ring_bytes` is what waits in the ring; `next_seq` the tape's; the others since the start."""
HISTOGRAMS: Final = ("sequenced_to_committed", "commit")
"""From the sequencer's `ts` to the end of the commit, first record of each batch; and what a commit takes. In ns."""


class State(IntEnum):
    waiting = 0
    running = 1
    stopped = 2


class FeedFlusher:
    """Moves one ring onto its tape. `open_ring` and `open_tape` are called again after a disk was full.

    A feed that cannot go on stops alone: `state`, `reason` and the log say so, and nothing more of its ring goes.
    `clock` gives ns and never goes back.
    """

    def __init__(
        self,
        feed: str,
        ring: Path,
        tape: Path,
        open_ring: Callable[[], RingConsumer],
        open_tape: Callable[[], TapeWriter],
        pacer: Pacer,
        stats: StatsPage,
        log: Logger,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.feed, self.state, self.reason = feed, State.waiting, ""
        self._ring_path, self._tape_path = ring, tape
        self._open_ring, self._open_tape = open_ring, open_tape
        self._pacer, self._stats, self._log, self._clock = pacer, stats, log, clock
        self._latency, self._commit_time = (stats.histogram(name) for name in HISTOGRAMS)
        self._ring: RingConsumer | None = None
        self._tape: TapeWriter | None = None
        self._recovering = True
        self._polled = 0  # since the last commit
        self._waiting, self._room = 0, 1  # bytes in the ring, and how many it takes
        self._first_ts = self._first_at = self._retry_at = 0

    @property
    def name(self) -> str:
        return f"flusher md.{self.feed}"

    def reasons(self) -> list[str]:
        """Why what the feed's connector writes does not get onto its tape, or soon will not; from any thread."""
        if self.state is not State.running:
            return [f"feed {self.feed}: {self.state.name}{f': {self.reason}' if self.reason else ''}"]
        if 2 * self._waiting > self._room:
            return [f"feed {self.feed}: {self._waiting} of {self._room} bytes of its ring wait: the tape is behind"]
        return []

    def do_work(self) -> int:
        """One bounded step; returns how many records it moved.

        Raises nothing that the feed's own ring, tape or messages can cause: that ends in `state` and `reason`.
        """
        now = self._clock()
        try:
            if self.state is State.running:
                return self._step(now)
            if self.state is State.waiting and now >= self._retry_at:
                self._open(now)
        except TapeFull as error:
            self._retry_at = now + RETRY_NS
            self._leave(State.waiting, error)
        except TapewireError as error:
            self._leave(State.stopped, error)
        return 0

    def close(self) -> None:
        """Moves what the ring still holds, for DRAIN_NS at most, commits and lets go. The rest stays in the ring."""
        deadline = self._clock() + DRAIN_NS
        while self.do_work() and self._clock() < deadline:
            pass
        if self.state is State.running:
            try:
                self._commit()
            except TapewireError as error:
                self._leave(State.stopped, error)
        self._let_go()
        self._stats.close()

    def _let_go(self) -> None:
        """Without a commit: what was not committed stays in the ring."""
        if self._ring is not None:
            self._ring.close()
        if self._tape is not None:
            self._tape.close()
        self._ring = self._tape = None

    def _become(self, state: State, reason: str) -> None:
        if (state, reason) != (self.state, self.reason):
            say = self._log.error if state is State.stopped else self._log.info
            say("feed", feed=self.feed, state=state.name, reason=reason)
        self.state, self.reason = state, reason
        self._stats.set("state", state)

    def _open(self, now: int) -> None:
        self._retry_at = now + RETRY_NS
        try:
            self._ring, self._tape = self._open_ring(), self._open_tape()
        except (RingBusy, TapeFenced) as error:  # the flusher before us has yet to end
            self._leave(State.waiting, error)
            return
        self._recovering, self._polled = True, 0
        self._stats.set("next_seq", self._tape.next_seq)
        self._become(State.running, "")

    def _leave(self, state: State, error: TapewireError) -> None:
        self._let_go()
        self._become(state, str(error))

    def _step(self, now: int) -> int:
        assert self._ring is not None
        raws = self._ring.poll(self._pacer.records_max - self._polled)
        if raws:
            self._append(raws, now)
        if self._pacer.due(self._polled, now - self._first_at):
            self._commit()
        self._waiting, self._room = self._ring.tail - self._ring.head, self._ring.capacity
        self._stats.set("ring_bytes", self._waiting)
        return len(raws)

    def _append(self, raws: list[bytes], now: int) -> None:
        assert self._tape is not None
        found = sort_out(raws, self._tape.next_seq, self._recovering)
        if found.duplicates:
            self._check_duplicates(found.duplicates)
        if self._polled == 0:
            self._first_at, self._first_ts = now, ts_of(raws[0])
        try:
            if found.append:
                self._tape.append_many(found.append)
        except WireError as error:
            self._commit_tape()  # what came before is good
            raise TapewireError(f"ring {self._ring_path}: record {self._tape.next_seq} is not whole: {error}") from None
        self._polled += len(found.duplicates) + len(found.append)
        self._recovering = self._recovering and not found.append
        if found.found is not None:
            self._commit_tape()  # likewise; but nothing is released: the ring keeps what cannot be written
            self._stats.add("gaps")
            raise self._out_of_order(found.found)

    def _out_of_order(self, found: int) -> TapewireError:
        assert self._tape is not None
        expected = self._tape.next_seq
        way = "jumps ahead to" if found > expected else "steps back to"
        return TapewireError(
            f"feed {self.feed}: ring {self._ring_path} {way} record {found}, but the next for tape {self._tape_path} "
            f"is {expected}. A tape has no gaps, so nothing more of this feed is written. Was the tape or the ring "
            f"removed alone? Stop the connector of {self.feed}, remove the ring (what it holds is lost) and start it."
        )

    def _check_duplicates(self, duplicates: list[bytes]) -> None:
        """After a kill between commit and release the ring holds again what the tape has: the same bytes, or stop."""
        first = seq_of(duplicates[0])
        with TapeReader(self._tape_path, from_seq=first) as reader:
            held = reader.poll(len(duplicates))
        if held != duplicates:
            raise TapewireError(
                f"feed {self.feed}: ring {self._ring_path} and tape {self._tape_path} hold different records from "
                f"{first} on. One of them is from another run: nothing was changed, and this feed is stopped."
            )
        self._stats.add("duplicates", len(duplicates))

    def _commit(self) -> None:
        if self._polled:
            assert self._ring is not None
            self._commit_tape()
            self._ring.release()
            self._polled = 0

    def _commit_tape(self) -> None:
        assert self._tape is not None
        if self._tape.batch_records == 0:
            return
        records, started = self._tape.batch_records, time.monotonic_ns()
        self._tape.commit()
        took = time.monotonic_ns() - started
        self._pacer.committed(took)
        self._commit_time.record(took)
        self._latency.record(time.time_ns() - self._first_ts)
        self._stats.add("records", records)
        self._stats.add("commits")
        self._stats.set("next_seq", self._tape.next_seq)
