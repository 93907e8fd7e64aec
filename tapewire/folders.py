"""Where things lie under a data folder.

<data>/tapes/<tape>/      one folder per tape, orders.0, md.binance: segments, control page, snapshots, consumers
<data>/rings -> /dev/shm  a link into memory: orders.<shard>.<source>.<producer>, orders.<shard>.bell, md.<feed>,
                          router.<number>.<source>.<client>, router.<number>.bell; stage logs:
                          <tape>.<service>.stages; latest values: latest.<feed>
<data>/archive/           sealed market data, columnar, written by the flusher alone
<data>/stats/             counters and histograms of running services, one page each
<data>/health/            sockets at which running services say how they are
<data>/nats/              JetStream's own store
<data>/retention/         lock and clock of what lets old data go
<data>/gateway/           front.token, by which the FIX front shows itself to the gateway; keys/ with shared secrets
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from pathlib import Path

from tapewire.errors import ConfigError

SHARED_MEMORY = Path("/dev/shm")
TAPE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_RINGS = re.compile(r"tapewire-.+-[0-9a-f]{8}")
_ROUTER = re.compile(r"router\.[0-9]+\.[0-9]+\.[a-z0-9][a-z0-9_-]*")
_INBOUND = re.compile(r"orders\.[0-9]+\.[0-9]+\.[a-z0-9][a-z0-9_-]*")


class Folders:
    """The paths under one data folder. Nothing is created until `prepare`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.tapes = data / "tapes"
        self.rings = data / "rings"
        self.archive = data / "archive"
        self.nats = data / "nats"
        self.stats = data / "stats"
        self.health = data / "health"
        self.front_token = data / "gateway" / "front.token"
        self.front_logons = data / "gateway" / "front.logons"
        self.believed_clock = data / "retention" / "clock"

    def tape(self, name: str) -> Path:
        """The folder of a tape, such as `orders.0` or `md.binance`."""
        return self.tapes / name

    def ring(self, name: str) -> Path:
        """The file of a ring, such as `traders` or `md.binance`."""
        return self.rings / name

    def orders_tape(self, shard: int) -> Path:
        return self.tape(f"orders.{shard}")

    def md_tape(self, feed: str) -> Path:
        return self.tape(f"md.{feed}")

    def md_ring(self, feed: str) -> Path:
        return self.ring(f"md.{feed}")

    def inbound_ring(self, shard: int, source: int, producer: str) -> Path:
        """The ring in which `producer`, number `source`, hands its commands to the engine of `shard`."""
        return self.ring(f"orders.{shard}.{source}.{producer}")

    def find_inbound_ring(self, shard: int, producer: str) -> tuple[Path, int] | None:
        """The ring of a producer by its name, and its number; None if the engine made none of that name."""
        for path in self.inbound_rings(shard):
            _, _, number, name = path.name.split(".")
            if name == producer:
                return path, int(number)
        return None

    def inbound_rings(self, shard: int) -> list[Path]:
        """The inbound rings that are there, of whatever producers."""
        return sorted(path for path in self.rings.glob(f"orders.{shard}.*") if _INBOUND.fullmatch(path.name))

    def router_tape(self, number: int) -> Path:
        return self.tape(f"router.{number}")

    def api_tape(self, number: int) -> Path:
        return self.tape(f"api.{number}")

    def venue_tape(self, name: str) -> Path:
        return self.tape(f"venue.{name}")

    def router_ring(self, number: int, source: int, client: str) -> Path:
        """The ring in which `client`, number `source`, hands its parent orders to router `number`."""
        return self.ring(f"router.{number}.{source}.{client}")

    def router_rings(self, number: int) -> list[Path]:
        """The clients' rings of a router that are there."""
        return sorted(path for path in self.rings.glob(f"router.{number}.*") if _ROUTER.fullmatch(path.name))

    def find_router_ring(self, number: int, client: str) -> tuple[Path, int] | None:
        """The ring of a client by its name, and its number; None if the router made none of that name."""
        for path in self.router_rings(number):
            _, _, source, name = path.name.split(".")
            if name == client:
                return path, int(source)
        return None

    def router_bell(self, number: int) -> Path:
        """What wakes router `number`."""
        return self.ring(f"router.{number}.bell")

    def doorbell(self, shard: int) -> Path:
        """What producers ring to wake the engine of `shard`."""
        return self.ring(f"orders.{shard}.bell")

    def latest(self, feed: str) -> Path:
        """The page of a feed's latest values, such as `binance` or `house`."""
        return self.ring(f"latest.{feed}")

    def latest_feeds(self) -> list[str]:
        """The feeds that have such a page here."""
        found = (path.name.removeprefix("latest.") for path in self.rings.glob("latest.*"))
        return sorted(name for name in found if ".new-" not in name)

    def stages(self, tape: str, service: str) -> Path:
        """The stage log that `service` keeps of its work on a tape, such as `orders.0`."""
        return self.rings / f"{tape}.{service}.stages"

    def prepare(self, rings: Path) -> None:
        """Creates what is missing and links `<data>/rings` to `rings`. Raises ConfigError if it cannot."""
        try:
            for folder in (self.tapes, self.archive, self.nats, self.stats, rings):
                folder.mkdir(parents=True, exist_ok=True)
            self._link(rings.absolute())
        except OSError as error:
            raise ConfigError(
                f"data folder {self.data}: cannot create {error.filename}: {error.strerror}. "
                f"Point `data` and `rings` at folders this user may write to"
            ) from error

    def _link(self, rings: Path) -> None:
        """Leads `<data>/rings` to `rings`, in one step: services that start together do this at the same time."""
        if rings == self.rings.absolute() or (self.rings.is_symlink() and self.rings.readlink() == rings):
            return
        if self.rings.is_dir() and not self.rings.is_symlink():
            raise ConfigError(
                f"{self.rings}: a folder, and `rings` is {rings}. Set `rings` to that folder, or remove it once what "
                f"its rings hold has been taken"
            )
        aside = self.rings.with_name(f".rings.{threading.get_native_id()}")
        aside.unlink(missing_ok=True)
        aside.symlink_to(rings)
        try:
            os.replace(aside, self.rings)
        finally:
            aside.unlink(missing_ok=True)


def default_rings(env: str, data: Path) -> Path:
    """The shared-memory folder of an environment's rings: one per data folder, however that is written."""
    mark = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:8]
    return SHARED_MEMORY / f"tapewire-{env}-{mark}"


def all_default_rings() -> list[Path]:
    """The folders of rings that `default_rings` named and that are there, of whatever environment and data."""
    return sorted(path for path in SHARED_MEMORY.glob("tapewire-*") if _RINGS.fullmatch(path.name))
