"""A disk that ends the world before any step, and may take with it whatever was not synced by then."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow as pa

from tapewire.store.disk import Disk


class Killed(BaseException):
    """The process is gone: not an Exception, so that nothing catches it by the way."""


class FailingDisk(Disk):
    """Raises Killed instead of step number `steps`. With `power_cut`, files that were not synced are torn, and names
    that were not synced go back to what they meant before, each or not, as a real disk might choose."""

    def __init__(self, steps: int, power_cut: Random | None = None) -> None:
        self.left = steps
        self._power_cut = power_cut
        self._unsynced: set[Path] = set()
        self._renamed: list[tuple[Path, bytes | None]] = []

    def make_folder(self, path: Path) -> None:
        # Folders are never taken back: an empty one more or less means nothing to anyone.
        path.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, content: bytes | pa.Buffer) -> None:
        if self.left == 0:
            path.write_bytes(bytes(content)[: len(content) // 2])
        self._step()
        super().write(path, content)
        self._unsynced.add(path)

    def sync(self, path: Path) -> None:
        # No real fsync: what it would do is exactly what this class keeps account of.
        self._step()
        self._unsynced.discard(path)
        self._renamed = [(new, before) for new, before in self._renamed if new.parent != path]

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        before = new.read_bytes() if new.exists() else None
        super().rename(old, new)
        self._renamed.append((new, before))
        if old in self._unsynced:
            self._unsynced.add(new)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)

    def _step(self) -> None:
        if self.left == 0:
            if self._power_cut is not None:
                self._lose(self._power_cut)
            raise Killed
        self.left -= 1

    def _lose(self, random: Random) -> None:
        for path in self._unsynced:
            if path.exists():
                path.write_bytes(path.read_bytes()[: random.randrange(100)])
        for new, before in reversed(self._renamed):
            if random.random() < 0.5:
                new.unlink() if before is None else new.write_bytes(before)
