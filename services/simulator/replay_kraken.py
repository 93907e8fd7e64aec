"""Kraken v2 as recorded by crossbook: the BTC/USD book at depth 25, and the instrument channel."""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Container
from pathlib import Path
from typing import Any

import msgspec

from services.simulator import recordings
from services.simulator.faults import Published
from services.simulator.flow import ASK, BID, Change
from services.simulator.kraken_book import View, checksum
from services.simulator.kraken_market import DEPTHS, book_frame
from services.simulator.recordings import Frame
from services.simulator.replay import RecordedMarket, TextBook, decimals

Key = tuple[str, ...]
SYMBOL = "BTC/USD"
RECORDED_DEPTH = 25
_BOOK = re.compile(rb'\{"channel":"book","type":"(snapshot|update)"')


class _Level(msgspec.Struct):
    price: msgspec.Raw
    qty: msgspec.Raw


class _Data(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]
    timestamp: str


class _Message(msgspec.Struct):
    type: str
    data: list[_Data]


class RecordedKraken(RecordedMarket):
    """Depth 25 leaves as recorded; other depths are made from it, and hold what 25 levels hold."""

    def __init__(self, files: list[Path], speed: float) -> None:
        capture, instruments = files
        frames = (frame for frame in recordings.cbcap(capture) if _BOOK.match(frame.raw))
        super().__init__("kraken", frames, speed)
        self.tickers = [SYMBOL]
        self._decoder = msgspec.json.Decoder(_Message)
        self._book: TextBook | None = None
        self._timestamp = ""
        self._views: dict[Key, View] = {}
        # Recorded with indents and line ends that the wire does not have.
        self._instruments = msgspec.json.format(gzip.decompress(instruments.read_bytes()), indent=-1)

    def advance(self, now_ns: int, wanted: Container[Key], silent: Collection[str]) -> list[Published]:
        out: list[Published] = []
        keys = [key for depth in DEPTHS if (key := ("book", SYMBOL, str(depth))) in wanted]
        for frame in self.due(now_ns, silent):
            kind, changes = self._apply(frame)
            out += [
                Published(key, SYMBOL, "book", payload)
                for key in keys
                if (payload := self._payload(key, kind, changes, frame.raw)) is not None
            ]
        return out

    def opening(self, key: Key, now_ns: int) -> list[bytes]:
        self.clock.start(now_ns)
        if key[0] == "instrument":
            return [self._instruments]
        if key[0] != "book" or self._book is None:
            return []  # no trades were recorded; a book that is still to come opens with its recorded snapshot
        return [self._snapshot(key)]

    def supports(self, depth: int) -> bool:
        return depth in DEPTHS

    def book_json(self, ticker: str) -> dict[str, Any]:
        return self._book.json() if self._book is not None else {"bids": [], "asks": []}

    def _apply(self, frame: Frame) -> tuple[str, tuple[Change, ...]]:
        message = self._decoder.decode(frame.raw)
        data = message.data[0]
        self._timestamp = data.timestamp
        if message.type == "snapshot" or self._book is None:
            first = (data.bids or data.asks)[0]
            self._book = TextBook(decimals(_text(first.price)), decimals(_text(first.qty)))
        book = self._book
        changes = tuple(
            Change(side, book.set(side, _text(level.price), _text(level.qty)), 0)
            for side, levels in ((BID, data.bids), (ASK, data.asks))
            for level in levels
        )
        book.trim(RECORDED_DEPTH)
        return message.type, changes

    def _payload(self, key: Key, kind: str, changes: tuple[Change, ...], raw: bytes) -> bytes | None:
        """What subscribers of `key` get for a recorded frame."""
        assert self._book is not None
        if key[2] == str(RECORDED_DEPTH):
            return raw
        if kind == "snapshot" or (view := self._views.get(key)) is None:
            return self._snapshot(key)
        sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
        for side, price, qty in view.update(self._book.book, changes):
            sides[side].append(self._book.texts(price, qty))
        if not sides[BID] and not sides[ASK]:
            return None
        return book_frame("update", SYMBOL, sides, checksum(self._book.book), self._timestamp)

    def _snapshot(self, key: Key) -> bytes:
        assert self._book is not None
        depth = int(key[2])
        self._views[key] = View(self._book.book, depth)
        sides = (self._book.levels(BID, depth), self._book.levels(ASK, depth))
        return book_frame("snapshot", SYMBOL, sides, checksum(self._book.book), self._timestamp)


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()
