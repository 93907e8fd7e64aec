"""The rings by which clients hand in parent orders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tapewire import messages as m
from tapewire.config import RouterClient
from tapewire.errors import ConfigError, WireError
from tapewire.folders import Folders
from tapewire.ring import RingConsumer, create_ring

BATCH = 64
COMMANDS = (m.NewParent, m.ReplaceParent, m.CancelParent, m.KillSwitch)


class ClientRing:
    """One client's. A record is released only when what became of it is on the tape."""

    def __init__(self, source: int, path: Path, position: int) -> None:
        """`position`: how far it was taken, as the router's tape says: what lies before was taken before a crash."""
        self._source, self._taken = source, position
        self._ring = RingConsumer(str(path))

    def work(self, take: Callable[[m.Message], object]) -> int:
        """Hands on what the client has sent since; returns how much."""
        count = 0
        while count < BATCH and (raws := self._ring.poll(1)):
            end = self._ring.position
            count += 1
            if end > self._taken:
                take(self._input(raws[0]).replace(source=self._source, origin_seq=end))
                self._taken = end
        return count

    def _input(self, raw: bytes) -> m.Message:
        try:
            command = m.decode(raw)
        except WireError:
            return m.InputRefused(length=len(raw), reason=m.RefusalReason.malformed)
        if isinstance(command, COMMANDS):
            return command.replace(cause=0)
        return m.InputRefused(length=len(raw), type_found=command.TYPE, reason=m.RefusalReason.not_a_command)

    def release(self) -> None:
        self._ring.release()

    def close(self) -> None:
        self._ring.close()


def client_rings(
    folders: Folders, number: int, clients: tuple[RouterClient, ...], ring_bytes: int, positions: dict[int, int]
) -> list[ClientRing]:
    """Makes and opens the rings of the configuration. Raises ConfigError where one lies at another's place."""
    expected = {folders.router_ring(number, at, one.name): at for at, one in enumerate(clients, start=1)}
    for path in folders.router_rings(number):
        if path not in expected:
            raise ConfigError(
                f"router.clients: holds {[one.name for one in clients]}, but {path} is the ring of another. Clients "
                f"keep their place: put it back there, or remove its ring after what is in it has been taken"
            )
    rings = []
    for path, source in expected.items():
        create_ring(str(path), ring_bytes, positions.get(source, 0))
        rings.append(ClientRing(source, path, positions.get(source, 0)))
    return rings
