"""Follows the tapes of outside venues: what their sessions report is copied onto the router's, each record once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tapewire import messages as m
from tapewire.consumers import ConsumerPosition
from tapewire.errors import TapeMissing
from tapewire.tape import TapeReader

BATCH = 256


class VenueTape:
    """One venue's. It may not be there yet."""

    def __init__(self, number: int, path: Path, position: int, consumer: str) -> None:
        """`position`: the last of its records that is on the router's tape; 0: none."""
        self.number = number
        self._path, self._at, self._consumer = path, position, consumer
        self._reader: TapeReader | None = None
        self._position: ConsumerPosition | None = None

    def work(self, take: Callable[[m.Message], object]) -> int:
        """Hands on what the venue's session has reported since; returns how many records were looked at."""
        reader = self._open()
        if reader is None:
            return 0
        raws = reader.poll(BATCH)
        for raw in raws:
            record = m.decode(raw)
            self._at = record.seq
            if isinstance(record, m.VenueReported | m.VenueChanged):
                take(record.replace(origin_seq=record.seq, source=self.number, venue=self.number))
        return len(raws)

    def _open(self) -> TapeReader | None:
        if self._reader is None:
            try:
                reader = TapeReader(str(self._path), None)
            except TapeMissing:
                return None
            self._position = ConsumerPosition(self._path, self._consumer)
            start = max(self._at, self._position.seq) + 1
            if start > reader.first_seq:
                reader.seek_seq(start)
            self._reader = reader
        return self._reader

    def store(self) -> None:
        """What was handed on is on the router's tape: retention may let it go."""
        if self._position is not None:
            self._position.store(self._at)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        if self._position is not None:
            self._position.close()
