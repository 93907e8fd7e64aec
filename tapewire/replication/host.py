"""Who this host is to the others, which tape a tape is, and what its stream had: small files, whole or not there.

<data>/replica/host          "<host name>/<random>": whoever moves the data folder moves the host
<tape>/replica/mark          the tape's, made with its first stream, taken over by its mirrors
<tape>/replica/known         the last message of its stream that this host knows of: a stream that went back is missed
<tape>/replica/renew         somebody has looked: the stream may be gone on with as it is
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
from pathlib import Path

import msgspec

from tapewire.durable import make_folder, sync_folder
from tapewire.errors import TapeError, TapeFull
from tapewire.replication.known import Known

FOLDER = "replica"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def host_of(data: Path) -> str:
    """This data folder's name among hosts. Raises TapeError."""
    kept = _read(data / FOLDER / "host")
    return kept or _keep(data / FOLDER / "host", f"{socket.gethostname()}/{secrets.token_hex(6)}")


def mark_of(tape: Path) -> str:
    """Empty: it has none yet."""
    return _read(tape / FOLDER / "mark")


def keep_mark(tape: Path, mark: str) -> None:
    _keep(tape / FOLDER / "mark", mark)


def new_mark() -> str:
    return secrets.token_hex(8)


def known_of(tape: Path) -> Known | None:
    """None: this host knows of no message. Raises TapeError: the file does not hold, and what it said is not known."""
    path = tape / FOLDER / "known"
    text = _read(path)
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Known)
    except msgspec.DecodeError as error:
        raise TapeError(
            f"{path}: {error}. What the stream had is not known: once no other host writes this tape, "
            f"`tapewire replica renew {tape.name} --yes` goes on with the stream as it is"
        ) from error


def keep_known(tape: Path, known: Known) -> None:
    _keep(tape / FOLDER / "known", msgspec.json.encode(known).decode())


def ask_renewal(tape: Path) -> None:
    """Whatever is known of the stream is forgotten, and it may be gone on with."""
    _keep(tape / FOLDER / "renew", "asked")
    forget_known(tape)


def forget_known(tape: Path) -> None:
    (tape / FOLDER / "known").unlink(missing_ok=True)


def renewal_asked(tape: Path) -> bool:
    return (tape / FOLDER / "renew").exists()


def renewal_done(tape: Path) -> None:
    (tape / FOLDER / "renew").unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error.strerror}") from error


def _keep(path: Path, text: str) -> str:
    """Durably, whole or not at all. Raises TapeFull where there is no room, TapeError."""
    aside = path.with_name(f"{path.name}.new")
    try:
        make_folder(path.parent)
        with aside.open("w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        kind = TapeFull if error.errno in NO_ROOM else TapeError
        raise kind(f"{path}: cannot be written: {error.strerror}") from error
    return text
