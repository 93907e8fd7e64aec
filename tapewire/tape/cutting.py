"""Ends a tape before a record, and moves aside what the cut leaves ahead of its end."""

from __future__ import annotations

import os
from pathlib import Path

from tapewire import consumers, snapshots
from tapewire.errors import TapeError
from tapewire.tape import inspect
from tapewire.tape._tape import CutReport, cut

BACKUP = "cut-"


def cut_tape(tape: Path, before_seq: int, now_ns: int) -> tuple[CutReport, Path]:
    """Cuts `tape` before record `before_seq`; returns what was done and the backup folder, `<tape>/cut-<now>`.

    Snapshots of later records go to the backup as well: a state beyond the tape's end must not be restored. So do the
    positions of consumers that are ahead. Raises TapeFenced while a writer runs, TapeDamaged if the tape is damaged
    before `before_seq`, TapeError if nothing would be left, or nothing that could be folded.
    """
    backup = tape / f"{BACKUP}{now_ns}"
    _must_stay_foldable(tape, before_seq)
    done = cut(tape, before_seq, backup)
    # The engine's own, and those of whoever else folds this tape; what an earlier cut took off stays where it is.
    folders = [tape, *(path for path in tape.iterdir() if path.is_dir() and not path.name.startswith(BACKUP))]
    kept = [path for folder in folders for path in snapshots.folder(folder).glob("*.snap")]
    ahead = [path for path in kept if snapshots.seq_of(path) > done.last_seq]
    ahead += [tape / consumers.FOLDER / name for name, seq in consumers.positions(tape).items() if seq > done.last_seq]
    for path in ahead:
        target = backup / path.parent.relative_to(tape)
        try:
            target.mkdir(parents=True, exist_ok=True)
            os.rename(path, target / path.name)
        except OSError as error:
            raise TapeError(
                f"{path}: the tape was cut, but this could not be moved to {target}: {error.strerror}"
            ) from error
    return done, backup


def set_aside(tape: Path, now_ns: int) -> Path:
    """Moves everything of `tape` into the folder `<tape>/cut-<now>`: none of its records is another host's, too.

    The caller holds the tape's lock. What its replica knows stays. Raises TapeError.
    """
    backup = tape / f"{BACKUP}{now_ns}"
    try:
        backup.mkdir()
        # Segments last, from the newest down: what is left of it, if this is cut short, is a tape still.
        rest = [path for path in tape.iterdir() if path.is_dir() and not path.name.startswith((BACKUP, "replica"))]
        for path in [*rest, *sorted(tape.glob("*.seg"), reverse=True), tape / "control"]:
            os.rename(path, backup / path.name)
    except OSError as error:
        raise TapeError(f"{tape}: cannot be moved to {backup}: {error.strerror}") from error
    return backup


def _must_stay_foldable(tape: Path, before_seq: int) -> None:
    """A tape without its beginning is folded from a snapshot: one at least must be of what stays."""
    kept = [seq for path in snapshots.folder(tape).glob("*.snap") if (seq := snapshots.seq_of(path)) >= 0]
    first = inspect.segments(tape)[0].first_seq if inspect.segments(tape) else 1
    if first > 1 and kept and not any(first - 1 <= seq < before_seq for seq in kept):
        raise TapeError(
            f"{tape}: begins with record {first}, and none of its snapshots (of records {sorted(kept)}) is of before "
            f"record {before_seq}: what would be left could not be folded. Nothing was changed; cut later, or put a "
            f"snapshot of a backup into {snapshots.folder(tape)}"
        )
