"""Kraken's book as a subscriber of one depth sees it: what an update must say, and its checksum.

The venue sends what changed within the subscribed depth, and the level that moves up into it when one is removed. It
sends no delete for a level that is pushed out below: the client cuts its book to the depth after every message.
"""

from __future__ import annotations

import zlib

from services.simulator.flow import ASK, BID, Book, Change

CHECKSUM_LEVELS = 10


def checksum(book: Book) -> int:
    """CRC32 over the ten best asks, low to high, then the ten best bids, high to low.

    The rule takes each price and quantity as printed, without the dot and leading zeros: that is the integer itself.
    """
    levels = book.top(ASK, CHECKSUM_LEVELS) + book.top(BID, CHECKSUM_LEVELS)
    return zlib.crc32("".join(f"{price}{qty}" for price, qty in levels).encode())


class View:
    """The best `depth` levels of both sides, as the subscribers have them after the last message."""

    __slots__ = ("_depth", "_known")

    def __init__(self, book: Book, depth: int) -> None:
        self._depth = depth
        self._known = [dict(book.top(side, depth)) for side in (BID, ASK)]

    def update(self, book: Book, changed: tuple[Change, ...]) -> list[Change]:
        """Moves on to the book as it is; returns what has to be sent, removals first on each side."""
        out: list[Change] = []
        for side in {change.side: None for change in changed}:
            known, now = self._known[side], dict(book.top(side, self._depth))
            levels = book.levels[side]
            out += [Change(side, price, 0) for price in known if price not in now and price not in levels]
            out += [Change(side, price, qty) for price, qty in now.items() if known.get(price) != qty]
            self._known[side] = now
        return out
