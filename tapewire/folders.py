"""Where things lie under a data folder.

<data>/tapes/<tape>/      one folder per tape: orders.0, md.binance
<data>/rings -> /dev/shm  a link into memory, one file per ring: traders, md.binance
<data>/archive/           sealed market data, columnar
<data>/nats/              JetStream's own store
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tapewire.errors import ConfigError

SHARED_MEMORY = Path("/dev/shm")


class Folders:
    """The paths under one data folder. Nothing is created until `prepare`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.tapes = data / "tapes"
        self.rings = data / "rings"
        self.archive = data / "archive"
        self.nats = data / "nats"

    def tape(self, name: str) -> Path:
        """The folder of a tape, such as `orders.0` or `md.binance`."""
        return self.tapes / name

    def ring(self, name: str) -> Path:
        """The file of a ring, such as `traders` or `md.binance`."""
        return self.rings / name

    def prepare(self, rings: Path) -> None:
        """Creates what is missing and links `<data>/rings` to `rings`. Raises ConfigError if it cannot."""
        try:
            for folder in (self.tapes, self.archive, self.nats, rings):
                folder.mkdir(parents=True, exist_ok=True)
            if self.rings.is_symlink() and self.rings.readlink() != rings.absolute():
                self.rings.unlink()
            if not self.rings.is_symlink() and rings.absolute() != self.rings.absolute():
                self.rings.symlink_to(rings.absolute())
        except OSError as error:
            raise ConfigError(
                f"data folder {self.data}: cannot create {error.filename}: {error.strerror}. "
                f"Point `data` and `rings` at folders this user may write to"
            ) from error


def default_rings(env: str, data: Path) -> Path:
    """The shared-memory folder of an environment's rings: one per data folder, so that two never meet."""
    mark = hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:8]
    return SHARED_MEMORY / f"tapewire-{env}-{mark}"
