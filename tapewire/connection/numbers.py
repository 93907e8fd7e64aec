"""What the numbers of a stream tell: a message that was there before, and messages that are missing.

A publisher of the house repeats its last second after a restart, byte for byte. A tape that lost its tail gives old
numbers to new records; those have later times, and are no repetition.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tapewire import messages as m


class Missing(NamedTuple):
    reason: str
    after: int
    before: int
    missing: int


class Numbers(Protocol):
    """Looks at each message of a stream before it is handed on."""

    def repeated(self, subject: str, message: m.Message) -> bool:
        """Whether it came before."""

    def missing(self, subject: str, message: m.Message) -> Missing | None:
        """What is missing before it; called for what is not repeated."""


class Repeats:
    """Of streams whose numbers rise with holes: the subjects of one ticker or account."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}

    def repeated(self, subject: str, message: m.Message) -> bool:
        last = self._last.get(subject)
        if last is not None and message.seq <= last[0] and message.ts <= last[1]:
            return True
        self._last[subject] = (message.seq, message.ts)
        return False

    def missing(self, subject: str, message: m.Message) -> Missing | None:
        return None


class DenseSeqs(Repeats):
    """Of a whole tape or feed: every record has the next seq."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0

    def missing(self, subject: str, message: m.Message) -> Missing | None:
        return self._check(message.seq, "seq")

    def _check(self, number: int, what: str) -> Missing | None:
        expected, self._next = self._next, number + 1
        if not expected or number == expected:
            return None
        if number < expected:
            return Missing("tape_cut", expected - 1, number, 0)
        return Missing(what, expected - 1, number, number - expected)

    def reset(self) -> None:
        """What comes next begins anew: a gap that was told otherwise."""
        self._next = 0


class DenseTrades(DenseSeqs):
    """Of all trades of the house: match ids are dense."""

    def missing(self, subject: str, message: m.Message) -> Missing | None:
        if not isinstance(message, m.Trade):
            return None
        return self._check(message.trade_id, "trade_id")
