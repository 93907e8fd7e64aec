"""Binance as recorded by hftbacktest: BTCUSDT depth@100ms, trade, bookTicker, and the REST snapshot among them."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator
from pathlib import Path
from typing import Any

import orjson

from services.simulator import recordings
from services.simulator.faults import Published
from services.simulator.flow import ASK, BID
from services.simulator.recordings import Frame
from services.simulator.replay import RecordedMarket, TextBook
from tapewire.errors import ConfigError

Key = tuple[str, ...]
SYMBOL = "BTCUSDT"
SNAPSHOT_WITHIN = 10_000  # lines in which the REST snapshot must stand
KINDS = {"depth@100ms": "book", "trade": "trade", "bookTicker": "ticker"}
_MILLISECONDS = re.compile(rb'("[ET]":\d{13})(?=[,}])')


class RecordedBinance(RecordedMarket):
    def __init__(self, files: list[Path], speed: float) -> None:
        *captures, info = files
        self._snapshot = _snapshot(captures[0])
        super().__init__("binance", _frames(captures), speed)
        self.tickers = [SYMBOL]
        self._listings = {s["symbol"]: s for s in orjson.loads(recordings.cryptofeed_rest(info))["symbols"]}
        snapshot = orjson.loads(self._snapshot)
        self._last_id = self._snapshot_id = int(snapshot["lastUpdateId"])
        self._book = TextBook(8, 8)
        for side, name in ((BID, "bids"), (ASK, "asks")):
            for price, qty in snapshot[name]:
                self._book.set(side, price, qty)

    def advance(self, now_ns: int, wanted: Container[Key], silent: Collection[str]) -> list[Published]:
        out: list[Published] = []
        for frame in self.due(now_ns, silent):
            # {"stream":"btcusdt@trade","data":{…}}: the payload is cut out, not encoded anew.
            stream = frame.raw[11 : frame.raw.index(b'"', 11)].decode()
            payload = frame.raw[frame.raw.index(b'"data":') + 7 : -1]
            kind = KINDS[stream.partition("@")[2]]
            if kind == "book":
                self._apply(payload)
            # The recording has no 1-second diffs; those of 100 ms say the same, more often.
            for name in (stream, stream.removesuffix("@100ms")) if kind == "book" else (stream,):
                if (key := (name, "ms")) in wanted:
                    out.append(Published(key, SYMBOL, kind, payload))
                if (key := (name, "us")) in wanted:
                    out.append(Published(key, SYMBOL, kind, _MILLISECONDS.sub(rb"\g<1>000", payload)))
        return out

    def opening(self, key: Key, now_ns: int) -> list[bytes]:
        self.clock.start(now_ns)
        return []

    def depth(self, symbol: str, limit: int) -> bytes:
        """The recorded snapshot, as long as the diffs have not passed it; then that with the diffs applied."""
        if self._last_id == self._snapshot_id:
            snapshot = orjson.loads(self._snapshot)
            if limit >= max(len(snapshot["bids"]), len(snapshot["asks"])):
                return self._snapshot
        levels = {"bids": self._book.levels(BID, limit), "asks": self._book.levels(ASK, limit)}
        return orjson.dumps({"lastUpdateId": self._last_id, **levels})

    def exchange_info(self, symbols: Collection[str]) -> list[dict[str, Any]]:
        return [self._listings[symbol] for symbol in symbols]

    def book_json(self, ticker: str) -> dict[str, Any]:
        return {"update_id": self._last_id, **self._book.json()}

    def _apply(self, payload: bytes) -> None:
        diff = orjson.loads(payload)
        if diff["u"] > self._last_id:
            for side, name in ((BID, "b"), (ASK, "a")):
                for price, qty in diff[name]:
                    self._book.set(side, price, qty)
            self._last_id = diff["u"]


def _frames(files: list[Path]) -> Iterator[Frame]:
    return (frame for frame in recordings.hftbacktest(files) if frame.raw.startswith(b'{"stream":"'))


def _snapshot(path: Path) -> bytes:
    for number, frame in enumerate(recordings.hftbacktest([path])):
        if frame.raw.startswith(b'{"lastUpdateId":'):
            return frame.raw
        if number == SNAPSHOT_WITHIN:
            break
    raise ConfigError(f"{path}: has no REST depth snapshot in its first {SNAPSHOT_WITHIN} lines")
