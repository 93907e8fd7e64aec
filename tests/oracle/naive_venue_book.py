"""A venue book the slow way: two dicts, sorted when asked. What the connector's book is compared with."""

from __future__ import annotations

from collections.abc import Iterable


class NaiveBook:
    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def apply(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], depth: int = 0) -> None:
        """Absolute changes; then, where a depth is given, only that many levels a side stay."""
        for side, changes in ((self.bids, bids), (self.asks, asks)):
            for price, qty in changes:
                if qty:
                    side[price] = qty
                else:
                    side.pop(price, None)
        if depth:
            self.bids = dict(sorted(self.bids.items(), reverse=True)[:depth])
            self.asks = dict(sorted(self.asks.items())[:depth])

    def top(self) -> tuple[int, int, int, int]:
        bid, ask = max(self.bids, default=0), min(self.asks, default=0)
        return bid, self.bids.get(bid, 0), ask, self.asks.get(ask, 0)


class Subscriber:
    """Rebuilds books from what the connector publishes, as any subscriber must, and checks the sequence."""

    def __init__(self) -> None:
        self.books: dict[int, dict[tuple[int, int], int]] = {}
        self.seqs: dict[int, int] = {}

    def snapshot(self, instrument: int, seq: int, levels: Iterable[tuple[int, int, int, int]]) -> None:
        assert seq - self.seqs.get(instrument, 0) >= 0, "a snapshot went back"
        self.seqs[instrument] = seq
        self.books[instrument] = {(side, price): qty for price, qty, _, side in levels}

    def delta(self, instrument: int, seq: int, levels: Iterable[tuple[int, int, int, int]]) -> None:
        assert seq == self.seqs[instrument] + 1, f"delta {seq} after {self.seqs[instrument]}"
        self.seqs[instrument] = seq
        book = self.books[instrument]
        for price, qty, _, side in levels:
            if qty:
                book[side, price] = qty
            else:
                del book[side, price]  # the connector never removes what it did not publish
