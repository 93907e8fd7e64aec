"""Where things lie under a data folder. Nothing else builds these paths.

<data>/tapes/<name>/       orders.<shard>, md.<feed>: segments, control page, snapshots, consumers
<data>/rings  ->           a folder in shared memory (/dev/shm): orders.<shard>.<source>, md.<feed>, *.bell
<data>/archive/            Parquet partitions, written by the flusher alone
<data>/stats/              counters and histograms of running services, one mmap page each
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Folders:
    data: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", Path(self.data).resolve())

    def tape(self, name: str) -> Path:
        return self.data / "tapes" / name

    def orders_tape(self, shard: int = 0) -> Path:
        return self.tape(f"orders.{shard}")

    def md_tape(self, feed: str) -> Path:
        return self.tape(f"md.{feed}")

    @property
    def archive(self) -> Path:
        return self.data / "archive"

    def stats(self, name: str) -> Path:
        folder = self.data / "stats"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def rings(self) -> Path:
        """The folder of the rings, made if it is not there. A reboot empties it: rings hold nothing that is not either
        on a tape or unacknowledged."""
        link = self.data / "rings"
        if not link.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            shared = SHARED_MEMORY / f"tapewire-{hashlib.sha256(str(self.data).encode()).hexdigest()[:12]}"
            target = shared if SHARED_MEMORY.is_dir() else self.data / "rings.local"
            target.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(target)
        return link

    def inbound_ring(self, shard: int, source: int) -> Path:
        return self.rings() / f"orders.{shard}.{source}"

    def doorbell(self, shard: int) -> Path:
        return self.rings() / f"orders.{shard}.bell"

    def md_ring(self, feed: str) -> Path:
        return self.rings() / f"md.{feed}"
