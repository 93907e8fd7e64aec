"""Reads a whole backup and compares it with its manifest."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tapewire.backup import copying
from tapewire.backup.manifest import Manifest, TapeEntry, read_manifest
from tapewire.errors import BackupError


def verify(folder: Path, progress: Callable[[int, int], object] = lambda done, total: None) -> Manifest:
    """Every file, every byte. Raises BackupError naming the file and the place of what does not hold."""
    manifest = read_manifest(folder)
    files = [one for tape in manifest.tapes for one in tape.files]
    for number, one in enumerate(files):
        progress(number, len(files))
        copying.check(path_in(folder, one.path), one)
    for tape in manifest.tapes:
        check_order(tape)
    progress(len(files), len(files))
    return manifest


def check_order(tape: TapeEntry) -> None:
    """Its segments follow on each other: all sealed but the last, by rising first record."""
    ordered = all(a.sealed and a.first_seq < b.first_seq for a, b in pairwise(tape.segments))
    if not ordered or (tape.segments and tape.segments[0].first_seq != tape.first_seq):
        raise BackupError(f"tape {tape.name}: the manifest's segments do not follow on each other")


def path_in(folder: Path, below: str) -> Path:
    """Raises BackupError for a path that leads out of the backup."""
    path = Path(below)
    if path.is_absolute() or ".." in path.parts:
        raise BackupError(f"{folder}: its manifest names {below!r}, which is not within it")
    return folder / path
