"""One instrument's book as the public sees it: shown totals per price, what a command changed of them, the messages.

Quantities are what is shown, and an order counts only while it shows something: a hidden order and the reserve of an
iceberg leave no trace here. In a call the book may be crossed; its messages then say so by their quality.
"""

from __future__ import annotations

import heapq

from tapewire import messages as m
from tapewire.house_notices import HEAD, Notices, terms_of
from tapewire.subjects import subject

MAX_LEVELS_PER_MESSAGE = 40_000
EVERY_LEVEL = 1 << 62
_STALE_HEAP = 64

Top = tuple[int, int, int, int]
_NO_TOP: Top = (0, 0, 0, 0)
_LIVE, _CROSSED = m.BookQuality.live, m.BookQuality.crossed  # a call collects orders that cross or lock


class Levels:
    """One side: shown quantity and number of showing orders per price, and the best price first."""

    def __init__(self, side: m.Side) -> None:
        self.side = side
        self.totals: dict[int, tuple[int, int]] = {}
        # Bids are kept negated, so that the best is the smallest on both sides. A price stays in the heap after its
        # level has gone, until it comes to the top or stale ones outnumber the rest.
        self._sign = -1 if side == m.Side.buy else 1
        self._heap: list[int] = []

    def change(self, price: int, qty: int, orders: int) -> None:
        """Adds to the level at `price`; a level without orders goes."""
        before = self.totals.get(price)
        if before is None:
            if len(self._heap) > 2 * len(self.totals) + _STALE_HEAP:
                self._heap = sorted(self._sign * live for live in self.totals)
            heapq.heappush(self._heap, self._sign * price)
            before = (0, 0)
        total = (before[0] + qty, before[1] + orders)
        assert min(total) >= 0, "a level below zero: the fold checks every record against its order"
        if total[1]:
            self.totals[price] = total
        else:
            self.totals.pop(price, None)

    def best(self) -> tuple[int, int]:
        """Price and quantity of the best level; zeros if there is none."""
        while self._heap:
            price = self._sign * self._heap[0]
            if (level := self.totals.get(price)) is not None:
                return price, level[0]
            heapq.heappop(self._heap)
        return 0, 0

    def best_first(self, totals: dict[int, tuple[int, int]], most: int = EVERY_LEVEL) -> list[m.BookLevel]:
        """`totals` of this side as levels, the best first, at most `most`."""
        prices = (heapq.nlargest if self._sign < 0 else heapq.nsmallest)(most, totals)
        return [m.BookLevel(price, *totals[price], self.side) for price in prices]

    def level(self, price: int) -> m.BookLevel:
        qty, orders = self.totals.get(price, (0, 0))
        return m.BookLevel(price, qty, orders, self.side)


