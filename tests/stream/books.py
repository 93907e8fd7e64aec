"""What a client does with books: plainly, from docs/stream.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Side = dict[str, Any]


def applied(side: Mapping[str, Any], changes: Iterable[Sequence[Any]]) -> Side:
    """A side by price with the levels of an update: quantity "0" takes one away."""
    now = dict(side)
    for level in changes:
        if level[1] == "0":
            now.pop(level[0], None)
        else:
            now[level[0]] = level
    return now


class HeldBook:
    """A client's copy. Raises AssertionError for an update that does not build on what it holds."""

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
        self.book_seq = -1
        self.snapshots = self.updates = self.conflated = 0

    def take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.bids = {level[0]: level for level in message["bids"]}
            self.asks = {level[0]: level for level in message["asks"]}
            self.snapshots += 1
            self.conflated += message.get("conflated", 0)
        else:
            assert message["prev"] == self.book_seq, f"builds on {message['prev']}, but {self.book_seq} is held"
            self.bids = applied(self.bids, message["bids"])
            self.asks = applied(self.asks, message["asks"])
            self.updates += 1
        self.book_seq = message["book_seq"]

    def levels(self) -> tuple[list[Any], list[Any]]:
        """Bids and asks, best first."""
        bids = sorted(self.bids.values(), key=lambda level: -float(level[0]))
        return bids, sorted(self.asks.values(), key=lambda level: float(level[0]))
