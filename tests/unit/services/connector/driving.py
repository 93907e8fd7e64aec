"""A session under a test's hand: it connects, time moves when told, REST answers are what the test put there."""

from __future__ import annotations

from random import Random
from typing import Any

from services.connector.binance import BinanceSession
from services.connector.coinbase import CoinbaseSession
from services.connector.kraken import KrakenSession
from services.connector.replay import Event, Replay
from tapewire.feed.limits import SECOND, Limits
from tapewire.feed.session import VenueSession
from tests.venue_frames import binance_info, binance_snapshot, coinbase_product

START = 1_700_000_000 * SECOND


class Driver(Replay):
    """`answers`: what REST gives, by how the path begins; what is not there is 404."""

    def __init__(self, session: VenueSession[Any], answers: dict[str, bytes] | None = None) -> None:
        super().__init__(session, self._answer)
        self.answers = answers or {}
        self.down = False
        self.start(START)

    def _answer(self, path: str, now: int) -> tuple[int, bytes]:
        if self.down:
            return 0, b"connection refused"
        found = next((body for key, body in self.answers.items() if path.startswith(key)), None)
        return (404, b"{}") if found is None else (200, found)

    def frame(self, *frames: bytes) -> list[Any]:
        """Receives these now; the updates they led to."""
        before = len(self.updates)
        for data in frames:
            self.feed(Event(self.now, data))
        return self._since(before)

    def wait(self, seconds: float) -> list[Any]:
        """Lets time pass; the updates it led to."""
        before = len(self.updates)
        self.advance(self.now + int(seconds * SECOND))
        return self._since(before)

    def _since(self, before: int) -> list[Any]:
        return [update for _, update in self.updates[before:]]


def binance(*tickers: str, limits: Limits | None = None, snapshot: bytes | None = None, **answers: bytes) -> Driver:
    """A Binance session whose REST knows every ticker; `snapshot` is everyone's depth."""
    tickers = tickers or ("BTCUSDT",)
    known = {f"/api/v3/exchangeInfo?symbol={ticker}": binance_info(ticker) for ticker in tickers}
    if snapshot is not None:
        known["/api/v3/depth"] = snapshot
    return Driver(BinanceSession(tickers, 100, Random(1), limits), known | answers)


def live_binance(*tickers: str, limits: Limits | None = None) -> Driver:
    """The same, in step at update id 100 with bid 100.00 and ask 101.00."""
    return binance(*tickers, limits=limits, snapshot=binance_snapshot(100))


def coinbase(*products: str, limits: Limits | None = None) -> Driver:
    products = products or ("BTC-USD",)
    known = {f"/products/{product}": coinbase_product(product) for product in products}
    return Driver(CoinbaseSession(products, 100, Random(1), limits), known)


def kraken(*symbols: str, depth: int = 10, limits: Limits | None = None) -> Driver:
    return Driver(KrakenSession(symbols or ("BTC/USD",), depth, Random(1), limits))
