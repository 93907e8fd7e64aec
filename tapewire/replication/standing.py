"""Whether an engine stands by on this host, and how far it has folded a mirrored tape: said by it, read by the replica.

<tape>/replica/standby     u64 seq, i64 when (UTC ns), little endian; locked while its engine lives
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from pathlib import Path

from tapewire.errors import TapeError
from tapewire.replication.host import FOLDER

STALE_NS = 5_000_000_000
"""An engine that has said nothing for so long hangs, or is stopped."""
SAY_EVERY_NS = 50_000_000
TRIES, RETRY_S = 20, 0.01
"""For the lock: who asks whether an engine stands by holds it for a moment."""
_STANDING = struct.Struct("<Qq")


class Standing:
    """The engine's side. Raises TapeError where the file cannot be written."""

    def __init__(self, tape: Path) -> None:
        self.path = tape / FOLDER / "standby"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._lock()
        except OSError as error:
            raise TapeError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._said = 0

    def _lock(self) -> None:
        for _ in range(TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(RETRY_S)
        os.close(self._file)
        raise TapeError(f"{self.path}: another engine stands by on this tape already: stop one of them")

    def say(self, seq: int) -> None:
        now = time.time_ns()
        if now - self._said < SAY_EVERY_NS:
            return
        self._said = now
        try:
            os.pwrite(self._file, _STANDING.pack(seq, now), 0)
        except OSError as error:
            raise TapeError(f"{self.path}: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        os.close(self._file)


def why_not(tape: Path, seq: int, now: int) -> str:
    """Why no engine of this host could go on behind record `seq`; empty: one can. `now`: UTC ns. Raises TapeError."""
    path = tape / FOLDER / "standby"
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raw = file.read(_STANDING.size)
            else:
                raw = b""
    except FileNotFoundError:
        raw = b""
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) < _STANDING.size:
        return "no engine stands by on this host: start `tapewire engine --standby`"
    at, said = _STANDING.unpack(raw)
    if now - said > STALE_NS:
        return f"the engine that stands by has said nothing for {(now - said) / 1e9:.0f} s"
    if at < seq:
        return f"the engine that stands by has folded {at:,} of {seq:,} records"
    return ""
