"""One instrument of a feed as its session sees it: how its numbers are read, its book, and how far it is trusted."""

from __future__ import annotations

from collections import deque

import msgspec

from tapewire.feed.actions import InstrumentDefined
from tapewire.feed.book import Book
from tapewire.messages import FeedState

MAX_MANTISSA = 4 * 10**18
"""The largest price or quantity that is believed of a venue."""
MAX_EARLY_FRAMES = 20_000
"""Frames kept while the venue's definition of the instrument is awaited; the oldest go first."""

CONNECTING, LIVE_STATE, RESYNC_STATE, STALE_STATE, DOWN = map(
    int, (FeedState.connecting, FeedState.live, FeedState.resync, FeedState.stale, FeedState.down)
)


class Instrument:
    """State that every venue's session keeps per instrument. `index` is dense within the feed, from 1."""

    __slots__ = (
        "book",
        "crossed_since",
        "definition",
        "early",
        "gaps",
        "index",
        "last_event_ns",
        "last_origin",
        "last_trade_id",
        "max_price",
        "min_price",
        "next_snapshot",
        "price_exponent",
        "qty_exponent",
        "recoveries",
        "recovery_due",
        "repeated_id",
        "repeats",
        "resyncs",
        "state",
        "ticker",
        "top",
    )

    def __init__(self, index: int, ticker: str, book: Book) -> None:
        self.index, self.ticker, self.book = index, ticker, book
        self.price_exponent = self.qty_exponent = 0
        self.min_price, self.max_price = 1, MAX_MANTISSA
        self.definition: InstrumentDefined | None = None
        self.early: deque[tuple[bytes, int]] = deque(maxlen=MAX_EARLY_FRAMES)
        self.state = CONNECTING
        self.gaps = self.resyncs = 0
        self.last_trade_id = self.last_event_ns = self.last_origin = 0
        """The venue's ids and time of the last trade and of the last change of the book."""
        self.crossed_since = self.next_snapshot = 0
        self.recoveries = self.recovery_due = 0
        """How often recovery was tried since the book was last live, and when to try again (0: not waiting)."""
        self.repeats = self.repeated_id = 0
        """How many repeats came in a row while this id was the last."""
        self.top = (0, 0, 0, 0)

    def define(self, definition: InstrumentDefined) -> bool:
        """Takes the venue's definition. True if it differs from the one held."""
        if definition == self.definition:
            return False
        self.definition = definition
        self.price_exponent, self.qty_exponent = definition.price_exponent, definition.qty_exponent
        self.min_price, self.max_price = definition.min_price or 1, definition.max_price or MAX_MANTISSA
        return True

    def possible(self, price: int, qty: int) -> bool:
        """Whether a trade can have this price and quantity."""
        return qty > 0 and self.min_price <= price <= self.max_price


def rescaled(definition: InstrumentDefined, price_exponent: int, qty_exponent: int) -> InstrumentDefined:
    """The same definition at finer exponents: every mantissa keeps its value."""
    price = 10 ** (definition.price_exponent - price_exponent)
    qty = 10 ** (definition.qty_exponent - qty_exponent)
    return msgspec.structs.replace(
        definition,
        price_exponent=price_exponent,
        qty_exponent=qty_exponent,
        tick_size=definition.tick_size * price,
        lot_size=definition.lot_size * qty,
        max_qty=min(definition.max_qty * qty, MAX_MANTISSA),
        min_price=definition.min_price * price,
        max_price=min(definition.max_price * price, MAX_MANTISSA),
    )
