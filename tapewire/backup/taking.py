"""Takes a backup while the platform runs: every tape up to its last durable record, beginning with the orders tapes.

A tape's consumers are copied first, then snapshots, then segments: so what a consumer or a snapshot stands for is in
the segments. Orders tapes come before all others: what a gateway or the API had journalled, and the orders tape of
the backup does not have, is then entered again as after a power loss; never is there an order that its gateway does
not know.

A sealed segment that is in the backup already is not read again. The manifest is replaced at the end: a run that is
killed leaves the backup before it.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from tapewire import consumers, snapshots
from tapewire.backup import copying
from tapewire.backup.manifest import (
    FORMAT,
    NAME,
    Entry,
    Manifest,
    TapeEntry,
    read_manifest,
    write_manifest,
)
from tapewire.consumers import ConsumerPosition
from tapewire.durable import sync_folder
from tapewire.errors import BackupError, TapeGone
from tapewire.folders import Folders
from tapewire.tape import TapeReader, inspect
from tapewire.tape.inspect import Segment

CONSUMER: Final = "backup"
"""By which retention waits for the backup, if it is asked to."""
SCAN: Final = 1 << 20
AGAIN: Final = 5
"""How often a tape is begun anew because retention removed what was just being copied."""
_PART: Final = re.compile(r"\d{20}(-\d{20}\.part|\.seg)")

Progress = Callable[[str, int, int], object]
"""Told (tape, segments done, segments in all)."""


@dataclass(frozen=True)
class Taken:
    manifest: Manifest
    copied_bytes: int
    """What was read and written in this run; the rest was there."""
    copied_files: int
    seconds: float

    def to_dict(self) -> dict[str, object]:
        return {
            "seconds": self.seconds,
            "copied_bytes": self.copied_bytes,
            "copied_files": self.copied_files,
            "taken_ns": self.manifest.taken_ns,
            "tapes": [
                {"name": one.name, "first_seq": one.first_seq, "last_seq": one.last_seq, "epoch": one.epoch}
                for one in self.manifest.tapes
            ],
        }


def take(
    folders: Folders,
    env: str,
    target: Path,
    *,
    prune: bool = False,
    hold: bool = False,
    progress: Progress = lambda name, done, total: None,
) -> Taken:
    """Brings the backup in `target` up to now, or begins one.

    `prune`: segments that retention removed from a tape go from the backup, too; else it keeps them. `hold`: from now
    on retention leaves on the tape what is in no backup. Raises BackupError, TapeDamaged, TapeError.
    """
    began, taken_ns = time.monotonic(), time.time_ns()
    _refuse_foreign(target, folders)
    before = read_manifest(target) if (target / NAME).exists() else None
    if before is not None and before.env != env:
        raise BackupError(f"{target}: holds tapes of the environment {before.env!r}, not of {env!r}")
    known = {one.name: one for one in before.tapes} if before is not None else {}
    paths = sorted(inspect.tapes(folders.tapes), key=lambda path: (not path.name.startswith("orders."), path.name))
    if not paths:
        raise BackupError(f"{folders.tapes}: there are no tapes to back up")
    work = _Work(target, prune, hold, progress)
    made = [work.tape(path, known.pop(path.name, None)) for path in paths]
    made += known.values()  # tapes that are not here any more stay in the backup
    manifest = Manifest(format=FORMAT, taken_ns=taken_ns, env=env, version=version("tapewire"), tapes=tuple(made))
    write_manifest(target, manifest)
    _remove_others(target, manifest)
    return Taken(manifest, work.bytes, work.files, time.monotonic() - began)


def _refuse_foreign(target: Path, folders: Folders) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        if target.resolve().is_relative_to(folders.data.resolve()):
            raise BackupError(f"{target}: is within the data folder {folders.data}, and would be lost with it")
        others = sorted(path.name for path in target.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise BackupError(f"{target}: cannot be used for a backup: {error.strerror}") from error
    if others and NAME not in others and any(not (target / name).is_dir() for name in others):
        raise BackupError(
            f"{target}: holds {', '.join(others[:5])} and no {NAME}; expected an empty folder or a backup"
        )


class _Work:
    """One run."""

    def __init__(self, target: Path, prune: bool, hold: bool, progress: Progress) -> None:
        self._target, self._prune, self._hold, self._progress = target, prune, hold, progress
        self.bytes = self.files = 0

    def tape(self, path: Path, before: TapeEntry | None) -> TapeEntry:
        for _ in range(AGAIN):
            try:
                return self._tape(path, before)
            except (FileNotFoundError, TapeGone):
                continue  # retention was faster; what it removed is left out
        raise BackupError(f"{path}: retention removed what was just being copied, {AGAIN} times. Run it again")

    def _tape(self, path: Path, before: TapeEntry | None) -> TapeEntry:
        positions = consumers.positions_and_epochs(path)
        known = {one.to: one for one in before.snapshots} if before is not None else {}
        states = [self._state(path, one, known) for one in _snapshots(path)]
        with TapeReader(path, None, limit="durable") as reader:
            at = reader.positions
            end, last = min((at.durable, at.durable_seq), (at.released, at.released_seq))
            if before is not None:
                _must_go_on(reader, before, last, self._target)
            held = {one.first_seq: one for one in before.segments} if before is not None else {}
            segments = self._segments(reader, end, last, held)
            last_record = _record(reader, last) if last else b""
            epoch = reader.epoch
        if not self._prune and segments:
            segments = [one for one in held.values() if one.first_seq < segments[0].first_seq] + segments
        entry = TapeEntry(
            name=path.name,
            first_seq=segments[0].first_seq if segments else 1,
            last_seq=last,
            epoch=epoch,
            last_record=hashlib.sha256(last_record).hexdigest(),
            segments=tuple(segments),
            snapshots=tuple(states),
            consumers={name: position for name, position in positions.items() if name != CONSUMER},
        )
        _must_be_foldable(entry)
        for folder in {(self._target / one.path).parent for one in entry.files}:
            sync_folder(folder)
        if self._hold and len(segments) > 1:
            position = ConsumerPosition(path, CONSUMER)
            position.store(segments[-1].first_seq - 1)
            position.close()
        return entry

    def _segments(self, reader: TapeReader, end: int, last: int, held: dict[int, Entry]) -> list[Entry]:
        """Those with records up to `last`, which ends at the tape's position `end`."""
        tape = reader.path
        found = [one for one in inspect.segments(tape) if one.first_seq <= last]
        made = list[Entry]()
        for number, one in enumerate(found):
            self._progress(tape.name, number, len(found))
            sealed, name = number + 1 < len(found), one.path.name
            known = held.get(one.first_seq)
            if sealed and known is not None and known.sealed and known.mark == copying.mark_of(one.path):
                made.append(known)
                continue
            _scan(reader, one, found[number + 1].first_seq - 1 if sealed else last)
            if not sealed:
                name = f"{one.first_seq:020d}-{last:020d}.part"
            length = one.bytes if sealed else end - inspect.base_position(one.path)
            entry = self._copy(one.path, f"{tape.name}/{name}", f"{tape.name}/{one.path.name}", length)
            made.append(msgspec.structs.replace(entry, whole=one.bytes, first_seq=one.first_seq, sealed=sealed))
        self._progress(tape.name, len(found), len(found))
        return made

    def _state(self, tape: Path, path: Path, known: dict[str, Entry]) -> Entry:
        """A snapshot; one of the same record that is another one gets a name of its own, for the backup before it."""
        to = f"{tape.name}/{path.relative_to(tape)}"
        held = known.get(to)
        if held is None:
            return self._copy(path, to, to)
        mark = copying.mark_of(path)
        return held if held.mark == mark else self._copy(path, f"{to.removesuffix('.snap')}-{mark[2]}.snap", to)

    def _copy(self, source: Path, below: str, to: str, length: int | None = None) -> Entry:
        made = copying.copy(source, self._target / below, path=below, to=to, length=length)
        self.bytes += made.bytes
        self.files += 1
        return made


