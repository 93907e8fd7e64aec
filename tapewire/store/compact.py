"""Many small files of a day into one: the same rows in the same order, under a name that holds theirs.

    …1-…262144   …262145-…524288   …524289-…600000         three files of a tape, ticker and day
    …1-…………………………………………………………………600000                         1  the whole, durable, read back and compared
                                                           2  those three removed

Killed anywhere, no row is lost and none is told twice: who reads passes over a file whose rows another one holds
(`layout.not_held`), and the next run removes it. The archiver writes behind its checkpoint alone, and is not disturbed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tapewire.errors import StoreError
from tapewire.store import checkpoint as checkpoints
from tapewire.store import layout
from tapewire.store.disk import Disk
from tapewire.store.read import read_footer
from tapewire.store.schema import KINDS
from tapewire.store.write import encode, footer

MAX_ROWS: Final = 4_000_000
"""Of one file: what is read at a time, about half a gigabyte of memory."""
Told = Callable[[str, int, int], None]


class Compacted(msgspec.Struct):
    """What a run did."""

    folders: int = 0
    """Whose files became fewer."""
    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    removed: int = 0
    """Files that an earlier run was ended before removing."""


def compact(data: Path, before: date, tell: Told, disk: Disk | None = None, max_rows: int = MAX_ROWS) -> Compacted:
    """Compacts every day before `before` (UTC). Raises StoreError if another compaction runs, or if what was written
    reads back otherwise, in which case nothing was removed; OSError if the disk refuses."""
    done, disk = Compacted(), disk or Disk()
    points: dict[str, checkpoints.Checkpoint] = {}
    with alone(layout.archive(data)):
        found = [piece for kind in KINDS for piece in layout.pieces(data, kind) if piece.partition.day < before]
        for at, piece in enumerate(found):
            if piece.tape not in points:
                points[piece.tape] = checkpoints.read(data, piece.tape)
            tell("archive", at, 2 * len(found))
        # What an archiver has only planned it may write again.
        settled = [piece for piece in found if piece.last_seq <= points[piece.tape].archived]
        settled.sort(key=lambda piece: (piece.path.parent, piece.tape, piece.first_seq, -piece.last_seq))
        at = len(found)
        for _, group in groupby(settled, key=lambda piece: (piece.path.parent, piece.tape)):
            pieces = list(group)
            _folder(data, pieces, disk, max_rows, done)
            at += len(pieces)
            tell("archive", at, 2 * len(found))
    return done


def _folder(data: Path, pieces: list[layout.Piece], disk: Disk, max_rows: int, done: Compacted) -> None:
    """All files of one tape in one folder."""
    kept = layout.not_held(pieces)
    for piece in pieces:
        if piece not in kept:
            disk.remove(piece.path)
            done.removed += 1
    fewer = False
    for group in _groups(kept, max_rows):
        if len(group) > 1:
            fewer = True
            _join(data, group, disk, done)
    if fewer or len(kept) < len(pieces):
        disk.sync(pieces[0].path.parent)
        done.folders += 1


def _groups(pieces: list[layout.Piece], max_rows: int) -> Iterator[list[layout.Piece]]:
    """Neighbours that fit one file, and say the same of themselves."""
    group: list[layout.Piece] = []
    rows, version = 0, ""
    for piece in pieces:
        read = read_footer(piece.path)
        more, theirs = read.metadata.num_rows, read.said.get("tapewire.schema_version", "")
        if group and (rows + more > max_rows or theirs != version):
            yield group
            group, rows = [], 0
        group.append(piece)
        rows, version = rows + more, theirs
    if group:
        yield group


def _join(data: Path, group: list[layout.Piece], disk: Disk, done: Compacted) -> None:
    partition, tape = group[0].partition, group[0].tape
    before = sum(piece.path.stat().st_size for piece in group)
    table = pa.concat_tables(_rows(piece.path) for piece in group).combine_chunks()
    path = layout.folder(data, partition) / layout.piece_name(tape, group[0].first_seq, group[-1].last_seq)
    disk.replace_file(path, encode(table, KINDS[partition.kind], footer(partition, tape, table)))
    if not _rows(path).equals(table):
        disk.remove(path)
        raise StoreError(f"{path}: reads back otherwise than written; it is removed, and what it was made of stays")
    for piece in group:
        disk.remove(piece.path)
    done.files_before += len(group)
    done.files_after += 1
    done.rows += table.num_rows
    done.bytes_before += before
    done.bytes_after += path.stat().st_size


def _rows(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read().combine_chunks()


@contextmanager
def alone(archive: Path) -> Iterator[None]:
    """No other compaction or retention of this archive meanwhile. Raises StoreError."""
    if not archive.is_dir():
        raise StoreError(f"{archive}: there is no archive")
    lock = os.open(archive / ".compaction", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{archive}: another compaction or retention is under way") from None
        yield
    finally:
        os.close(lock)
