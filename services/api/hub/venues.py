"""Venues' markets as the bus tells them: books from snapshots and deltas, last trades, tops, how the feeds are.

The bus is at most once: a book whose bookSeq leaves one out is stale until its next snapshot, which a connector sends
every 15 s by itself. Its levels stay for the eye; its quality says what they are worth.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from tapewire import messages as m
from tapewire.subjects import Subject
from tapewire.views.bars import Bars

TRADES_KEPT = 200  # of each ticker
TICKERS_MAX = 4_096  # of all feeds together; more are counted and not kept
_STALE, _RESYNC = m.BookQuality.stale, m.BookQuality.resync


class VenueBook:
    """One ticker of one feed."""

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.price_exponent = self.qty_exponent = 0
        self.sides: tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]] = ({}, {})
        """Bids and asks: quantity and orders by price."""
        self.book_seq = self.seq = self.ts = 0
        self.quality = _RESYNC
        self.quote: m.Quote | None = None
        self.trades: deque[m.Trade] = deque(maxlen=TRADES_KEPT)
        self.bars = Bars()
        self.gaps = 0
        """Deltas that never came."""

    def snapshot(self, told: m.BookSnapshot) -> None:
        for side in self.sides:
            side.clear()
        self._take(told)

    def delta(self, told: m.BookDelta) -> bool:
        """False: it changed no level, as it is known already, or one before it is missing."""
        if told.book_seq <= self.book_seq or not self.book_seq:
            return False
        if told.book_seq > self.book_seq + 1:
            self.gaps += told.book_seq - self.book_seq - 1
            self.lose()
            return False
        self._take(told)
        return True

    def lose(self) -> None:
        """Changes are missing: what is held is no longer the book."""
        self.quality, self.book_seq = _STALE, 0

    def depth(self, most: int) -> tuple[list[m.BookLevel], list[m.BookLevel]]:
        """The best levels of each side, best first."""
        bids, asks = self.sides
        return (
            [m.BookLevel(p, *bids[p], m.Side.buy) for p in sorted(bids, reverse=True)[:most]],
            [m.BookLevel(p, *asks[p], m.Side.sell) for p in sorted(asks)[:most]],
        )

    def _take(self, told: m.BookSnapshot | m.BookDelta) -> None:
        self.price_exponent, self.qty_exponent = told.price_exponent, told.qty_exponent
        self.book_seq, self.seq, self.ts, self.quality = told.book_seq, told.seq, told.ts, told.quality
        bids, asks = self.sides
        for price, qty, orders, side in told.levels:
            levels = bids if side == m.Side.buy else asks
            if qty:
                levels[price] = (qty, orders)
            else:
                levels.pop(price, None)


class VenueFeed:
    def __init__(self) -> None:
        self.books: dict[str, VenueBook] = {}
        self.status: m.FeedStatus | None = None
        self.last_ts = 0
        self.messages = 0


Told = tuple[str, VenueBook, Any]
"""Channel, book, and what of it: levels that changed, None for all of them; the trade; None."""


class Venues:
    """`tell` what came on the bus; it gives what changed."""

    def __init__(self, feeds: list[str]) -> None:
        self.feeds = {name: VenueFeed() for name in feeds}
        self.refused: Counter[str] = Counter()
        """Messages that were not taken, by why."""
        self._tickers = 0

    def book(self, feed: str, ticker: str) -> VenueBook | None:
        known = self.feeds.get(feed)
        return None if known is None else known.books.get(ticker)

    def tell(self, at: Subject, record: m.Message) -> list[Told]:
        feed = self.feeds.get(at.feed)
        if feed is None:
            return []
        feed.messages += 1
        feed.last_ts = record.ts
        if not at.key:
            return self._feed_status(feed, record)
        book = feed.books.get(at.key)
        if book is None:
            if self._tickers >= TICKERS_MAX:
                self.refused["more tickers than are kept"] += 1
                return []
            self._tickers += 1
            book = feed.books[at.key] = VenueBook(at.key)
        return self._told(book, record)

    def lose(self) -> None:
        """The bus was away: no book can be trusted until its next snapshot."""
        for feed in self.feeds.values():
            for book in feed.books.values():
                book.lose()

    def _told(self, book: VenueBook, record: m.Message) -> list[Told]:
        match record:
            case m.BookSnapshot():
                book.snapshot(record)
                return [("book", book, None)]
            case m.BookDelta():
                before = book.quality
                if book.delta(record):
                    return [("book", book, record.levels)]
                return [("book", book, None)] if book.quality != before else []
            case m.Quote():
                book.price_exponent, book.qty_exponent = record.price_exponent, record.qty_exponent
                book.quote = record
                return [("quotes", book, None)]
            case m.Trade():
                book.price_exponent, book.qty_exponent = record.price_exponent, record.qty_exponent
                book.trades.append(record)
                book.bars.trade(record.ts, record.price, record.qty)
                return [("trades", book, record), ("bars", book, None)]
            case m.FeedStatus():
                if record.quality in (_STALE, _RESYNC):
                    book.lose()
                    book.quality = record.quality
                return [("book", book, None)]
        return []

    def _feed_status(self, feed: VenueFeed, record: m.Message) -> list[Told]:
        if not isinstance(record, m.FeedStatus):
            return []
        feed.status = record
        if record.state == m.FeedState.live:
            return []
        for book in feed.books.values():
            book.lose()
        return [("book", book, None) for book in feed.books.values()]
