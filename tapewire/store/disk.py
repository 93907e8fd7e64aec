"""The few things the archive asks of a disk, in one place, so that a test can end the world between any two of them."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa


class Disk:
    """Files that are whole or absent: written aside, synced, then renamed into place."""

    def make_folder(self, path: Path) -> None:
        """Creates `path` and its parents, each new name durable in the folder that holds it."""
        if path.is_dir():
            return
        self.make_folder(path.parent)
        path.mkdir(exist_ok=True)
        self.sync(path.parent)

    def write(self, path: Path, content: bytes | pa.Buffer) -> None:
        with open(path, "wb") as file:
            file.write(content)

    def sync(self, path: Path) -> None:
        """fsync of a file or of a folder's names."""
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def replace_file(self, path: Path, content: bytes | pa.Buffer) -> None:
        """`path` holds `content` durably afterwards; after a crash at any step, that or what it held before."""
        aside = path.with_name(f".{path.name}.tmp")
        self.write(aside, content)
        self.sync(aside)
        self.rename(aside, path)
        self.sync(path.parent)
