"""Copies files with their checksums, durably, in blocks that are never all in memory."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tapewire.backup.manifest import Entry
from tapewire.errors import BackupError

BLOCK: Final = 1 << 16


def blocks_of(file: BinaryIO, length: int) -> Iterator[bytes]:
    """The first `length` bytes, as many as there are, BLOCK at a time."""
    while length > 0 and (block := file.read(min(BLOCK, length))):
        length -= len(block)
        yield block


def mark_of(path: Path) -> tuple[int, int, int]:
    """By which a file that was copied is known to be the same still."""
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns


def copy(source: Path, target: Path, *, path: str, to: str, length: int | None = None) -> Entry:
    """Copies the first `length` bytes of `source` (all, if None), and makes them durable. `path`, `to`: of the entry.

    Raises FileNotFoundError if `source` is gone, BackupError where the copy fails.
    """
    mark = mark_of(source)
    with source.open("rb") as file:
        total, blocks, size = hashlib.sha256(), list[str](), 0
        temporary = target.with_name(f".{target.name}.new")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as out:
                for block in blocks_of(file, os.fstat(file.fileno()).st_size if length is None else length):
                    total.update(block)
                    blocks.append(f"{zlib.crc32(block):08x}")
                    size += len(block)
                    out.write(block)
                out.flush()
                os.fsync(out.fileno())
            temporary.rename(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise BackupError(f"{target}: cannot be written: {error.strerror}. The backup before it holds") from error
    if length is not None and size != length:
        raise BackupError(f"{source}: has {size} bytes, expected {length}")
    return Entry(path=path, to=to, mark=mark, bytes=size, sha256=total.hexdigest(), blocks=tuple(blocks))


def check(path: Path, entry: Entry, out: BinaryIO | None = None) -> None:
    """Reads a file of a backup, and writes it to `out`. BackupError: where it is not what was stored."""
    total, at = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for number, block in enumerate(blocks_of(file, entry.bytes)):
                if number >= len(entry.blocks) or f"{zlib.crc32(block):08x}" != entry.blocks[number]:
                    raise BackupError(
                        f"{path}: damaged between byte {at} and byte {at + len(block)}: what stands there is not what "
                        f"was stored. Take this file from another copy of the backup"
                    )
                total.update(block)
                at += len(block)
                if out is not None:
                    out.write(block)
    except OSError as error:
        raise BackupError(f"{path}: cannot be read at byte {at}: {error.strerror}") from error
    if size != entry.bytes or at != entry.bytes:
        raise BackupError(
            f"{path}: damaged at byte {min(size, entry.bytes)}: it has {size} bytes, {entry.bytes} were stored"
        )
    if total.hexdigest() != entry.sha256:
        raise BackupError(f"{path}: its SHA-256 is {total.hexdigest()}, {entry.sha256} was stored")
