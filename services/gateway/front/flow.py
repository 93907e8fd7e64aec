"""How much of a client that is logged on goes through at a time: pure, time is an argument.

The session layer is one thread for all clients. It answers every message of its own (TestRequest, a message that breaks
the rules) at once and without a limit, and keeps what comes ahead of a missing number until that has come. Both are
bounded here: the first by reading no faster, the second by ending the connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.gateway.front.meter import Passed
from tapewire.config import Gateway, GatewaySession

FACTOR: Final = 2
"""Times its own limit of application messages: what a session may send of all kinds."""
MAX_PAUSE_S: Final = 2.0
"""While a client is not read its end is not noticed either."""
_SHIFT: Final = 3
"""Bytes are counted for stretches of 8 numbers, and are forgotten when all of them were processed."""
_PROCESSED: Final = b"\x01369="


class Flow:
    """Of one connection."""

    def __init__(self, gateway: Gateway, session: GatewaySession) -> None:
        self._max_ahead = gateway.max_ahead_bytes
        self._rate = max(gateway.max_message_rate, FACTOR * session.messages / session.interval)
        self._room, self._at = self._rate, 0.0
        self._processed = 0
        self._ahead: dict[int, int] = {}  # by stretch of numbers, bytes that are not known to be processed
        self._total = 0

    @property
    def ahead(self) -> int:
        """Bytes of messages of which the session layer has not said that they were processed."""
        return self._total

    def take(self, passed: Sequence[Passed]) -> bool:
        """Messages on their way to the session layer. False: it would have to keep too many of them."""
        for number, size in passed:
            if number > self._processed:
                stretch = number >> _SHIFT
                self._ahead[stretch] = self._ahead.get(stretch, 0) + size
                self._total += size
        return self._total <= self._max_ahead

    def answered(self, data: bytes) -> None:
        """Bytes from the session layer: LastMsgSeqNumProcessed (369) in them says how far it is."""
        at = data.rfind(_PROCESSED)
        if at < 0 or not self._ahead:
            return
        digits = data[at + len(_PROCESSED) : data.find(b"\x01", at + 1)]
        if not digits.isdigit() or int(digits) <= self._processed:
            return
        before, self._processed = self._processed >> _SHIFT, int(digits)
        behind = self._processed + 1 >> _SHIFT
        if behind > before:
            for stretch in [one for one in self._ahead if one < behind]:
                self._total -= self._ahead.pop(stretch)

    def pause(self, count: int, now: float) -> float:
        """Seconds to read no further, `count` messages having come. `now`: seconds of any steady clock."""
        room = min(self._room + (now - self._at) * self._rate, self._rate) - count
        self._room, self._at = max(room, -MAX_PAUSE_S * self._rate), now
        return max(-self._room, 0.0) / self._rate
