"""Reads tapes side by side, in the order of their times, and never looks at an order before its request.

What came in at an edge is on its tape before its command is in a ring. So the orders tape is asked first and the others
after it: when a command is given out, its request has been.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from tapewire import messages as m

BATCH = 256


class Records(Protocol):
    """What is needed of a TapeReader."""

    def poll(self, max_records: int = ..., /) -> list[bytes]: ...


class _Source:
    def __init__(self, name: str, reader: Records) -> None:
        self.name, self.reader = name, reader
        self.waiting: deque[m.Message] = deque()
        self.asked = -1

    def refill(self, turn: int) -> bool:
        self.asked = turn
        raws = self.reader.poll(BATCH)
        self.waiting.extend(m.decode(raw) for raw in raws)
        return bool(raws)


class Follower:
    """`orders`: the tape that follows from the others."""

    def __init__(self, name: str, orders: Records) -> None:
        self._orders = _Source(name, orders)
        self._others: list[_Source] = []
        self._turn = 0

    def add(self, name: str, reader: Records) -> None:
        """Another tape to follow."""
        self._others.append(_Source(name, reader))

    def poll(self, limit: int) -> list[tuple[str, m.Message]]:
        """The next records with the names of their tapes, at most `limit`; fewer: there is nothing more now."""
        found: list[tuple[str, m.Message]] = []
        while len(found) < limit:
            if not self._orders.waiting:
                self._turn += 1
                self._orders.refill(self._turn)
            for source in self._others:
                if not source.waiting and source.asked != self._turn:
                    source.refill(self._turn)
            first = self._earliest()
            if first is None:
                break
            found.append((first.name, first.waiting.popleft()))
        return found

    def _earliest(self) -> _Source | None:
        """Of those that have something; at the same time an edge goes before the orders tape."""
        ready = [source for source in self._others if source.waiting]
        if self._orders.waiting:
            ready.append(self._orders)
        return min(ready, key=lambda source: source.waiting[0].ts, default=None)
