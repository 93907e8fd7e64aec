"""Days of the archive: all of a feed's files of one UTC day go together.

    archive/trades/feed=binance/date=2026-11-21/        is first named
    archive/trades/feed=binance/.gone-date=2026-11-21/  which no reader looks into, and then emptied

Killed in between, the next run empties it. A query meanwhile has the day whole or not at all, of each kind.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from tapewire.durable import sync_folder
from tapewire.errors import RetentionError, StoreError
from tapewire.retention.piece import Piece
from tapewire.store import checkpoint as checkpoints
from tapewire.store import layout
from tapewire.store.compact import alone
from tapewire.store.schema import KINDS

GONE: Final = ".gone-"


def pieces(data: Path) -> list[Piece]:
    """Every feed's days. Raises StoreError if a checkpoint is none."""
    days: dict[tuple[str, date], list[layout.Piece]] = defaultdict(list)
    for kind in KINDS:
        for piece in layout.pieces(data, kind):
            days[piece.partition.feed, piece.partition.day].append(piece)
    return [_piece(data, feed, day, files) for (feed, day), files in days.items()]


def _piece(data: Path, feed: str, day: date, files: list[layout.Piece]) -> Piece:
    size = sum(file.path.stat().st_size for file in files if file.path.exists())
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    return Piece(
        store="archive",
        name=f"{feed} {day.isoformat()}",
        path=files[0].path.parent.parent,
        bytes=size,
        newest_ns=int(end.timestamp()) * 10**9,
        remove=partial(remove, data, feed, day),
        held_by=_held(data, files),
    )


def _held(data: Path, files: list[layout.Piece]) -> str:
    """The archiver of a tape whose next stretch may belong to the day."""
    for tape in sorted({file.tape for file in files}):
        point = checkpoints.read(data, tape)
        last = max(file.last_seq for file in files if file.tape == tape)
        if last > point.archived:
            return f"the flusher: {tape} is archived to record {point.archived:,}, files go to {last:,}"
    return ""


def remove(data: Path, feed: str, day: date) -> None:
    """Removes the day, unless it is being written."""
    archive = layout.archive(data)
    try:
        with alone(archive):
            files = [one for kind in KINDS for one in layout.pieces(data, kind, feed, None, day, day)]
            if held := _held(data, files):
                raise RetentionError(f"{archive}: {feed} {day.isoformat()} stays: {held}")
            for folder in sorted({one.path.parent.parent for one in files}):
                aside = folder.with_name(GONE + folder.name)
                shutil.rmtree(aside, ignore_errors=True)  # of a run that was ended here
                os.rename(folder, aside)
                sync_folder(folder.parent)
                shutil.rmtree(aside)
    except StoreError as error:
        raise RetentionError(f"{feed} {day.isoformat()} stays: {error}") from error
    except OSError as error:
        raise RetentionError(f"{error.filename}: cannot remove the day: {error.strerror}") from error


def finish(data: Path) -> int:
    """Empties what an earlier run had named and not emptied; how many folders that were."""
    left = [path for kind in KINDS for path in layout.archive(data).glob(f"{kind}/feed=*/{GONE}date=*")]
    for path in left:
        shutil.rmtree(path)
    return len(left)
