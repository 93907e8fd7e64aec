"""What the sender of a tape decides: which part may go out, what is stored, what may be released, whether it is fenced.

Pure: who calls it reads the tape, talks to the stream, and says what time it is.

    ┌──────┐  synced: the last part is ours, and as on the tape   ┌──────┐
    │ sync │ ────────────────────────────────────────────────────▶│ send │── sent, acked ─▶ released moves on
    └──────┘ ◀──────────────────────────────────────────────────── └──────┘
        │       refused, no answer in time, the bus was away, a late answer's stream has another leader or more messages
        ▼
    stopped: fenced (another host has the tape), differs, behind

Each part is published with the stream's last sequence that it expects, and that is one of which we know what it holds.
So it is stored once or not at all, whatever was repeated, and never behind a claim: that is the fence. An answer that
did not come is never guessed: the stream is asked what it holds, and the sender goes on behind that.

One part is on its way at a time. Of two, the second would expect a sequence that is still to be made, and a claim could
be what makes it: then the first is refused, and the second stored behind the claim. Batches gather meanwhile, and the
next part takes them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tapewire.replication.part import Part

ANSWER_WITHIN_NS = 5_000_000_000
LATE_AFTER_NS = 500_000_000
"""An answer that is late by so much may be lost with the stream's leader: it is looked who leads now."""


class State(Enum):
    sync = "sync"
    send = "send"
    stopped = "stopped"


@dataclass(frozen=True)
class Stop:
    """Why the sender goes no further. `epoch`: of a fence, the one that was taken; else 0."""

    why: str
    epoch: int = 0
    holder: str = ""


@dataclass(frozen=True)
class Last:
    """What the stream holds last. `part` None: it holds nothing. `agrees`: these bytes are on our tape, there."""

    sequence: int
    part: Part | None
    agrees: bool = False


@dataclass(frozen=True)
class _Flight:
    token: int
    part: Part
    sent_at: int


class Sender:
    """One tape's. `mark` may be empty until the first part gives or makes one."""

    def __init__(self, host: str, mark: str) -> None:
        self.host, self.mark = host, mark
        self.state, self.stop = State.sync, None
        self.next = 0
        """The position from which the next part goes."""
        self.stored = 0
        """The position up to which the stream holds the tape."""
        self.released = (0, 0)
        """The mark (position, seq) up to which whole batches are stored."""
        self._sequence = 0
        self._token = 0
        self._flight: _Flight | None = None

    state: State
    stop: Stop | None

    # -- what the stream holds

    def synced(self, last: Last, tape_end: int, begin: int) -> None:
        """`tape_end`: what is durable here; `begin`: where the tape does, and a stream that holds nothing."""
        if self.state is not State.sync:
            return
        part = last.part
        if part is None:
            if last.sequence:
                self._end(
                    Stop(
                        f"the stream held {last.sequence} messages and none is left: who holds the tape is not known. "
                        "If no other host took it, `tapewire replica renew` begins a new stream"
                    )
                )
                return
            self._go_on(0, begin)
            return
        self._judge(part, last, tape_end, begin)
        if self.stop is None:
            self._go_on(last.sequence, part.end)
            self._release(part)

    def _judge(self, part: Part, last: Last, tape_end: int, begin: int) -> None:
        if self.mark and part.mark != self.mark:
            self._end(Stop(f"the stream is of another tape of this name: its mark is {part.mark}, ours {self.mark}"))
        elif part.holder != self.host:
            self._end(Stop(f"fenced: epoch {part.epoch} taken by {part.holder}", part.epoch, part.holder))
        elif part.end > tape_end:
            self._end(
                Stop(
                    f"this tape ends at position {tape_end}, the stream holds it up to {part.end}, record {part.last}: "
                    "it has lost what was acknowledged. Stop the engine and start the replica with the tape among "
                    "replica.mirror: it gets it back"
                )
            )
        elif part.end < begin:
            self._end(
                Stop(
                    f"the stream ends at position {part.end}, and this tape begins at {begin}: retention removed what "
                    "would follow. Delete the stream, then `tapewire replica renew` begins a new one"
                )
            )
        elif not last.agrees:
            self._end(
                Stop(
                    f"the stream holds other bytes than this tape at position {part.position} to {part.end} (records "
                    f"{part.first} to {part.last}). Nothing is sent; compare both, and mirror the right one"
                )
            )
        else:
            self.mark = part.mark

    def _go_on(self, sequence: int, position: int) -> None:
        self._sequence, self.next = sequence, position
        self.stored = max(self.stored, position) if sequence else self.stored
        self._flight = None
        self.state = State.send

    # -- sending

    @property
    def sequence(self) -> int:
        """The stream's last message, as the sender knows it."""
        return self._sequence

    @property
    def may_send(self) -> bool:
        return self.state is State.send and self._flight is None

    def sent(self, part: Part, now: int) -> tuple[int, int]:
        """The part goes out now. Returns its token and the stream's last sequence that it must expect."""
        if not self.may_send or part.position != self.next:
            raise ValueError(f"a part from {part.position}, expected {self.next}, {self.state.value}")
        self._token += 1
        self._flight = _Flight(self._token, part, now)
        self.next = part.end
        return self._token, self._sequence

    def acked(self, token: int, sequence: int) -> bool:
        """The stream has stored it, durably, under this sequence. False: the answer means nothing any more, or is to be
        doubted."""
        flight = self._flight
        if flight is None or flight.token != token:
            return False
        if sequence != self._sequence + 1:
            self.in_doubt()
            return False
        self._flight = None
        self._sequence = sequence
        self.stored = flight.part.end
        self._release(flight.part)
        return True

    def refused(self, token: int) -> None:
        if self._flight is not None and self._flight.token == token:
            self.in_doubt()

    def tick(self, now: int) -> None:
        if self._flight is not None and now - self._flight.sent_at > ANSWER_WITHIN_NS:
            self.in_doubt()

    def late(self, now: int) -> int:
        """The token of a part whose answer is late; 0: none."""
        flight = self._flight
        return flight.token if flight is not None and now - flight.sent_at > LATE_AFTER_NS else 0

    def looked(self, token: int, last: int, *, same_leader: bool) -> None:
        """What the stream said while that part's answer was late. Where it holds no more than before and is led as
        before, the part may still be on its way: a slow stream is not sent everything twice."""
        flight = self._flight
        if flight is not None and flight.token == token and not (same_leader and last == self._sequence):
            self.in_doubt()

    def in_doubt(self) -> None:
        """What was on its way may be stored or not: the stream must be asked."""
        if self.state is State.send:
            self.state = State.sync
            self._flight = None

    def _release(self, part: Part) -> None:
        if part.whole > self.released[0]:
            self.released = (part.whole, part.whole_seq)

    def _end(self, stop: Stop) -> None:
        self.state, self.stop = State.stopped, stop
