"""Where a ring that is not here (yet, or any more) may begin: never before records that were carried already.

A host that lost its memory has lost the ring, and the ring over there may hold records of it that the mirrored tape
does not show. A producer that starts now would find them nowhere, and send them again. So the ring is made only when
all that was carried is on the tape, and that much of the tape is here.
"""

from __future__ import annotations

from typing import Final

from tapewire import messages as m
from tapewire.relay.name import RingName
from tapewire.relay.outgoing import REFUSED_RETRY_NS, RETRY_NS

FRESH_NS: Final = 1_000_000_000
"""What was answered longer ago says nothing any more."""


class Beginning:
    """Asks until it is known. Times are monotonic, in ns."""

    def __init__(self, name: RingName, session: int) -> None:
        """`session`: as of Outgoing."""
        self.name, self._session = name, session
        self.refusal = ""
        self._next = self._heard = 0
        self._answer: m.RelayPosition | None = None

    def turn(self, now: int) -> list[bytes]:
        """What is to be sent now."""
        if now < self._next:
            return []
        self._session += 1
        self._next = now + RETRY_NS
        name = self.name
        asked = m.RelayOpened(source=name.source, session=self._session, capacity=name.capacity, ring=name.full)
        return [bytes(asked)]

    def due(self) -> int:
        return self._next

    def answered(self, answer: m.RelayPosition, now: int) -> None:
        if answer.session != self._session or (self._answer is not None and answer.epoch < self._answer.epoch):
            return
        if answer.verdict == m.RelayVerdict.taken:
            self._answer, self._heard, self.refusal = answer, now, ""
        else:
            self._answer, self.refusal = None, answer.detail or answer.verdict.name
            self._next = now + REFUSED_RETRY_NS

    def first(self, epoch: int, seq: int, now: int) -> int | None:
        """The position at which the ring is to be made; None: not known yet. `epoch`, `seq`: how far the mirrored tape
        has come."""
        answer = self._answer
        if answer is None or now - self._heard > FRESH_NS:
            return None
        if not answer.taken_by or answer.epoch != epoch or seq < answer.taken_by:
            return None
        return answer.position
