"""The inbound rings of a shard, by the place of each producer in the configuration."""

from __future__ import annotations

import time
from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

from tapewire.config import Producer
from tapewire.config.sections import Role
from tapewire.errors import ConfigError, RingBusy
from tapewire.folders import Folders
from tapewire.ring import Doorbell, RingProducer

BUSY_WAIT_S = 2.0  # for the operator's ring, which several take in turn, each for the moment of a write
BUSY_RETRY_S = 0.02


class InboundRing(NamedTuple):
    """One producer's way in, and what it may send by it."""

    path: str | PathLike[str]
    source: int
    """Its number on the tape, from 1."""
    role: Role = "trader"
    accounts: tuple[int, ...] = ()
    """Those a trader may act for; none: every account."""


def inbound_rings(folders: Folders, shard: int, producers: Sequence[Producer]) -> list[InboundRing]:
    """The rings to listen to, numbered from 1.

    The tape knows producers by number. Raises ConfigError if a name is given twice, or if a ring that is there has a
    producer that is not listed, or under another number: its commands would be read by nobody, or taken for another's.
    """
    names = [producer.name for producer in producers]
    if len(set(names)) < len(names):
        raise ConfigError(f"engine.producers: holds {names}; expected each name once")
    rings = [
        InboundRing(folders.inbound_ring(shard, number, one.name), number, one.role, one.accounts)
        for number, one in enumerate(producers, start=1)
    ]
    expected = {ring.path for ring in rings}
    for path in folders.inbound_rings(shard):
        if path not in expected:
            _, _, number, name = path.name.split(".")
            raise ConfigError(
                f"engine.producers: holds {names}, but {path} is the ring of {name!r}, number {number}. "
                "Producers keep their place: put it back there, or, if it is gone for good, leave its name and remove "
                "its ring after the commands in it have been taken"
            )
    return rings


def take_ring(path: str | PathLike[str], doorbell: Doorbell) -> RingProducer:
    """The side of the one producer. Raises RingBusy when another one keeps it."""
    deadline = time.monotonic() + BUSY_WAIT_S
    while True:
        try:
            return RingProducer(path, doorbell=doorbell)
        except RingBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(BUSY_RETRY_S)
