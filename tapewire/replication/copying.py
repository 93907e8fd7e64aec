"""What a mirror decides about each message of the stream: write it, compare it, fetch what is missing, or stop.

Pure but for the copy it is given (`Copy`): a `TapeMirror` with a way to read back what it holds.

A message that the mirror holds already, whole or in part, is compared byte for byte, never passed over: so one that
differs is found at the first message after a restart, and stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tapewire.replication.part import Part


class Copy(Protocol):
    """What is written into."""

    @property
    def end(self) -> int: ...
    @property
    def empty(self) -> bool: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def epoch(self) -> int:
        """The latest of a writer's, this host's own ones included."""

    def apply(self, frames: bytes, /) -> None: ...
    def read(self, position: int, most: int) -> bytes:
        """Its frames from there on, as the stream has them, up to `end`."""


@dataclass(frozen=True)
class Taken:
    """It is in the copy."""


@dataclass(frozen=True)
class Again:
    """Messages are missing: the stream must be read from `sequence` on."""

    sequence: int


@dataclass(frozen=True)
class Fetch:
    """The stream begins behind our end: what lies between is asked from the sender. Then the message comes again."""

    position: int
    up_to: int


@dataclass(frozen=True)
class HandOver:
    """This host's own claim: the copy is complete, and a writer of `epoch` may have it."""

    epoch: int


@dataclass(frozen=True)
class Differs:
    """This mirror must not go on, nor ever be promoted as it is."""

    why: str


Outcome = Taken | Again | Fetch | HandOver | Differs


class Mirror:
    """One tape's. `sequence`: the stream's message that is expected next."""

    def __init__(self, copy: Copy, host: str, mark: str, sequence: int) -> None:
        self._copy, self._host = copy, host
        self.mark, self.sequence = mark, sequence
        self.holder, self.epoch, self.durability = "", 0, ""
        """Of the last message taken."""
        self.writer_epoch = 0
        """Of the last frames taken: a claim's epoch begins with its writer."""
        self.whole = (0, 0)
        """The last end of a batch that the copy holds: what may be committed."""

    def feed(self, sequence: int, part: Part, frames: bytes) -> Outcome:
        """The message `sequence`. Raises what the copy raises (TapeFull: the same message may be fed again)."""
        if sequence < self.sequence:
            return Taken()
        if sequence > self.sequence:
            return Again(self.sequence)
        if self.mark and part.mark != self.mark:
            return Differs(f"the stream is of another tape of this name: its mark is {part.mark}, ours {self.mark}")
        outcome = self._claim(part) if part.kind == "claim" else self._frames(part, frames)
        if isinstance(outcome, Taken | HandOver):
            self.mark, self.holder, self.epoch, self.durability = part.mark, part.holder, part.epoch, part.durability
            self.sequence = sequence + 1
            if part.kind == "frames":
                self.writer_epoch = part.epoch
            self._note_whole(part)
        return outcome

    def fetched(self, part: Part, frames: bytes) -> Outcome:
        """What was asked for, from our end on; it may reach into what the stream holds."""
        if self.mark and part.mark != self.mark:
            return Differs(f"what was fetched is of another tape of this name: mark {part.mark}, ours {self.mark}")
        outcome = self._frames(part, frames, first=True)
        if isinstance(outcome, Taken):
            self.mark = part.mark
            self._note_whole(part)
        return outcome

    def _frames(self, part: Part, frames: bytes, *, first: bool = False) -> Outcome:
        copy, end = self._copy, self._copy.end
        if copy.empty:
            # Only at a segment's beginning can a tape begin: its sender knows where that is.
            if part.position and not first:
                return Fetch(0, part.position)
            copy.apply(frames)
            return Taken()
        if part.position > end:
            return Fetch(end, part.position)
        ours = copy.read(part.position, len(frames)) if part.position < end else b""
        if ours[: len(frames)] != frames[: len(ours)]:
            return Differs(
                f"the stream holds other bytes than this mirror at position {part.position} to {part.end} (records "
                f"{part.first} to {part.last}). The mirror stops; it cannot be promoted. Move its folder aside, start "
                "it anew, once it is known which of them is right"
            )
        if part.end > end:
            copy.apply(frames[len(ours) :])
        return Taken()

    def _claim(self, part: Part) -> Outcome:
        if part.position > self._copy.end:
            return Fetch(self._copy.end, part.position)
        if part.holder != self._host:
            return Taken()
        if part.position < self._copy.end:
            return Taken()  # a former claim: what followed it was fetched already
        return HandOver(part.epoch)

    def _note_whole(self, part: Part) -> None:
        if self.whole[0] < part.whole <= self._copy.end:
            self.whole = (part.whole, part.whole_seq)
