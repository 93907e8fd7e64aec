"""What lies beside tapes and rings: tails cut off, strategies' inputs, rings and pages that nobody has open."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from tapewire.errors import RetentionError, RingError
from tapewire.folders import Folders
from tapewire.retention.piece import Piece
from tapewire.ring import ring_state
from tapewire.tape.cutting import BACKUP as CUT

INPUTS: Final = ".inputs"
GONE: Final = ".gone-"
PAGES: Final = (".stages", ".bell")
_FLOCK: Final = struct.Struct("hhqqi4x")
_GETLK: Final = 36  # F_OFD_GETLK, which the module fcntl does not name


def cuts(data: Path) -> list[Piece]:
    """Folders `cut-<time>` beside tapes. Nobody reads them: they are kept for a person."""

    def piece(path: Path) -> Piece:
        return _piece("cuts", f"{path.parent.name}/{path.name}", path, _content(path), partial(_remove_folder, path))

    return _each(piece, (path for path in Folders(data).tapes.glob(f"*/{CUT}*") if path.is_dir()))


def inputs(data: Path) -> list[Piece]:
    """Inputs of strategies' runs, wherever below the data folder's `strategies` they are."""

    def piece(path: Path) -> Piece:
        name = path.name.removesuffix(INPUTS)
        return _piece("inputs", name, path, [path], partial(_remove_file, path), _open_by(path))

    return _each(piece, (data / "strategies").rglob(f"*{INPUTS}"))


def rings(data: Path) -> list[Piece]:
    """Rings, stage logs and pages of latest values that no process has open."""

    def piece(path: Path) -> Piece:
        return _piece("rings", path.name, path, [path], partial(_remove_file, path), _ring_held(path))

    # A bell is 4 kB that sleepers may have mapped without a sign.
    found = (path for path in Folders(data).rings.glob("*") if path.suffix != ".bell" and path.is_file())
    return _each(piece, found)


def finish(data: Path) -> int:
    """Removes what an earlier run had named as gone and not emptied; how many that were."""
    left = list(Folders(data).tapes.glob(f"*/{GONE}{CUT}*"))
    for path in left:
        shutil.rmtree(path)
    return len(left)


def _each(piece: Callable[[Path], Piece], paths: Iterable[Path]) -> list[Piece]:
    """By name. One that goes while it is looked at is none."""
    found = []
    for path in sorted(paths):
        with suppress(FileNotFoundError):
            found.append(piece(path))
    return found


def _piece(store: str, name: str, path: Path, files: list[Path], remove: partial[None], held_by: str = "") -> Piece:
    stats = [file.stat() for file in files]
    return Piece(
        store=store,
        name=name,
        path=path,
        bytes=sum(stat.st_blocks * 512 for stat in stats),
        newest_ns=max((stat.st_mtime_ns for stat in [*stats, path.stat()]), default=0),
        remove=remove,
        held_by=held_by,
    )


def _content(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _ring_held(path: Path) -> str:
    if held := _open_by(path):
        return held
    if path.suffix in PAGES or path.name.startswith("latest."):
        return ""
    before = path.stat()
    try:
        state = ring_state(path)
    except RingError as error:
        return f"a person: {error}"  # damaged: somebody should look at it
    with suppress(PermissionError):  # another user's, which is younger by our look then
        # Some systems count a writable mapping as a change: our look must not make the ring young.
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if state.tail != state.head:
        return f"its consumer: {state.tail - state.head} bytes in it have not been taken"
    return ""


def _open_by(path: Path) -> str:
    """The processes that have a file open or mapped, as far as this user may see them; "" for none."""
    holders = []
    wanted = path.stat()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            with os.scandir(process / "fd") as found:
                opened = {(there.st_dev, there.st_ino) for there in map(_stat, found) if there is not None}
        except OSError:
            continue  # it has ended, or is another user's: its lock is looked at below
        if (wanted.st_dev, wanted.st_ino) in opened:
            holders.append(process.name)
    if holders:
        return f"process {', '.join(holders)}: has it open"
    return "a process: holds its lock" if _locked(path) else ""


def _stat(fd: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return os.stat(fd.path)
    except OSError:
        return None  # closed meanwhile


def _locked(path: Path) -> bool:
    """Whether anybody holds a lock on it, whichever user that is."""
    with path.open("rb") as file:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(file.fileno(), _GETLK, asked)
    kind = _FLOCK.unpack(answer)[0]
    return bool(kind != fcntl.F_UNLCK)


def _remove_file(path: Path) -> None:
    try:
        if held := _open_by(path):
            raise RetentionError(f"{path} stays: {held}")
        path.unlink(missing_ok=True)
    except FileNotFoundError:
        return  # somebody was faster
    except OSError as error:
        raise RetentionError(f"{path}: cannot be removed: {error.strerror}") from error


def _remove_folder(path: Path) -> None:
    aside = path.with_name(GONE + path.name)
    try:
        os.rename(path, aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise RetentionError(f"{path}: cannot be removed: {error.strerror}") from error
