"""The house market's session: files and rings around `house.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from services.router.house import House, last_command
from tapewire import messages as m
from tapewire.consumers import ConsumerPosition
from tapewire.ring import RingProducer, last_record
from tapewire.tape import TapeReader

BATCH = 256


class HouseSession:
    """Hands requests to the engine, and reads its answers."""

    def __init__(self, house: House, ring: RingProducer, tape: Path, consumer: str, clock: Callable[[], int]) -> None:
        self.house, self._ring, self._clock = house, ring, clock
        self._reader = TapeReader(str(tape))
        self._position = ConsumerPosition(tape, consumer)
        self._skip = 0
        self._at = 0

    def recover(self, source: int, position: tuple[int, int] | None) -> None:
        """After the router's tape was folded. `position`: the last record that was reported, and by how many reports.

        What was handed over is found on the orders tape, and, where the engine has not taken it yet, in the ring.
        """
        newest = last_record(self._ring.path)  # before the tape is read: what leaves the ring meanwhile is on the tape
        start = self._reader.positions.released_seq + 1
        if position is not None:
            seq, count = position
            start = max(seq if count else seq + 1, self._position.seq + 1)
            self._skip = count if start == seq else 0
        self._reader.seek_seq(start)
        sent = max(self.house.answered, last_command(self._reader, source))
        if newest is not None:
            sent = max(sent, cast(m.NewOrder, m.decode(newest)).cl_ord_id)
        self.house.sent_up_to(sent)
        self._reader.seek_seq(start)
        self._at = start - 1

    @property
    def at(self) -> int:
        """The last record of the orders tape that was looked at."""
        return self._at

    def work(self, take: Callable[[m.Message], object]) -> int:
        """Hands on what the engine has said of our orders since: each report is taken before the next is made."""
        raws = self._reader.poll(BATCH)
        for raw in raws:
            event = m.decode(raw)
            reports = self.house.reports(event) if event.cause else []
            for report in reports[self._skip :]:
                take(report)
            self._skip = 0
            self._at = event.seq
        return len(raws)

    def work_all(self, take: Callable[[m.Message], object]) -> None:
        """Catches up with the orders tape."""
        while self.work(take):
            pass

    def send(self) -> int:
        """Hands over what waits, as far as the ring takes it; returns how much."""
        house, count = self.house, 0
        while house.waiting and self._ring.write(house.command(house.waiting[0], self._clock())):
            house.waiting.popleft()
            count += 1
        return count

    def store(self) -> None:
        """What has been reported is on the router's tape: retention may let it go."""
        self._position.store(self._at)

    def close(self) -> None:
        self._reader.close()
        self._ring.close()
        self._position.close()
