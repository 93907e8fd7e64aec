"""Markets as they reach the router: books conflated to one in an interval, trades whole while a parent lives on them.

    bus (any thread) ─▶ hear ─▶ books, waiting trades ─▶ drain (the router's thread) ─▶ tape ─▶ core

A book is kept here level by level, so that the tape needs no more than its best levels now and then.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.router.venue_levels import Levels
from tapewire import messages as m

TRADES_MAX = 65_536
"""Waiting for the router; what comes beyond is dropped and counted."""


class Source(NamedTuple):
    """What a subject's ticker is to the router."""

    venue: int
    instrument: int


@dataclass(slots=True)
class _Book:
    levels: Levels = field(default_factory=Levels)
    ticker: str = ""
    price_exponent: int = 0
    qty_exponent: int = 0
    ts_event: int = 0
    ts_recv: int = 0
    seq: int = 0
    changed: bool = False
    told_at: int = 0
    """When it went on the tape last."""


class MarketFeed:
    def __init__(self, sources: Mapping[tuple[str, str], Source], interval_ns: int, depth: int) -> None:
        """`sources`: by feed and ticker, as in subjects."""
        self._sources, self._interval, self._depth = dict(sources), interval_ns, depth
        self._books: dict[Source, _Book] = {source: _Book() for source in self._sources.values()}
        self._trades: deque[m.Message] = deque()
        self._live: frozenset[int] = frozenset()
        self._lock = threading.Lock()
        self.dropped = 0
        self.heard = 0

    @property
    def sources(self) -> Mapping[tuple[str, str], Source]:
        return self._sources

    def hear(self, feed: str, ticker: str, record: m.Message) -> bool:
        """Takes one message of the bus; whether the router has something to take now. From any thread."""
        source = self._sources.get((feed, ticker))
        if source is None:
            return False
        with self._lock:
            self.heard += 1
            if isinstance(record, m.Trade | m.TradeBusted | m.TradeCorrected):
                return self._trade(source, record)
            if isinstance(record, m.Quote | m.BookSnapshot | m.BookDelta):
                return self._book(self._books[source], record)
            if isinstance(record, m.FeedStatus) and record.quality != m.BookQuality.live:
                self._lose(self._books[source])
        return False

    def lose(self, feed: str) -> None:
        """Nothing that this feed has told can be trusted: the bus, or the feed, is gone."""
        with self._lock:
            for (name, _), source in self._sources.items():
                if name == feed:
                    self._lose(self._books[source])

    def wants_snapshot(self, feed: str, ticker: str) -> bool:
        """Whether its book is not known, or no longer, or by its best levels alone."""
        with self._lock:
            return not self._books[self._sources[feed, ticker]].levels.whole_known

    def drain(self, now: int, live: Collection[int]) -> list[m.Message]:
        """What goes on the tape now. `live`: instruments on which a parent lives, whose trades are wanted."""
        found: list[m.Message] = []
        with self._lock:
            self._live = frozenset(live)
            while self._trades:
                found.append(self._trades.popleft())
            for source, book in self._books.items():
                if book.changed and now >= book.told_at + self._interval:
                    book.changed, book.told_at = False, now
                    found.append(self._snapshot(source, book))
        return found

    def _trade(self, source: Source, record: m.Message) -> bool:
        if source.instrument not in self._live:
            return False
        if len(self._trades) >= TRADES_MAX:
            self.dropped += 1
            return False
        self._trades.append(_as_of(record, source))
        return True

    def _book(self, book: _Book, record: m.Quote | m.BookSnapshot | m.BookDelta) -> bool:
        levels = book.levels
        if isinstance(record, m.Quote):
            bid, ask = (record.bid_price, record.bid_qty), (record.ask_price, record.ask_qty)
            levels.top(record.book_seq, record.quality, bid, ask)
        else:
            told = [(level.side, level.price, level.qty) for level in record.levels]
            if isinstance(record, m.BookSnapshot):
                levels.whole(record.book_seq, record.quality, told)
            else:
                levels.change(record.book_seq, record.quality, told)
        book.ticker, book.seq = record.ticker, record.book_seq
        book.price_exponent, book.qty_exponent = record.price_exponent, record.qty_exponent
        book.ts_event, book.ts_recv = record.ts_event, record.ts_recv
        book.changed = True
        return True

    def _lose(self, book: _Book) -> None:
        if book.ticker and book.levels.quality != m.BookQuality.stale:
            book.levels.lose()
            book.changed, book.told_at = True, 0

    def _snapshot(self, source: Source, book: _Book) -> m.BookSnapshot:
        bids, asks = book.levels.sides()
        levels = [
            m.BookLevel(price=price, qty=qty, orders=0, side=side)
            for side, own in ((m.Side.buy, bids), (m.Side.sell, asks))
            for price, qty in own[: self._depth]
        ]
        return m.BookSnapshot(
            source=source.venue,
            instrument=source.instrument,
            ts_event=book.ts_event,
            ts_recv=book.ts_recv,
            ticker=book.ticker,
            book_seq=book.seq,
            price_exponent=book.price_exponent,
            qty_exponent=book.qty_exponent,
            quality=book.levels.quality,
            levels=levels,
        )


def _as_of(record: m.Message, source: Source) -> m.Message:
    """A record of a feed as the router's input: its venue and instrument by our numbers."""
    return record.replace(cause=0, origin_seq=record.seq, source=source.venue, instrument=source.instrument)
