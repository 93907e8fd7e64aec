"""One Binance symbol: where its book stands, and what waits for a snapshot."""

from __future__ import annotations

from collections import deque

import msgspec

from services.connector._decimal import levels
from services.connector.binance_messages import DepthFrame
from tapewire.feed.actions import InstrumentDefined
from tapewire.feed.book import Book
from tapewire.feed.instrument import Instrument, rescaled

MAX_BUFFERED = 2_000
"""Depth frames kept while a snapshot is awaited, 200 s at 100 ms; the oldest go first, then a newer one is asked."""
FINEST_EXPONENT = -8


class BinanceInstrument(Instrument):
    """`last_id`: the update id the book stands at; 0 while it waits for a snapshot and frames go to `waiting`."""

    __slots__ = ("depth_heard", "floor", "last_id", "last_top_id", "stream", "waiting")

    def __init__(self, index: int, ticker: str, book: Book) -> None:
        super().__init__(index, ticker, book)
        self.stream = ticker.lower()
        self.last_id = self.last_top_id = self.depth_heard = self.floor = 0
        self.waiting: deque[DepthFrame] = deque(maxlen=MAX_BUFFERED)


def finer(
    instrument: BinanceInstrument, bids: bytes | msgspec.Raw, asks: bytes | msgspec.Raw
) -> InstrumentDefined | None:
    """The definition with exponents just fine enough for these levels; None if none will do.

    Orders that rest since before a change of tick or lot size do not fit the sizes that the venue defines now.
    """
    known = instrument.definition
    if known is None:
        return None
    for price_exponent in range(known.price_exponent, FINEST_EXPONENT - 1, -1):
        for qty_exponent in range(known.qty_exponent, FINEST_EXPONENT - 1, -1):
            if all(levels(side, price_exponent, qty_exponent) is not None for side in (bids, asks)):
                return rescaled(known, price_exponent, qty_exponent)
    return None
