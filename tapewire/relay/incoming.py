"""The side of the engine: the only producer of a ring here, whose records come from the host where they are made.

A session is opened for the ring that is read over there, by its id, and every chunk belongs to one. Records that the
ring has already are passed over; a gap, a foreign ring, a damaged chunk are refused with the position that is wanted.
Not to be called from several threads.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, Protocol

from tapewire import messages as m
from tapewire.relay.name import RingName
from tapewire.ring import Carried

LEASE_NS: Final = 3_000_000_000
"""Who was heard within so long keeps others out; it asks at least each second."""

_VERDICTS: Final = {
    Carried.taken: m.RelayVerdict.taken,
    Carried.full: m.RelayVerdict.full,
    Carried.gap: m.RelayVerdict.gap,
    Carried.damaged: m.RelayVerdict.damaged,
}


class Writes(Protocol):
    """A ring's producer, as `tapewire.ring.RingProducer`."""

    def carry(self, records: bytes | memoryview, position: int, end: int, /) -> Carried: ...
    @property
    def head(self) -> int: ...
    @property
    def tail(self) -> int: ...
    @property
    def capacity(self) -> int: ...


@dataclass(slots=True)
class InCounts:
    bytes: int = 0
    gaps: int = 0
    refused: int = 0
    damaged: int = 0
    full: int = 0


class Incoming:
    """One ring, while it is there and its engine lives. Times are monotonic, in ns."""

    def __init__(self, name: RingName, ring: Writes, epoch: int, counts: InCounts, last_ring: int = 0) -> None:
        """`epoch`: of the tape that the ring's commands go onto. `last_ring`: the id of the ring whose records came
        last; 0: not known."""
        self.name, self.epoch, self.counts, self.last_ring = name, epoch, counts, last_ring
        self._ring = ring
        self._session = 0
        self._heard = 0

    def opened(self, asked: m.RelayOpened, now: int, seq: int) -> m.RelayPosition:
        """`seq`: the last record of the tape, looked at after the ring; 0 if not all of that had been taken."""
        if why := self._differs(asked):
            self.counts.refused += 1
            return self._answer(asked.session, m.RelayVerdict.other_ring, why)
        if self._session and asked.ring_id != self.last_ring and now - self._heard < LEASE_NS:
            self.counts.refused += 1
            return self._answer(asked.session, m.RelayVerdict.busy, f"{self.name.file}: another host carries it")
        if asked.ring_id:
            if why := self._not_continued(asked):
                self.counts.refused += 1
                return self._answer(asked.session, m.RelayVerdict.other_ring, why)
            self._session, self.last_ring, self._heard = asked.session, asked.ring_id, now
        return self._answer(asked.session, m.RelayVerdict.taken, "", seq)

    def chunk(self, head: m.RelayChunk, records: memoryview, now: int) -> m.RelayPosition:
        """Writes what is new of it. Raises RingDamaged."""
        if head.session != self._session:
            return self._answer(head.session, m.RelayVerdict.closed)
        self._heard = now
        if zlib.crc32(records) != head.check:
            self.counts.damaged += 1
            return self._answer(head.session, m.RelayVerdict.damaged)
        before = self._ring.tail
        carried = self._ring.carry(records, head.position, head.end)
        self.counts.bytes += self._ring.tail - before
        self.counts.gaps += carried == Carried.gap
        self.counts.full += carried == Carried.full
        self.counts.damaged += carried == Carried.damaged
        return self._answer(head.session, _VERDICTS[carried])

    def _differs(self, asked: m.RelayOpened) -> str:
        if asked.ring != self.name.full or asked.source != self.name.source:
            return f"here it is {self.name.full}, there {asked.ring}: give both hosts the same env, shard and producers"
        if asked.capacity != self._ring.capacity:
            return (
                f"{self.name.file}: its ring here has {self._ring.capacity} bytes, there {asked.capacity}: positions "
                f"would differ. Give both hosts the same ring_bytes, and remove the ring that is drained and of another"
            )
        return ""

    def _not_continued(self, asked: m.RelayOpened) -> str:
        """Why the ring over there cannot be the one that goes on from here."""
        tail = self._ring.tail
        made_anew = self.last_ring not in (0, asked.ring_id)
        if not asked.head <= tail <= asked.tail or (made_anew and asked.head != tail):
            return (
                f"{self.name.file}: its ring here stands at {tail}, the one there holds {asked.head} to {asked.tail} "
                f"of {'another ring' if made_anew else 'the same'}: the tape lost what that one has seen, or two hosts "
                f"carry this producer's records"
            )
        return ""

    def _answer(self, session: int, verdict: m.RelayVerdict, detail: str = "", seq: int = 0) -> m.RelayPosition:
        return m.RelayPosition(
            source=self.name.source,
            session=session,
            epoch=self.epoch,
            position=self._ring.tail,
            verdict=verdict,
            taken_by=seq,
            detail=detail,
        )
