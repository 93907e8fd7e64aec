"""What the engine that stands by says of itself, for `tapewire promote`: a tape is not taken from its writer for nobody.

<tape>/replica/standby.json     replaced whole, twice a second while the engine stands by
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import msgspec

from tapewire.errors import TapeError
from tapewire.replication.host import FOLDER

SIGN_EVERY_NS: Final = 500_000_000
BEHIND_MAX: Final = 1_000_000
"""Records that it may still have to fold when it is told to take over: under a second of work."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    at: int
    """When this was written, UTC ns."""
    seq: int
    """The last record that it has folded and compared; 0: there is no tape yet."""
    version: str
    why: str = ""
    """What ended it."""


def write(tape: Path, standing: Standing) -> None:
    path = _path(tape)
    aside = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(msgspec.json.encode(standing))
        aside.rename(path)
    except OSError as error:
        raise TapeError(f"{path}: cannot be written: {error.strerror}") from error


def forget(tape: Path) -> None:
    _path(tape).unlink(missing_ok=True)


def read(tape: Path) -> Standing | None:
    """None: none stands by, or what is there is of another version."""
    try:
        return msgspec.json.decode(_path(tape).read_bytes(), type=Standing)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    except OSError as error:
        raise TapeError(f"{tape}: what its standby says cannot be read: {error.strerror}") from error


def why_not(tape: Path, seq: int, since: int) -> str:
    """Why no engine here could go on with the tape, whose copy ends with record `seq`; empty if one could.

    Only what was written after `since` (UTC ns) counts: it may have been killed."""
    found = read(tape)
    if found is not None and found.why:
        return f"the engine that stood by here (version {found.version}) ended: {found.why}"
    if found is None or found.at <= since:
        return "no engine stands by here: it does not run, or did not come up. Start `tapewire engine --standby`, look at its log"
    if seq - found.seq > BEHIND_MAX:
        return f"the engine that stands by here has folded record {found.seq} of {seq}: wait until it has followed"
    return ""


def wait_for(tape: Path, seq: int, within_s: float) -> str:
    """As `why_not`, with that much time for a sign of life."""
    since, deadline = time.time_ns(), time.monotonic() + within_s
    while why := why_not(tape, seq, since):
        if time.monotonic() > deadline:
            return why
        time.sleep(SIGN_EVERY_NS / 1e9 / 10)
    return ""


def _path(tape: Path) -> Path:
    return tape / FOLDER / "standby.json"
