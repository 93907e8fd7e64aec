"""How far each consumer of a tape has come: one small file each, beside the tape.

    <tape>/consumers/<name>      u64 seq, little endian: everything up to that record has been dealt with

Eight bytes in one place are written whole or not at all, so a killed consumer leaves its last position. Retention keeps
what the slowest has not read; a restarted consumer goes on behind its position, and may see its last second again.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from tapewire.errors import TapeError

FOLDER = "consumers"
_SEQ = struct.Struct("<Q")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class ConsumerPosition:
    """One consumer's own position. One process at a time."""

    def __init__(self, tape: Path, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise TapeError(f"consumer {name!r} of {tape}: expected a name of a-z, 0-9, dot, - and _")
        path = tape / FOLDER / name
        try:
            path.parent.mkdir(exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            raw = os.pread(self._file, _SEQ.size, 0)
        except OSError as error:
            raise TapeError(f"consumer {name}: cannot keep its position in {path}: {error.strerror}") from error
        self.path = path
        self.seq: int = _SEQ.unpack(raw)[0] if len(raw) == _SEQ.size else 0
        """The last record dealt with; 0: none."""

    def store(self, seq: int) -> None:
        """Moves the position; it never goes back. Raises TapeError if the disk refuses."""
        if seq <= self.seq:
            return
        try:
            os.pwrite(self._file, _SEQ.pack(seq), 0)
        except OSError as error:
            raise TapeError(f"{self.path}: cannot be written: {error.strerror}") from error
        self.seq = seq

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def positions(tape: Path) -> dict[str, int]:
    """Every registered consumer of a tape and the last record it has dealt with.

    Raises TapeError if one cannot be read: what it still needs must not be taken for done.
    """
    found = {}
    for path in sorted((tape / FOLDER).glob("*")):
        try:
            raw = path.read_bytes()
        except FileNotFoundError:  # moved aside by a cut meanwhile
            continue
        except OSError as error:
            raise TapeError(f"{path}: the position of a consumer cannot be read: {error.strerror}") from error
        found[path.name] = _SEQ.unpack(raw)[0] if len(raw) == _SEQ.size else 0
    return found


def take_back(tape: Path, last_seq: int) -> None:
    """Moves every position behind `last_seq` back to it: the records beyond were lost. Raises TapeError, OSError."""
    for name, seq in positions(tape).items():
        if seq > last_seq:
            with (tape / FOLDER / name).open("r+b") as file:
                file.write(_SEQ.pack(last_seq))
                file.flush()
                os.fsync(file.fileno())
