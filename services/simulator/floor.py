"""Where simulated traders stand: they send through an order client, and see all that happens on the tape.

Their own answers would not do: an auction, an expired order, a halt come from the operator and from the engine's clock.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from tapewire import definitions
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.errors import TapewireError
from tapewire.folders import Folders
from tapewire.tape import TapeReader


class Floor:
    """`instruments` are those listed when it was opened, in the status they had then."""

    def __init__(self, client: OrderClient, tape: Path) -> None:
        """Takes the client: `close` closes it. Raises TapewireError while no instrument is defined."""
        self._client, self._tape = client, tape
        self._reader = TapeReader(tape, limit="released")
        self._reader.seek_seq(self._reader.positions.released_seq + 1)
        self.instruments = self._listed()
        if not self.instruments:
            self.close()
            raise TapewireError(f"{tape}: no instrument is defined; add [[instrument]] to the engine's file")

    @classmethod
    def open(cls, data: Path, shard: int, producer: str) -> Self:
        """Raises what OrderClient.open raises, too."""
        return cls(OrderClient.open(data, shard, producer=producer), Folders(data).orders_tape(shard))

    def submit(self, command: m.Message) -> None:
        """Raises RingFull: nothing was sent, as the engine is behind."""
        self._client.submit(command)

    def poll(self, limit: int) -> list[m.Message]:
        """The next records of the tape, at most `limit`; fewer only at its released end."""
        return [m.decode(raw) for raw in self._reader.poll(limit)]

    def close(self) -> None:
        self._client.close()
        self._reader.close()

    def _listed(self) -> list[m.InstrumentDefinition]:
        """Each listed instrument as it stands."""
        there = definitions.read(self._tape).instruments.values()
        return [one for one in there if one.status != m.InstrumentStatus.delisted]
