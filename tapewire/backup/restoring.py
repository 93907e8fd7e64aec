"""Brings tapes back from a backup into an empty data folder, checks every record, and begins a new epoch on each.

    <data>/tapes.restoring ──every file checked, every frame read, consumers taken back──▶ <data>/tapes

The tape may have lost its tail: what the platform answered after the backup. Whoever saw those records (subscribers,
stores) tells them from the new ones of the same numbers by the epoch.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tapewire import consumers, snapshots
from tapewire.backup import copying
from tapewire.backup.checking import check_order, path_in
from tapewire.backup.manifest import Entry, TapeEntry, read_manifest
from tapewire.durable import sync_folder
from tapewire.errors import BackupError, TapeDamaged
from tapewire.folders import Folders
from tapewire.tape import inspect
from tapewire.tape._tape import Writer

EPOCHS_SKIPPED: Final = 1 << 16
"""More starts than the lost host can have had since the backup: its epochs are not given again."""
ZEROS: Final = bytes(1 << 20)

Progress = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Restored:
    """One tape, as it stands now."""

    name: str
    first_seq: int
    last_seq: int
    epoch: int
    snapshots: int
    taken_back: dict[str, int]
    """Consumers that had come further than the tape now goes, and how far they had come."""

    def to_dict(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def restore(
    source: Path, folders: Folders, progress: Progress = lambda name, done, total: None
) -> tuple[list[Restored], float]:
    """All tapes of the backup in `source`; returns them, and the seconds it took.

    Raises BackupError: there are tapes already, or a file of the backup does not hold (then nothing was restored).
    """
    began = time.monotonic()
    manifest = read_manifest(source)
    if folders.tapes.exists() and any(folders.tapes.iterdir()):
        raise BackupError(
            f"{folders.tapes}: holds {', '.join(sorted(path.name for path in folders.tapes.iterdir())[:5])}; expected "
            f"a data folder without tapes. Nothing was changed; name another one (--data), or move these"
        )
    work = folders.tapes.with_name("tapes.restoring")
    if work.exists():
        shutil.rmtree(work)  # of a restore that was killed: nobody has used it yet
    try:
        work.mkdir(parents=True)
        made = [_tape(source, work, one, progress) for one in manifest.tapes]
        if folders.tapes.exists():
            folders.tapes.rmdir()
        work.rename(folders.tapes)
        sync_folder(folders.data)
    except OSError as error:
        raise BackupError(
            f"{error.filename or work}: cannot restore: {error.strerror}. Nothing was restored"
        ) from error
    return made, time.monotonic() - began


def _tape(source: Path, work: Path, entry: TapeEntry, progress: Progress) -> Restored:
    check_order(entry)
    tape = work / path_in(work, entry.name).name
    tape.mkdir()
    for number, one in enumerate(entry.files):
        progress(entry.name, number, len(entry.files))
        _file(source, work, one)
    progress(entry.name, len(entry.files), len(entry.files))
    if not entry.segments:
        return Restored(entry.name, 1, 0, entry.epoch, 0, {})
    for name, (seq, marked) in entry.consumers.items():
        consumers.restore(tape, name, seq, marked)
    writer = Writer(tape, entry.name, create=True, epoch_above=entry.epoch + EPOCHS_SKIPPED)
    cut, epoch, last = writer.recovery.cut_bytes, writer.epoch, writer.next_seq - 1
    writer.close()
    if cut or last != entry.last_seq:
        raise BackupError(f"tape {entry.name}: ends with record {last}, the manifest says {entry.last_seq}")
    if (damage := inspect.check(tape).damage) is not None:
        raise damage if isinstance(damage, TapeDamaged) else BackupError(f"tape {entry.name}: {damage}")
    ahead = {name: seq for name, seq in consumers.positions(tape).items() if seq > last}
    consumers.take_back(tape, last)
    folders = [tape, *(path for path in tape.iterdir() if path.is_dir())]
    for folder in folders:
        snapshots.remove_beyond(folder, last)
        sync_folder(folder)
    kept = sum(1 for _ in snapshots.folder(tape).glob("*.snap"))
    return Restored(entry.name, entry.first_seq, last, epoch, kept, ahead)


def _file(source: Path, work: Path, one: Entry) -> None:
    """A part of a segment gets its length again: the tape goes on in it."""
    target = path_in(work, one.to)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        copying.check(path_in(source, one.path), one, out)
        left = max(0, one.whole - one.bytes)
        while left:
            left -= out.write(ZEROS[:left])
        out.flush()
        os.fsync(out.fileno())
