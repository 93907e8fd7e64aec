"""Coinbase Exchange as recorded by cryptofeed: five products, snapshot, l2update, ticker, match, and /products."""

from __future__ import annotations

from collections.abc import Collection, Container
from pathlib import Path
from typing import Any

import orjson

from services.simulator import recordings
from services.simulator.faults import Published
from services.simulator.flow import ASK, BID
from services.simulator.replay import RecordedMarket, TextBook, decimals
from services.simulator.times import rfc3339

Key = tuple[str, ...]
CHANNELS = {
    **{"snapshot": "level2_batch", "l2update": "level2_batch"},
    **{"match": "matches", "last_match": "matches", "ticker": "ticker"},
}
SIDES = {"buy": BID, "sell": ASK}


class _Product:
    """What the recording has said of a product so far."""

    def __init__(self) -> None:
        self.book: TextBook | None = None
        self.ticker = b""
        self.match = b""
        self.sequence = 0
        self.trade_id = 0


class RecordedCoinbase(RecordedMarket):
    def __init__(self, files: list[Path], speed: float) -> None:
        capture, products = files
        super().__init__("coinbase", recordings.cryptofeed(capture), speed)
        self.tickers = sorted({orjson.loads(frame.raw)["product_id"] for frame in recordings.cryptofeed(capture)})
        self._products = recordings.cryptofeed_rest(products)
        self._listings = {listing["id"]: listing for listing in orjson.loads(self._products)}
        self._seen = {ticker: _Product() for ticker in self.tickers}

    def advance(self, now_ns: int, wanted: Container[Key], silent: Collection[str]) -> list[Published]:
        out: list[Published] = []
        for frame in self.due(now_ns, silent):
            message = orjson.loads(frame.raw)
            product, channel = message["product_id"], CHANNELS[message["type"]]
            _note(self._seen[product], message, frame.raw)
            if (key := (channel, product)) in wanted:
                out.append(Published(key, product, channel, frame.raw))
        return out

    def opening(self, key: Key, now_ns: int) -> list[bytes]:
        """What the recording has reached; before that, its own snapshot and last_match are still to come."""
        self.clock.start(now_ns)
        channel, product = key
        if not product:
            return []
        seen = self._seen[product]
        if channel == "level2_batch" and seen.book is not None:
            sides = {"asks": seen.book.levels(ASK), "bids": seen.book.levels(BID)}
            return [orjson.dumps({"type": "snapshot", "product_id": product, **sides})]
        if channel == "matches" and seen.match:
            return [seen.match.replace(b'"type":"match"', b'"type":"last_match"', 1)]
        if channel == "ticker" and seen.ticker:
            return [seen.ticker]
        return []

    def heartbeat(self, product: str, now_ns: int) -> bytes | None:
        seen = self._seen[product]
        if not seen.sequence:
            return None
        head = {"type": "heartbeat", "last_trade_id": seen.trade_id, "product_id": product}
        return orjson.dumps({**head, "sequence": seen.sequence, "time": rfc3339(self.clock.recorded_ns)})

    def products(self) -> bytes:
        return self._products

    def product(self, symbol: str) -> dict[str, Any]:
        listing: dict[str, Any] = self._listings[symbol]
        return listing

    def book_json(self, ticker: str) -> dict[str, Any]:
        book = self._seen[ticker].book
        return book.json() if book is not None else {"bids": [], "asks": []}


def _note(seen: _Product, message: dict[str, Any], raw: bytes) -> None:
    kind = message["type"]
    if kind == "snapshot":
        price, qty = (message["asks"] or message["bids"])[0]
        seen.book = TextBook(decimals(price), decimals(qty))
        for side, name in ((ASK, "asks"), (BID, "bids")):
            for price, qty in message[name]:
                seen.book.set(side, price, qty)
    elif kind == "l2update":
        if seen.book is not None:
            for side_name, price, qty in message["changes"]:
                seen.book.set(SIDES[side_name], price, qty)
    else:
        seen.sequence = max(seen.sequence, message["sequence"])
        seen.trade_id = max(seen.trade_id, message["trade_id"])
        if kind == "ticker":
            seen.ticker = raw
        else:
            seen.match = raw
