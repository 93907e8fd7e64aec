"""Snapshots of the state that a tape determines, kept beside the tape.

    <tape>/snapshots/<seq, 20 digits>.snap

    byte 0   "TWSNAP01"
         8   u64 seq: the last record folded into the state
        16   u64 length of the state
        24   32 bytes: SHA-256 of the state, which is also its digest
        56   the state

While the tape still has its first record, a snapshot only saves time: any of them, or all, can be deleted. A tape whose
beginning was removed is folded from them. One that does not check is passed over with its reason.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from tapewire.durable import make_folder, sync_folder
from tapewire.errors import WireError

MAGIC = b"TWSNAP01"
HEAD = struct.Struct("<8sQQ32s")
KEEP = 3  # older ones are deleted after a new one is durable


@dataclass(frozen=True)
class Snapshot:
    seq: int
    state: bytes

    @property
    def digest(self) -> str:
        return digest(self.state)


class Versioned(Protocol):
    """What a fold keeps as msgpack says which form of it this is."""

    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)


def decode(state: bytes, kind: type[V], version: int, whose: str) -> V:
    """A state that is kept as msgpack. Raises WireError for bytes that are none of this version."""
    try:
        kept = msgspec.msgpack.decode(state, type=kind)
    except msgspec.DecodeError as error:
        raise WireError(f"not the state of {whose}: {error}") from error
    if kept.version != version:
        raise WireError(f"state of {whose}: version {kept.version}, expected {version}")
    return kept


def digest(state: bytes) -> str:
    """What two states are compared by: the SHA-256 of their canonical bytes, in hex."""
    return hashlib.sha256(state).hexdigest()


def folder(tape: Path) -> Path:
    return tape / "snapshots"


def save(tape: Path, snapshot: Snapshot, keep: int = KEEP) -> Path:
    """Writes it durably, then deletes all but the newest `keep`. Raises OSError (disk full), nothing half-written."""
    target = folder(tape)
    make_folder(target)
    path = target / f"{snapshot.seq:020d}.snap"
    for left_behind in target.glob("*.tmp"):  # by a process that was killed here
        left_behind.unlink()
    temporary = path.with_suffix(".tmp")
    head = HEAD.pack(MAGIC, snapshot.seq, len(snapshot.state), hashlib.sha256(snapshot.state).digest())
    try:
        with temporary.open("wb") as file:
            file.write(head)
            file.write(snapshot.state)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target)
    ours = sorted(path for path in target.glob("*.snap") if seq_of(path) >= 0)
    for old in ours[:-keep]:
        old.unlink()
    return path


def put(tape: Path, name: str, raw: bytes) -> Path:
    """A snapshot's file as another host has it, durably. Raises ValueError if it does not hold, OSError."""
    target = folder(tape)
    make_folder(target)
    aside = target / f"fetched-{name}"
    final = target / name
    if final.parent != target or seq_of(final) < 0:
        raise ValueError(f"{name!r} is no name of a snapshot")
    try:
        with aside.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        _check(aside, raw, final.stem)
        aside.rename(final)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(target)
    return final


def seq_of(path: Path) -> int:
    """What its name says; -1: a file of another name is none of ours."""
    return int(path.stem) if path.stem.isdigit() else -1


def load(path: Path) -> Snapshot:
    """Raises ValueError saying what does not hold."""
    return _check(path, path.read_bytes(), path.stem)


def _check(path: Path, raw: bytes, stem: str) -> Snapshot:
    if len(raw) < HEAD.size:
        raise ValueError(f"{path}: {len(raw)} bytes, a snapshot's head has {HEAD.size}")
    magic, seq, length, checksum = HEAD.unpack_from(raw)
    state = raw[HEAD.size :]
    if magic != MAGIC:
        raise ValueError(f"{path}: begins with {magic!r}, expected {MAGIC!r}")
    if stem != f"{seq:020d}":
        raise ValueError(f"{path}: its head says it was taken at record {seq}")
    if len(state) != length:
        raise ValueError(f"{path}: {len(state)} bytes of state, its head says {length}")
    if hashlib.sha256(state).digest() != checksum:
        raise ValueError(f"{path}: the state's SHA-256 does not match its head")
    return Snapshot(seq, state)


def remove_beyond(tape: Path, last_seq: int) -> list[Path]:
    """Removes, durably, what was taken behind record `last_seq`; returns it. Raises OSError."""
    removed = [path for path in folder(tape).glob("*.snap") if seq_of(path) > last_seq]
    for path in removed:
        path.unlink()
    if removed:
        sync_folder(folder(tape))
    return removed


def oldest(tape: Path) -> int:
    """The record of the oldest that is kept; 0 if there is none."""
    return min((seq for path in folder(tape).glob("*.snap") if (seq := seq_of(path)) >= 0), default=0)


def newest(tape: Path, up_to: int) -> Iterator[Snapshot | ValueError]:
    """Candidates from the newest down, none beyond record `up_to`; a damaged one comes as the ValueError it raises."""
    for path in sorted(folder(tape).glob("*.snap"), reverse=True):
        if not 0 <= seq_of(path) <= up_to:
            continue
        try:
            yield load(path)
        except ValueError as error:
            yield error
        except FileNotFoundError:
            continue  # a newer one has taken its place since
        except OSError as error:
            yield ValueError(f"{path}: cannot be read: {error.strerror}")