def _snapshots(tape: Path) -> list[Path]:
    """The engine's own, and those of whoever else folds this tape; none that a cut took off."""
    folders = [tape, *(path for path in tape.iterdir() if path.is_dir() and not path.name.startswith("cut-"))]
    found = [path for folder in folders for path in snapshots.folder(folder).glob("*.snap")]
    return sorted(path for path in found if snapshots.seq_of(path) >= 0)


def _scan(reader: TapeReader, one: Segment, end: int) -> None:
    """Reads what is to be copied, to record `end`: what does not hold takes no good copy's place (TapeDamaged)."""
    reader.seek_seq(one.first_seq)
    while reader.next_seq <= end:
        if not reader.scan(min(SCAN, end - reader.next_seq + 1)):
            raise BackupError(f"{one.path}: ends before record {end}, which is durable")


def _record(reader: TapeReader, seq: int) -> bytes:
    reader.seek_seq(seq)
    return reader.poll(1)[0]


def _must_go_on(reader: TapeReader, before: TapeEntry, last: int, target: Path) -> None:
    """The tape is still the one that the backup is of, and has all of it. Raises BackupError."""
    why, end = "", before.last_seq
    if last < end:
        why = f"ends with record {last}, and the backup with {end}"
    elif end >= reader.first_seq and hashlib.sha256(_record(reader, end)).hexdigest() != before.last_record:
        why = f"has another record {end} than the backup"
    if why:
        raise BackupError(
            f"{reader.path}: {why}: the tape lost its tail since, or is another one. The backup in {target} was left "
            f"as it is; back up to an empty folder, and keep this one for as long as its records may be missed"
        )


def _must_be_foldable(entry: TapeEntry) -> None:
    """An orders tape without its beginning is folded from a snapshot. Raises BackupError."""
    if entry.first_seq == 1 or not entry.name.startswith("orders."):
        return
    own = f"{entry.name}/snapshots/"
    kept = [snapshots.seq_of(Path(one.to)) for one in entry.snapshots if one.to.startswith(own)]
    if not any(entry.first_seq - 1 <= seq <= entry.last_seq for seq in kept):
        raise BackupError(
            f"tape {entry.name}: begins with record {entry.first_seq}, and no snapshot of the engine lies within: a "
            f"backup of it could not be folded. Let the engine write one (it does when it stops), and run this again"
        )


def _remove_others(target: Path, manifest: Manifest) -> None:
    """What the manifest does not name any more: parts of segments, states and segments that were there before."""
    kept = {one.path for tape in manifest.tapes for one in tape.files}
    for tape in manifest.tapes:
        folder = target / tape.name
        for path in sorted(folder.rglob("*")):
            ours = _PART.fullmatch(path.name) or path.suffix == ".snap"
            if path.is_file() and ours and str(path.relative_to(target)) not in kept:
                path.unlink()
