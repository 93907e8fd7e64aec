"""Gives back the memory of rings that nobody needs any more; as a program, in every folder of rings of this host.

A ring goes when it is empty and neither side is open. It is made anew at the next start and counts on from where its
tape says it stopped. A ring that holds a record, is damaged or in use stays, and so do the doorbells, stage logs and
pages of latest values beside it.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path

from tapewire.errors import RingError, RingMissing
from tapewire.folders import all_default_rings
from tapewire.ring._ring import RingConsumer, RingProducer

BESIDE = (".bell", ".stages")  # what lies beside rings and goes with the last of them
LATEST = "latest."  # and what this begins: a page of a feed's latest values
UNFINISHED = ".new-"  # in the name of a ring whose maker was killed before it had its own


def remove_drained(folder: Path) -> dict[Path, str]:
    """Removes the rings of `folder` that are empty and not in use, the folder with the last; why the others stay."""
    kept: dict[Path, str] = {}
    others: list[Path] = []
    for path in sorted(folder.glob("*")):
        if path.suffix in BESIDE or path.name.startswith(LATEST) or UNFINISHED in path.name:
            others.append(path)
        elif why := _why_it_stays(path):
            kept[path] = why
    if not kept:
        for path in others:
            path.unlink(missing_ok=True)
        _remove_empty(folder)
    return kept


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        # Somebody else removed it, or has just made a ring in it.
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise


def _why_it_stays(path: Path) -> str:
    """Removes a ring, unless there is a reason not to. Both its locks are held until its name is gone."""
    try:
        with RingProducer(path) as producer, RingConsumer(path):
            if waiting := producer.tail - producer.head:
                return f"{waiting} bytes in it have not been taken"
            path.unlink()
    except RingMissing:  # somebody else was faster
        return ""
    except RingError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def main(folders: list[Path]) -> None:
    for folder in folders:
        kept = remove_drained(folder)
        for path, why in kept.items():
            print(f"{path}: kept: {why}")
        if not kept:
            print(f"{folder}: removed")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or all_default_rings())
