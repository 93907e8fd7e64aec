"""What a store implements to be a sink, and the position it keeps for each tape.

The target owns the position: it is stored in the target in one step with the data, and read from there at every start.
The frame owns everything else: tapes, batches, backoff, status, retention.

    open ─▶ for each tape: resume ─▶ fold (records the target's own state needs again) ─▶ prepare, commit, prepare, …
      ▲                       ▲                                                                     │
      │                       └──────────── take_back: the tape lost its tail, or --from ◀──────────┤
      └──────────────────── close ◀──── TargetError: whatever it was, all begins anew ◀─────────────┘

Whatever fails, the frame calls `close` and begins with `open`: a target carries nothing over from before but what is
stored in it. So `prepare` may change a fold before the batch is committed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

MARKS_KEPT = 32


class Mark(NamedTuple):
    """A record that the target has, and the CRC-32C of its bytes: enough to know it again."""

    seq: int
    crc: int


class Position(NamedTuple):
    """How far a target has taken a tape. `marks` are by rising seq, and the last is that of `seq`.

    A tape that lost its tail gives the same numbers to other records: the newest mark whose record is still the same
    says up to where the target is right.
    """

    seq: int = 0
    marks: tuple[Mark, ...] = ()
    begin: int = 1
    """The first record the target was ever given."""

    def moved(self, mark: Mark) -> Position:
        """The position after a batch that ends with `mark`. Of the marks before, ever rarer ones stay."""
        return Position(mark.seq, thinned((*self.marks, mark)), self.begin)

    def back_to(self, seq: int) -> Position:
        """With what it knows of records up to `seq`, which is one of its marks, or lies before all it knows."""
        return Position(seq, tuple(mark for mark in self.marks if mark.seq <= seq), self.begin)


def thinned(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """At most MARKS_KEPT: the last half of them as they are, of those before every other one is let go."""
    if len(marks) <= MARKS_KEPT:
        return marks
    older, newer = marks[: -MARKS_KEPT // 2], marks[-MARKS_KEPT // 2 :]
    # Of the oldest the farthest stays, so that a long loss finds something to go back to.
    drop = min(range(1, len(older)), key=lambda at: older[at].seq - older[at - 1].seq) if len(older) > 1 else 0
    return (*older[:drop], *older[drop + 1 :], *newer)


class Batch(NamedTuple):
    """Records of one tape in order, without a gap behind what the target has; and the position after them."""

    tape: str
    records: list[bytes]
    before: Position
    position: Position
    whole: bool = True
    """Whether it ends with its command. Where it does not, more records are there already."""


class Resume(NamedTuple):
    """Where a target stands on a tape."""

    position: Position
    fold_after: int
    """Its own state is as of this record (0: blank): what lies between this and `position.seq` is given to `fold`. A
    target without state says `position.seq`."""
    hold: int
    """Retention keeps everything behind this record: `fold_after`, or less if older states are kept as well."""
    known_from: int = 0
    """The tape was pruned: what the target says of what stands, it knows from this record on; 0: from the first."""


class Committed(NamedTuple):
    rows: int
    hold: int
    """As in Resume, from now on."""


class Renewal(NamedTuple):
    """What a store that holds something needs before it takes more, and what takes as long as there is in it."""

    what: str
    do: Callable[[], Awaitable[None]]


class Target(Protocol):
    """One store. Called by one task. Every method that talks to the store raises TargetError for whatever it meets.

    An error's text tells what happened, where, what was expected, what to do, and never a secret.
    """

    @property
    def where(self) -> str:
        """The store for people: its address without secrets."""

    async def open(self) -> Renewal | None:
        """Connects, and makes or checks what the store needs to take rows (tables, version of the schema).

        What it returns is said and done before anything else, without a bound on its time.
        """

    async def resume(self, tape: str, folder: Path) -> Resume:
        """What is stored for a tape; a new one begins with Position(). `folder` is the tape's, for definitions."""

    async def positions(self) -> dict[str, Position]:
        """Of every tape in the store. Between `open` and `close`, for `tapewire sink status`."""

    def fold(self, tape: str, records: list[bytes]) -> None:
        """Takes records that the store already has into the target's own state."""

    async def prepare(self, batch: Batch) -> Any:
        """Turns records into what `commit` takes: all the computing. The next batch is prepared while one commits.

        One is prepared at a time. What takes long and needs no GIL is done in a thread, so that both go on. Raises
        SinkError, WireError or, where it looks at the tape again, TapeError: the tape stops, and the others go on.
        """

    async def commit(self, batch: Batch, prepared: Any) -> Committed:
        """Stores data and position in one step. Raises TargetError if the store's position is not `batch.before`."""

    async def take_back(self, tape: str, position: Position) -> None:
        """Takes back what came of records behind `position.seq` and stores `position`, in one step. `resume` follows.

        A store that cannot forget says in its own document what its readers see instead.
        """

    async def upkeep(self) -> None:
        """Called about once a minute while nothing is being committed: clean-up of the store's own."""

    async def close(self) -> None:
        """Lets go; never raises. `open` may follow."""
