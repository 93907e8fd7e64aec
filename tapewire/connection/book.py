"""A book as a subscriber holds it: a pure fold of BookSnapshot and BookDelta.

    no snapshot yet ──snapshot──▶ live ──bookSeq missing──▶ broken ──snapshot──▶ live
                                   └── a delta it has: dropped

While broken it keeps what it had, says `resync` as its quality, and takes no delta.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from tapewire import messages as m
from tapewire.connection.instrument import decimal

BUY = m.Side.buy


class Level(NamedTuple):
    """One price of one side."""

    price: Decimal
    qty: Decimal
    orders: int
    """0 where the venue does not say."""


class Applied(Enum):
    """What a book did with a message."""

    snapshot = 1
    delta = 2
    old = 3
    """It has that already."""
    gap = 4
    """Deltas before this one are missing."""
    waiting = 5
    """No snapshot has come yet."""


class Levels:
    """One side, in mantissas; the best price last."""

    __slots__ = ("_keys", "_sign", "levels")

    def __init__(self, side: m.Side) -> None:
        self._sign = 1 if side == BUY else -1
        self._keys: list[int] = []
        """Prices times the sign, ascending: the best is the last on both sides."""
        self.levels: dict[int, tuple[int, int]] = {}
        """(qty, orders) by price."""

    def set(self, price: int, qty: int, orders: int) -> None:
        key = price * self._sign
        if qty:
            if price not in self.levels:
                insort(self._keys, key)
            self.levels[price] = (qty, orders)
        elif self.levels.pop(price, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def clear(self) -> None:
        self._keys.clear()
        self.levels.clear()

    @property
    def best(self) -> int | None:
        return self._keys[-1] * self._sign if self._keys else None

    def prices(self, depth: int = 0) -> list[int]:
        """The best first; all of them, or the first `depth`."""
        keys = self._keys[-depth:] if depth else self._keys
        return [key * self._sign for key in reversed(keys)]

    def __len__(self) -> int:
        return len(self._keys)


class Book:
    """One instrument's book of one feed."""

    def __init__(self, feed: str, ticker: str) -> None:
        self.feed, self.ticker = feed, ticker
        self.bid_levels, self.ask_levels = Levels(m.Side.buy), Levels(m.Side.sell)
        self.book_seq = 0
        self.seq = self.ts = 0
        """Of the message applied last; ts in UTC ns."""
        self.price_exponent = self.qty_exponent = 0
        self.ready = False
        """Whether it stands on a snapshot and has missed nothing since."""
        self._quality = m.BookQuality.unspecified

    @property
    def quality(self) -> m.BookQuality:
        """How far it can be trusted: what its publisher said last, or resync while deltas are missing."""
        return self._quality if self.ready else m.BookQuality.resync

    @property
    def said_quality(self) -> m.BookQuality:
        """What its publisher said last, whether something is missing or not."""
        return self._quality

    @property
    def live(self) -> bool:
        """Whether its prices are those of now, and nothing is missing."""
        return self.ready and self._quality == m.BookQuality.live

    def apply(self, message: m.BookSnapshot | m.BookDelta) -> Applied:
        """Takes the next message of its subject."""
        if isinstance(message, m.BookSnapshot):
            return self._snapshot(message)
        if not self.ready:
            return Applied.waiting
        if message.book_seq <= self.book_seq:
            return Applied.old
        if message.book_seq != self.book_seq + 1:
            self.ready = False
            return Applied.gap
        self._take(message)
        return Applied.delta

    def stand(self, seq: int, ts: int, ready: bool, quality: m.BookQuality) -> None:
        """As it stood when it was recorded (tapewire/strategy/inputs.py); its levels are there already."""
        self.seq, self.ts, self.ready, self._quality = seq, ts, ready, quality

    def unusable(self, quality: m.BookQuality) -> None:
        """Its feed says that it is not to be trusted until a message says otherwise."""
        self._quality = quality

    def broken(self) -> None:
        """Deltas may be missing: only a snapshot makes it whole."""
        self.ready = False

    def _snapshot(self, message: m.BookSnapshot) -> Applied:
        # One that stands behind what is here already was made for somebody else, or asked for too early.
        if self.ready and message.book_seq < self.book_seq and message.ts <= self.ts:
            return Applied.old
        self.bid_levels.clear()
        self.ask_levels.clear()
        self.ready = True
        self.price_exponent, self.qty_exponent = message.price_exponent, message.qty_exponent
        self._take(message)
        return Applied.snapshot

    def _take(self, message: m.BookSnapshot | m.BookDelta) -> None:
        for price, qty, orders, side in message.levels:
            (self.bid_levels if side == BUY else self.ask_levels).set(price, qty, orders)
        self.book_seq, self._quality = message.book_seq, message.quality
        self.seq, self.ts = message.seq, message.ts

    # -- as people read it

    def bids(self, depth: int = 0) -> list[Level]:
        """The best first; all of them, or the first `depth`."""
        return self._levels(self.bid_levels, depth)

    def asks(self, depth: int = 0) -> list[Level]:
        """The best first; all of them, or the first `depth`."""
        return self._levels(self.ask_levels, depth)

    @property
    def best_bid(self) -> Level | None:
        return next(iter(self.bids(1)), None)

    @property
    def best_ask(self) -> Level | None:
        return next(iter(self.asks(1)), None)

    @property
    def mid(self) -> Decimal | None:
        """Half way between the best prices; None if a side is empty."""
        twice = self.twice_mid
        return None if twice is None else decimal(twice * 5, self.price_exponent - 1)

    @property
    def twice_mid(self) -> int | None:
        """The sum of the best prices, as mantissas: exact where the half would not be."""
        bid, ask = self.bid_levels.best, self.ask_levels.best
        return None if bid is None or ask is None else bid + ask

    @property
    def spread(self) -> Decimal | None:
        bid, ask = self.bid_levels.best, self.ask_levels.best
        return None if bid is None or ask is None else decimal(ask - bid, self.price_exponent)

    def qty_at(self, side: m.Side, price: Decimal) -> Decimal:
        """What stands at exactly this price."""
        for level in self.bids() if side == BUY else self.asks():
            if level.price == price:
                return level.qty
        return Decimal(0)

    def _levels(self, levels: Levels, depth: int) -> list[Level]:
        return [
            Level(decimal(price, self.price_exponent), decimal(qty, self.qty_exponent), orders)
            for price in levels.prices(depth)
            for qty, orders in (levels.levels[price],)
        ]

    def __repr__(self) -> str:
        return f"Book({self.feed} {self.ticker}, bookSeq {self.book_seq}, {self.quality.name})"
