"""The venue's market as a feed of the bus, as a connector would publish it: what a router needs to send orders here.

    <env>.<feed>.trade.<ticker>   Trade, at once
    <env>.<feed>.book.<ticker>    BookSnapshot

A book is published whole: when it has changed, at most once in BOOK_NS, and every REPEAT_NS for who has come since.
Real venues tell their markets by other protocols than FIX order entry; this stands in their place.
"""

from __future__ import annotations

from typing import Final, Protocol

from tapewire import messages as m
from tapewire.house import FEED, HouseMarket
from tapewire.subjects import Subject, subject

BOOK_NS: Final = 50_000_000
REPEAT_NS: Final = 1_000_000_000


class Outlet(Protocol):
    """What this needs of a transport."""

    def publish(self, subject: str, payload: bytes, /) -> bool:
        """False if there is no room: nothing was sent."""


class MarketData:
    """`env`, `feed`: the first two parts of its subjects."""

    def __init__(self, outlet: Outlet, env: str, feed: str) -> None:
        self._outlet, self._env, self._feed = outlet, env, feed
        self._market = HouseMarket(env)
        self._trades: list[tuple[str, bytes]] = []
        self._sent: dict[str, tuple[int, bytes]] = {}
        """By ticker: when its book was published last, and the book."""
        self._next = 0

    def saw(self, record: m.Message) -> None:
        """Any record of the tape, in order."""
        for to, payload in self._market.fold(bytes(record)):
            at = Subject.parse(to)
            if at.feed == FEED and at.kind == "trade":
                self._trades.append((subject(self._env, self._feed, "trade", at.key), payload))

    def begin(self) -> None:
        """What was traded before is history."""
        self._trades.clear()

    def on_time(self, now: int) -> None:
        """Publishes what is due. What the bus has no room for is not told: the next book is whole again."""
        trades, self._trades = self._trades, []
        for to, payload in trades:
            self._outlet.publish(to, payload)
        if now < self._next:
            return
        self._next = now + BOOK_NS
        self._market.settle()
        for ticker in self._market.tickers:
            book = self._market.book(ticker)
            assert book is not None, "it is listed"
            raw, (when, before) = book.snapshot(), self._sent.get(ticker, (0, b""))
            if (raw != before or now >= when + REPEAT_NS) and self._outlet.publish(
                subject(self._env, self._feed, "book", ticker), raw
            ):
                self._sent[ticker] = (now, raw)
