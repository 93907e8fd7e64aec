"""Who this host is to the others, and which tape a tape is: two small files, made once.

<data>/replica/host          "<host name>/<random>": whoever moves the data folder moves the host
<tape>/replica/mark          the tape's, made with its first stream, taken over by its mirrors
<tape>/replica/stream        when the stream was made that it was last sent to: a stream that is gone is missed
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from tapewire.durable import sync_folder
from tapewire.errors import TapeError

FOLDER = "replica"


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


def stream_of(tape: Path) -> str:
    return _read(tape / FOLDER / "stream")


def keep_stream(tape: Path, created: str) -> None:
    _keep(tape / FOLDER / "stream", created)


def forget_stream(tape: Path) -> None:
    (tape / FOLDER / "stream").unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error.strerror}") from error


def _keep(path: Path, text: str) -> str:
    """Durably, whole or not at all."""
    aside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise TapeError(f"{path}: cannot be written: {error.strerror}") from error
    return text
