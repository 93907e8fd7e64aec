"""The inbound rings of a shard, by the place of each producer in the configuration."""

from __future__ import annotations

from pathlib import Path

from tapewire.errors import ConfigError
from tapewire.folders import Folders


def inbound_rings(folders: Folders, shard: int, producers: tuple[str, ...]) -> list[tuple[Path, int]]:
    """The rings to listen to, each with its source number, from 1.

    The tape knows producers by number. Raises ConfigError if a name is given twice, or if a ring that is there has a
    producer that is not listed, or under another number: its commands would be read by nobody, or taken for another's.
    """
    if len(set(producers)) < len(producers):
        raise ConfigError(f"engine.producers: holds {list(producers)}; expected each name once")
    rings = [(folders.inbound_ring(shard, n, name), n) for n, name in enumerate(producers, start=1)]
    expected = {path for path, _ in rings}
    for path in folders.inbound_rings(shard):
        if path not in expected:
            _, _, number, name = path.name.split(".")
            raise ConfigError(
                f"engine.producers: holds {list(producers)}, but {path} is the ring of {name!r}, number {number}. "
                "Producers keep their place: put it back there, or, if it is gone for good, leave its name and remove "
                "its ring after the commands in it have been taken"
            )
    return rings
