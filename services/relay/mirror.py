"""The mirrored tape of an engine or router elsewhere, as far as it shows which records of rings were taken."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tapewire.consumers import ConsumerPosition
from tapewire.errors import TapeDamaged, TapeError, TapeGone
from tapewire.logs import Logger
from tapewire.tape import TapeReader

BATCH: Final = 8192
CONSUMER: Final = "relay"


class Mirror:
    """Opened once it is there, and again when it was made anew."""

    def __init__(self, path: Path, types: Sequence[int], log: Logger) -> None:
        self._path, self._types, self._log = path, types, log
        self._reader: TapeReader | None = None
        self._position: ConsumerPosition | None = None
        self._inode = 0
        self.taken: dict[int, int] = {}
        """By producer: the highest position seen."""

    @property
    def reached(self) -> tuple[int, int]:
        """The tape's epoch, and the last record that is here; zeros while there is no tape."""
        return (0, 0) if self._reader is None else (self._reader.epoch, self._reader.positions.released_seq)

    def look(self, take: Callable[[int, int], None]) -> int:
        """Reads on; tells each producer whose position moved. Returns how many records it read. Raises TapeDamaged."""
        if self._reader is None and not self._open():
            return 0
        assert self._reader is not None
        try:
            count, taken = self._reader.poll_taken(self._types, BATCH)
        except TapeGone as error:
            # Retention overtook us: what it removed was taken, and what follows says how far.
            self._log.warning("tape read on from its first record", reason=str(error))
            self._reader.close()
            self._reader = TapeReader(str(self._path), None)
            return 0
        for source, position in taken.items():
            if position > self.taken.get(source, 0):
                self.taken[source] = position
                take(source, position)
        return count

    def store(self) -> None:
        """What was seen so far is not needed again. Looks whether the tape is still the same one, too."""
        if self._reader is None or self._position is None:
            return
        self._position.store(self._reader.next_seq - 1)
        if self._inode != _inode(self._path):
            self._log.warning("tape made anew", tape=str(self._path))
            self.close()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        if self._position is not None:
            self._position.close()
        self._reader = self._position = None

    def _open(self) -> bool:
        inode = _inode(self._path)
        if not inode:
            return False
        try:
            reader = TapeReader(str(self._path), None)
        except TapeDamaged:
            raise
        except TapeError:  # it is just being made
            return False
        self._position = ConsumerPosition(self._path, CONSUMER)
        start = self._position.seq + 1
        if reader.first_seq <= start <= reader.positions.released_seq + 1:
            reader.seek_seq(start)
        self._reader, self._inode = reader, inode
        return True


def _inode(path: Path) -> int:
    """Of the tape's folder; 0: there is none."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0
