"""Whether an engine stands by on this host, and how far it has folded a mirrored tape: a tape is not taken for nobody.

<tape>/replica/standby     u64 seq, i64 when (ns of the host's steady clock), little endian, then as text its version,
                           and what ended it, a line each; locked while its engine lives

When it spoke last is told by the clock that nobody sets: one that was put back must not silence a living engine, nor
make a hung one look alive. Who asks is on the same host, and in no other boot while the lock is held.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable
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

    def __init__(self, tape: Path, version: str, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.path, self._now = tape / FOLDER / "standby", now
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._lock()
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, _STANDING.pack(0, now()) + f"{version}\n".encode(), 0)
        except OSError as error:
            raise TapeError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._said, self._ends = now() - SAY_EVERY_NS, _STANDING.size + len(version.encode()) + 1

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
        now = self._now()
        if now - self._said < SAY_EVERY_NS:
            return
        self._said = now
        try:
            os.pwrite(self._file, _STANDING.pack(seq, now), 0)
        except OSError as error:
            raise TapeError(f"{self.path}: cannot be written: {error.strerror}") from error

    def ended(self, why: str) -> None:
        """What whoever asks is told from now on."""
        os.pwrite(self._file, why.replace("\n", " ").encode(), self._ends)

    def close(self) -> None:
        os.close(self._file)


def wait_for(tape: Path, seq: int, within_s: float) -> str:
    """As `why_not`, with that much time to come up and to fold."""
    deadline = time.monotonic() + within_s
    while (why := why_not(tape, seq, time.monotonic_ns())) and time.monotonic() < deadline:
        time.sleep(SAY_EVERY_NS / 1e9)
    return why


def why_not(tape: Path, seq: int, now: int) -> str:
    """Why no engine of this host could go on behind record `seq`; empty: one can. `now`: ns of the steady clock.

    Raises TapeError.
    """
    path = tape / FOLDER / "standby"
    try:
        with path.open("rb") as file:
            raw, lives = file.read(), False
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                lives = True
    except FileNotFoundError:
        raw, lives = b"", False
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error.strerror}") from error
    version, _, ended = raw[_STANDING.size :].decode(errors="replace").partition("\n")
    if ended and not lives:
        return f"the engine that stood by on this host (version {version}) ended: {ended}"
    if not lives or len(raw) < _STANDING.size:
        return "no engine stands by on this host: it does not run, or did not come up: `tapewire engine --standby`"
    at, said = _STANDING.unpack_from(raw)
    if now - said > STALE_NS:
        return f"the engine that stands by has said nothing for {(now - said) / 1e9:.0f} s"
    if at < seq:
        return f"the engine that stands by has folded {at:,} of {seq:,} records"
    return ""
