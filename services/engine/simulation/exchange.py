"""The engine in this process, one command at a time, at times that are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from services.engine import Engine
from services.engine.producers import InboundRing
from tapewire.config.sections import Role
from tapewire.errors import TapeError, TapewireError
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader

TAPE: Final = "orders.0"
RING_BYTES: Final = 1 << 20
SEGMENT_BYTES: Final = 16 << 20
BATCH: Final = 1 << 16
PREPARE_EVERY: Final = 256
"""Steps between two looks at whether the tape's next segment is to be made ready."""
VERSION: Final = "simulation"


class SimulatedExchange:
    """Takes commands of numbered producers; gives the records that each step put on the tape."""

    def __init__(self, folder: Path, producers: Mapping[int, Role], now: int) -> None:
        """Makes the tape `orders.0` in `folder`. `now`: UTC ns. Raises TapewireError if there is one already."""
        self.tape = folder / TAPE
        if self.tape.exists():
            raise TapewireError(f"{self.tape}: there is a tape already; a simulation begins one. Give an empty folder")
        rings = folder / "rings"
        rings.mkdir(parents=True, exist_ok=True)
        inbound = [InboundRing(rings / f"in.{number}", number, role) for number, role in sorted(producers.items())]
        self.engine = Engine(
            self.tape,
            inbound,
            name=TAPE,
            durability="memory",
            segment_bytes=SEGMENT_BYTES,
            ring_bytes=RING_BYTES,
            now=now,
            version=VERSION,
        )
        self._rings = {ring.source: RingProducer(str(ring.path)) for ring in inbound}
        self._folder = rings
        self._reader = TapeReader(self.tape, 1)
        self._steps = 0
        self.now = now

    def step(self, now: int, commands: Iterable[tuple[int, bytes]] = ()) -> list[bytes]:
        """Lets it be `now` (a time before the last one counts as that), takes commands of (producer, bytes), and gives
        all records since the last step."""
        self.now = now = max(now, self.now)
        self.engine.set_time(now)
        for source, raw in commands:
            while not self._rings[source].write(raw):
                self._work()
        self._work()
        records = self._reader.poll(BATCH)
        while more := self._reader.poll(BATCH):
            records += more
        return records

    def _work(self) -> None:
        while self.engine.do_work():
            pass
        if self.engine.blocked:
            raise TapeError(f"{self.tape}: the disk has no room for the next segment; the simulation ends here")
        self._steps += 1
        if self._steps % PREPARE_EVERY == 0:
            self.engine.work_ahead()

    def close(self) -> None:
        """Leaves the tape durable, and the folder without rings."""
        self._reader.close()
        for ring in self._rings.values():
            ring.close()
        self.engine.close()
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()
