"""What the replica of a host says of each tape, for `tapewire replica status`, metrics and `tapewire promote`.

<tape>/replica/state.json     replaced whole, some times a second while the replica runs
<tape>/replica/promote        asked for: the replica takes the tape over, and removes it
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from tapewire.errors import TapeError
from tapewire.replication.host import FOLDER

Role = Literal["starting", "sender", "mirror", "claiming", "fenced", "differs", "waiting"]
"""waiting: the bus is away, or the stream is not there yet."""
ROLES: Final[tuple[str, ...]] = get_args(Role)
STALE_NS = 5_000_000_000


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Of one tape."""

    tape: str
    host: str
    role: Role
    at: int
    """When this was written, UTC ns."""
    position: int = 0
    """sender: what the stream holds. mirror: what this host holds."""
    seq: int = 0
    """The record before it."""
    lag_bytes: int = 0
    """sender: durable here and not in the stream. mirror: in the stream and not here."""
    lag_records: int = 0
    epoch: int = 0
    holder: str = ""
    """Who writes the tape, as the stream has it."""
    why: str = ""
    """What is wrong, for people."""
    fetched: int = 0
    """Bytes asked from the sender, being older than the stream."""
    reconnects: int = 0
    back: bool = False
    """mirror: the stream went back behind it. It must not be promoted."""

    def stale(self, now: int) -> bool:
        """Whether nobody keeps it any more: the replica does not run."""
        return now - self.at > STALE_NS


def write(tape: Path, state: State) -> None:
    path = tape / FOLDER / "state.json"
    aside = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(msgspec.json.encode(state))
        aside.rename(path)
    except OSError as error:
        raise TapeError(f"{path}: cannot be written: {error.strerror}") from error


def read(tape: Path) -> State | None:
    """None: no replica has had this tape, or what is there is of another version."""
    try:
        return msgspec.json.decode((tape / FOLDER / "state.json").read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    except OSError as error:
        raise TapeError(f"{tape}: what its replica says cannot be read: {error.strerror}") from error


def ask_promotion(tape: Path) -> None:
    path = tape / FOLDER / "promote"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise TapeError(f"{path}: cannot be written: {error.strerror}") from error


def promotion_asked(tape: Path) -> bool:
    return (tape / FOLDER / "promote").exists()


def promotion_done(tape: Path) -> None:
    try:
        os.unlink(tape / FOLDER / "promote")
    except FileNotFoundError:
        return
