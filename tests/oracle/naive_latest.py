"""The obvious latest values: a dict of the last message of each kind, and a dict of levels per side."""

from __future__ import annotations

from collections import defaultdict

from tapewire import messages as m


class NaiveLatest:
    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.last: dict[tuple[str, type[m.Message]], m.Message] = {}
        self.trades: dict[str, list[m.Message]] = defaultdict(list)
        self.quotes: dict[str, list[m.Message]] = defaultdict(list)
        self.references: dict[str, list[m.Message]] = defaultdict(list)
        self.levels: dict[str, dict[tuple[m.Side, int], int]] = {}
        self.book_at: dict[str, tuple[int, int]] = {}
        """Number and time of the book message that was taken last."""
        self.updates: dict[str, int] = defaultdict(int)
        self.gaps: dict[str, int] = defaultdict(int)

    def put(self, message: m.Message) -> bool:
        """False: the book holds this delta already."""
        ticker = message.ticker  # type: ignore[attr-defined]
        if isinstance(message, m.BookDelta) and ticker in self.levels:
            at, ts = self.book_at[ticker]
            if message.book_seq <= at and message.ts <= ts:
                return False
        self.last[ticker, type(message)] = message
        self.updates[ticker] += 1
        logs = {m.Trade: self.trades, m.Quote: self.quotes}
        if not isinstance(message, m.BookDelta | m.BookSnapshot | m.FeedStatus):
            log = logs.get(type(message), self.references)[ticker]
            log.append(message)
            del log[: -self.kept]
        if isinstance(message, m.BookSnapshot):
            self.levels[ticker] = {(one.side, one.price): one.qty for one in message.levels if one.qty}
            self.book_at[ticker] = message.book_seq, message.ts
        elif isinstance(message, m.BookDelta):
            self._delta(ticker, message)
        return True

    def _delta(self, ticker: str, message: m.BookDelta) -> None:
        book = self.levels.get(ticker)
        if book is not None and message.book_seq != self.book_at[ticker][0] + 1:
            self.gaps[ticker] += 1
            del self.levels[ticker]
            book = None
        self.book_at[ticker] = message.book_seq, message.ts
        for one in message.levels if book is not None else ():
            assert book is not None
            book[one.side, one.price] = one.qty
            if not one.qty:
                del book[one.side, one.price]

    def top(self, ticker: str) -> tuple[int, int, int, int] | None:
        """Best bid and ask with their quantities; None while the book is not whole."""
        book = self.levels.get(ticker)
        if book is None:
            return None
        bid = max((price for side, price in book if side is m.Side.buy), default=None)
        ask = min((price for side, price in book if side is not m.Side.buy), default=None)
        bids = (0, 0) if bid is None else (bid, book[m.Side.buy, bid])
        asks = (0, 0) if ask is None else (ask, book[m.Side.sell, ask])
        return *bids, *asks
