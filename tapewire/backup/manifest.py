"""The manifest of a backup: every file with its length and checksums, every tape with the records it holds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from tapewire.durable import sync_folder
from tapewire.errors import BackupError

NAME: Final = "manifest.json"
FORMAT: Final = 1


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One file, by its path below the backup's folder."""

    path: str
    to: str
    """Where it stood below `<data>/tapes`, and is restored to."""
    bytes: int
    sha256: str
    blocks: tuple[str, ...]
    """CRC-32 of every BLOCK bytes, in hex: by them damage is found to a place."""
    whole: int = 0
    """Of a segment: its length on the tape; what is not stored behind `bytes` are zeros."""
    first_seq: int = 0
    """Of a segment: its first record. 0: it is no segment."""
    sealed: bool = False
    """Of a segment: another one follows on the tape, and nobody writes into it any more."""
    mark: tuple[int, int, int]
    """Inode, length and time of change (ns) of the original when it was copied. While they hold, the copy does."""


class TapeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One tape: records `first_seq` to `last_seq`, everything up to its last durable record when it was copied."""

    name: str
    first_seq: int
    last_seq: int
    epoch: int
    last_record: str
    """SHA-256 of the last record, by which the tape is known again."""
    segments: tuple[Entry, ...]
    snapshots: tuple[Entry, ...]
    consumers: dict[str, tuple[int, int]]
    """By name: the last record each had dealt with, and the epoch there (0: not kept)."""

    @property
    def files(self) -> tuple[Entry, ...]:
        return (*self.segments, *self.snapshots)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    taken_ns: int
    """When it was begun, UTC ns: what happened later may be missing."""
    env: str
    version: str
    tapes: tuple[TapeEntry, ...]


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The file: the manifest as it was written, and its SHA-256."""

    sha256: str
    manifest: msgspec.Raw


def read_manifest(folder: Path) -> Manifest:
    """Raises BackupError: there is none, or it does not hold."""
    path = folder / NAME
    try:
        sealed = msgspec.json.decode(path.read_bytes(), type=_Sealed)
        raw = bytes(sealed.manifest)
        if (found := hashlib.sha256(raw).hexdigest()) != sealed.sha256:
            raise BackupError(f"{path}: its SHA-256 is {found}, it says {sealed.sha256}: it was damaged or changed")
        made = msgspec.json.decode(raw, type=Manifest)
    except FileNotFoundError:
        raise BackupError(
            f"{folder}: no backup: there is no {NAME}. One is made by `tapewire backup {folder}`"
        ) from None
    except OSError as error:
        raise BackupError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BackupError(f"{path}: does not hold: {error}") from error
    if made.format != FORMAT:
        raise BackupError(f"{path}: is of format {made.format}; this version reads {FORMAT}")
    return made


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Durable, and in one step: until then the one before it holds."""
    raw = msgspec.json.encode(manifest)
    sealed = _Sealed(sha256=hashlib.sha256(raw).hexdigest(), manifest=msgspec.Raw(raw))
    temporary = folder / f".{NAME}"
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(sealed))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / NAME)
    sync_folder(folder)
