"""Reads an orders tape on into a fold, and notices when what was read is no longer what the tape says.

A tape may lose its tail and give the same numbers to other records, in a later epoch. A new writer says its epoch
before it writes anything: so when the epoch has changed, the record folded last must still be there, byte for byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import Generic, Protocol, TypeVar

from services.api.hub.errors import TailLost
from tapewire.errors import TapeDamaged, TapeError
from tapewire.tape import TapeReader


class Fold(Protocol):
    @property
    def at_seq(self) -> int:
        """The last record folded."""


F = TypeVar("F", bound=Fold)


class Follower(Generic[F]):
    """`views`, a fold, as it stands after the record `last`, which is empty if nothing was folded."""

    def __init__(self, tape: Path, views: F, last: bytes = b"") -> None:
        """Raises TapeMissing, TapeGone (retention removed what comes next), TapeError (the tape ends before)."""
        self.views, self.last = views, last
        self.reader = TapeReader(tape, from_seq=None)
        try:
            self._epoch = self.reader.epoch
            self.reader.seek_seq(views.at_seq + 1)
        except TapeError:
            self.reader.close()
            raise

    def poll(self, most: int) -> list[bytes]:
        """The next released records, surely behind what was folded. Raises TailLost, TapeError."""
        try:
            records = self.reader.poll(most)
        except TapeDamaged:
            self._check_past()
            raise
        # If the epoch is the old one after reading, so are these records.
        while self._check_past():
            records = self.reader.poll(most)
        return records

    def close(self) -> None:
        self.reader.close()

    def _check_past(self) -> bool:
        """Whether another writer has taken the tape over since the last look; the reader stands where it stood."""
        epoch, seq = self.reader.epoch, self.views.at_seq
        if epoch == self._epoch:
            return False
        try:
            still = record_at(self.reader, seq) if self.last else b""
            self.reader.seek_seq(seq + 1)
        except TapeError as error:
            raise TailLost(f"record {seq} of {self.reader.path} was folded and is gone: {error}") from error
        if still != self.last:
            raise TailLost(f"record {seq} of {self.reader.path} was folded, and another one has its number")
        self._epoch = epoch
        return True


def record_at(reader: TapeReader, seq: int) -> bytes:
    """The record `seq`; empty if the tape's released part does not hold it. Moves the reader. Raises TapeError."""
    if not seq or not reader.first_seq <= seq <= reader.positions.released_seq:
        return b""
    reader.seek_seq(seq)
    return next(iter(reader.poll(1)), b"")
