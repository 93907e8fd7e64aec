"""How far each consumer of a tape has come: one small file each, beside the tape.

    <tape>/consumers/<name>      u64 seq, u64 epoch, little endian: everything up to that record has been dealt with

Sixteen bytes in one place are written whole or not at all, so a killed consumer leaves its last position. Retention
keeps what the slowest has not read; a restarted consumer goes on behind its position, and may see its last second
again.

`epoch` is the tape's at that record, from consumers that keep it (0: not kept). A tape that lost its tail gives the
same numbers once more, in a later epoch: so a consumer can tell that a record of its number is another one.
"""

from __future__ import annotations

import os
import re
import struct
from contextlib import suppress
from pathlib import Path

from tapewire.errors import TapeError

FOLDER = "consumers"
RESTART = ".restart"
"""The end of a consumer's second position: where a restart of it would begin."""
_KEPT = re.compile(r"(engine|router|archive|gateway\..*|venue\..*)")
"""Snapshots and stretches: what these have stored lies far behind what they have read, by design."""
_SEQ = struct.Struct("<Q")
_POSITION = struct.Struct("<QQ")
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
        except OSError as error:
            raise TapeError(f"consumer {name}: cannot keep its position in {path}: {error.strerror}") from error
        self.path = path
        self.seq = self.epoch = 0
        """The last record dealt with, 0: none; and the tape's epoch at it, 0: not kept."""
        self.load()

    def load(self) -> None:
        """Reads it anew: who takes the tape over moves it back where records were lost. Raises TapeError."""
        try:
            self.seq, self.epoch = _unpacked(os.pread(self._file, _POSITION.size, 0))
        except OSError as error:
            raise TapeError(f"{self.path}: cannot be read: {error.strerror}") from error

    def store(self, seq: int, epoch: int = 0) -> None:
        """Moves the position; it never goes back. Raises TapeError if the disk refuses."""
        if seq <= self.seq:
            return
        try:
            os.pwrite(self._file, _POSITION.pack(seq, epoch), 0)
        except OSError as error:
            raise TapeError(f"{self.path}: cannot be written: {error.strerror}") from error
        self.seq, self.epoch = seq, epoch

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _unpacked(raw: bytes) -> tuple[int, int]:
    return _POSITION.unpack(raw) if len(raw) == _POSITION.size else (0, 0)


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
        found[path.name], _ = _unpacked(raw)
    return found


def reads(name: str) -> bool:
    """Whether a position tells how far its consumer has read. Others tell from where it would go on after a restart:
    retention leaves the records behind them, but they move seldom, and nobody waits for them."""
    return not name.endswith(RESTART) and _KEPT.fullmatch(name) is None


def positions_and_epochs(tape: Path) -> dict[str, tuple[int, int]]:
    """As `positions`, with the epoch each keeps there (0: none)."""
    found = {}
    for name in positions(tape):
        with suppress(FileNotFoundError):  # moved aside by a cut meanwhile
            found[name] = _unpacked((tape / FOLDER / name).read_bytes())
    return found


def restore(tape: Path, name: str, seq: int, epoch: int) -> None:
    """Puts a consumer's position where it was when a backup was taken. Raises TapeError."""
    position = ConsumerPosition(tape, name)
    position.store(seq, epoch)
    os.fsync(position._file)
    position.close()


def take_back(tape: Path, last_seq: int) -> None:
    """Moves every position behind `last_seq` back to it: the records beyond were lost. Raises TapeError, OSError."""
    for name, seq in positions(tape).items():
        if seq > last_seq:
            with (tape / FOLDER / name).open("r+b") as file:
                file.write(_SEQ.pack(last_seq))  # the epoch stays: that of a record before the loss is no later one
                file.flush()
                os.fsync(file.fileno())