class HouseBook:
    """Levels, bookSeq and top of one instrument, the encoders of its messages, and its notices."""

    def __init__(self, env: str, definition: m.InstrumentDefinition) -> None:
        self._env = env
        self.bids, self.asks = Levels(m.Side.buy), Levels(m.Side.sell)
        self.book_seq = 0
        self._top, self._quality = _NO_TOP, _LIVE
        self.at = (0, 0)
        """seq and ts of the record after which the book stands as published."""
        self._before: dict[tuple[m.Side, int], tuple[int, int]] = {}
        self.changed: list[m.BookLevel] = []
        self.top_changed = False
        """What the command changed that `settle` ended last."""
        self.notices = Notices(env, definition)
        self._set_terms(definition)

    def define(self, definition: m.InstrumentDefinition) -> None:
        """Takes new terms of the instrument: its ticker and exponents."""
        self.notices.define(definition)
        self._set_terms(definition)

    @property
    def listed(self) -> bool:
        return self.notices.status != m.InstrumentStatus.delisted

    def _set_terms(self, definition: m.InstrumentDefinition) -> None:
        self.definition = definition
        self.ticker = definition.ticker
        terms = terms_of(definition)
        self._trade = m.Trade.encoder(
            *(*HEAD, "trade_id", "price", "qty", "aggressor"), **terms, quality=m.BookQuality.live
        )
        self._quote = m.Quote.encoder(
            *(*HEAD, "book_seq", "quality", "bid_price", "bid_qty", "ask_price", "ask_qty"), **terms
        )
        self._delta = m.BookDelta.encoder(*HEAD, "book_seq", "quality", "levels", **terms)
        self._snapshot = m.BookSnapshot.encoder("seq", "ts", "book_seq", "quality", "levels", **terms)
        self._to_trade, self._to_quote, self._to_book = (
            subject(self._env, "house", kind, self.ticker) for kind in ("trade", "quote", "book")
        )

    def change(self, side: m.Side, price: int, qty: int, orders: int) -> None:
        """Adds to what a level shows, and remembers how it was when the command began."""
        levels = self.bids if side == m.Side.buy else self.asks
        self._before.setdefault((side, price), levels.totals.get(price, (0, 0)))
        levels.change(price, qty, orders)

    def trade(self, record: m.OrderExecuted) -> tuple[str, bytes]:
        """The public Trade of a match. An auction has no aggressor."""
        return self._to_trade, self._trade(
            *(record.seq, record.cause, record.ts, record.ts, record.ts_recv),
            *(record.match_id, record.price, record.qty, record.aggressor),
        )

    def settle(self, last: m.Message, quiet: bool = False) -> list[tuple[str, bytes]]:
        """What the command that ended with the record `last` changed: a BookDelta, and a Quote if the top changed.

        `quiet` moves all numbers on and makes no messages.
        """
        changed = [
            (self.bids if side == m.Side.buy else self.asks).level(price)
            for (side, price), before in self._before.items()
            if before != self._totals(side, price)
        ]
        self._before.clear()
        self.changed, self.top_changed = changed, False
        if not changed:
            return []
        changed.sort(key=_bids_then_asks)
        top = (*self.bids.best(), *self.asks.best())
        quality = self._quality = _CROSSED if 0 < top[2] <= top[0] else _LIVE
        # Of all records of the command, the last says where the book now stands.
        self.at = (last.seq, last.ts)
        head = (last.seq, last.cause or last.seq, last.ts, last.ts, last.ts_recv)
        out = []
        for at in range(0, len(changed), MAX_LEVELS_PER_MESSAGE):
            self.book_seq += 1
            if not quiet:
                part = changed[at : at + MAX_LEVELS_PER_MESSAGE]
                out.append((self._to_book, self._delta(*head, self.book_seq, quality, part)))
        if top != self._top:
            self._top, self.top_changed = top, True
            if not quiet:
                out.append((self._to_quote, self._quote(*head, self.book_seq, quality, *top)))
        return out

    def settled(self) -> None:
        """Takes the book as it is for what was published last: after it was rebuilt from a state."""
        self._before.clear()
        self._top = (*self.bids.best(), *self.asks.best())
        self._quality = _CROSSED if 0 < self._top[2] <= self._top[0] else _LIVE

    def _totals(self, side: m.Side, price: int) -> tuple[int, int]:
        return (self.bids if side == m.Side.buy else self.asks).totals.get(price, (0, 0))

    def snapshot(self) -> bytes:
        """A BookSnapshot as last published, even in the middle of a command; of each side at most half
        MAX_LEVELS_PER_MESSAGE levels."""
        levels = [level for side in self.depth(MAX_LEVELS_PER_MESSAGE // 2) for level in side]
        return self._snapshot(*self.at, self.book_seq, self._quality, levels)

    def depth(self, most: int) -> tuple[list[m.BookLevel], list[m.BookLevel]]:
        """The best bids and asks, at most `most` of each, as last published, even in the middle of a command."""
        bids, asks = (side.best_first(self._published(side), most) for side in (self.bids, self.asks))
        return bids, asks

    @property
    def top(self) -> Top:
        """Price and quantity of the best bid and of the best ask as last published; zeros for an empty side."""
        return self._top

    @property
    def quality(self) -> m.BookQuality:
        return self._quality

    def _published(self, side: Levels) -> dict[int, tuple[int, int]]:
        if not self._before:
            return side.totals
        totals = side.totals | {price: before for (of, price), before in self._before.items() if of == side.side}
        return {price: total for price, total in totals.items() if total[1]}


def _bids_then_asks(level: m.BookLevel) -> tuple[int, int]:
    """The order of a BookSnapshot: bids from the best down, then asks from the best up."""
    return (0, -level.price) if level.side == m.Side.buy else (1, level.price)
