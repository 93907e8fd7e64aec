"""Kraken WebSocket v2: book with its checksum, trade, instrument.

    subscribe ──▶ one ack per symbol ──▶ snapshot + checksum ──▶ update + checksum ──▶ ...
                                                                    │ mismatch
                                           unsubscribe, subscribe ◀─┘ (that symbol only)

The checksum covers the ten best asks and bids after all changes of a message and the truncation to the subscribed
depth, over the numbers as the venue wrote them: so each level keeps its text beside its integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from zlib import crc32

import msgspec

from services.connector._decimal import checksum_digits, lexeme_mantissa, rfc3339_ns
from services.connector.kraken_messages import (
    BookData,
    RawLevel,
    Reply,
    TradeData,
    decode_book,
    decode_instrument,
    decode_reply,
    decode_status,
    decode_trade,
    definition_of,
    inferred,
)
from tapewire.feed.actions import NOTHING, Action, Actions, Trade
from tapewire.feed.book import BUY, RESYNC, SELL, Book, BookSide, Change, Level
from tapewire.feed.counters import shown
from tapewire.feed.instrument import DOWN, Instrument
from tapewire.feed.limits import SECOND, Limits
from tapewire.feed.session import VenueSession

DEPTHS = (10, 25, 100, 500, 1000)
CHECKED_LEVELS = 10
SYMBOLS_PER_REQUEST = 50
PING_AFTER = 2 * SECOND
"""Silence after which the venue is asked for a sign of life; it sends a heartbeat each second by itself."""
LIMITS = Limits(
    stale=5 * SECOND, dead=15 * SECOND, recovery_first=5 * SECOND, reconnect_first=5 * SECOND, send_gap=100_000_000
)
PREFIX = b'{"channel":"'


class KrakenBook(Book):
    """A book that keeps, for each level, its text in the checksum."""

    __slots__ = ("digits",)

    def __init__(self, depth: int) -> None:
        super().__init__(window=0, depth=depth)
        self.digits: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
        """Of the bids and of the asks, by price."""

    def clear(self) -> None:
        super().clear()
        self.digits[0].clear()
        self.digits[1].clear()

    def prune(self) -> None:
        """Drops the texts of levels that are gone."""
        for digits, side in zip(self.digits, (self.bids, self.asks), strict=True):
            if len(digits) > len(side.levels):
                for price in [price for price in digits if price not in side.levels]:
                    del digits[price]

    def checksum(self) -> int:
        """CRC32 over the ten best asks, low to high, then the ten best bids, high to low."""
        return crc32(self._text(self.asks, self.digits[1]) + self._text(self.bids, self.digits[0]))

    @staticmethod
    def _text(side: BookSide, digits: dict[int, bytes]) -> bytes:
        return b"".join([digits[key * side.sign] for key in reversed(side.keys[-CHECKED_LEVELS:])])


class KrakenInstrument(Instrument):
    __slots__ = ("kraken_book", "subscribed")

    def __init__(self, index: int, ticker: str, book: KrakenBook) -> None:
        super().__init__(index, ticker, book)
        self.kraken_book = book
        self.subscribed = False
        """Whether an update may follow: from the snapshot until the book is dropped."""


class KrakenSession(VenueSession[KrakenInstrument]):
    """One public connection for all its symbols."""

    venue = "kraken"

    def __init__(self, tickers: Sequence[str], depth: int, random: Random, limits: Limits | None = None) -> None:
        """`tickers` as the venue writes them (BTC/USD); `depth`: one of 10, 25, 100, 500, 1000, or the next above."""
        self.depth = next((n for n in DEPTHS if n >= depth), DEPTHS[-1])
        instruments = [KrakenInstrument(i, ticker, KrakenBook(self.depth)) for i, ticker in enumerate(tickers, 1)]
        super().__init__(instruments, limits or LIMITS, random)
        self._handlers = {
            b"book": self._book,
            b"trade": self._trades,
            b"heartbeat": self._sign_of_life,
            b"instrument": self._pairs,
            b"status": self._status,
        }
        self._next_id = 1
        self._pinged = 0
        self._system = "online"

    # ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _frame(self, data: bytes, now: int) -> Actions:
        handler = self._handlers.get(data[12 : data.find(b'"', 12)]) if data.startswith(PREFIX) else None
        if handler is not None:
            return handler(data, now)
        reply = decode_reply(data)
        handler = self._handlers.get(reply.channel.encode())
        if handler is not None:
            return handler(data, now)
        if reply.method in ("subscribe", "unsubscribe"):
            return self._ack(reply, now)
        if reply.method == "pong":
            return NOTHING
        if not reply.success or reply.error:
            return self._ack(reply, now)
        return self._unknown(reply.channel or reply.method or shown(data), now)

    def _sign_of_life(self, data: bytes, now: int) -> Actions:
        return NOTHING

    def _book(self, data: bytes, now: int) -> Actions:
        frame = decode_book(data)
        out: list[Action] = []
        for item in frame.data:
            instrument = self.by_ticker.get(item.symbol)
            if instrument is None:
                out += self._unknown(f"symbol {item.symbol}", now)
            elif frame.type == "snapshot":
                self._snapshot(instrument, item, now, out)
            elif frame.type == "update":
                self._update(instrument, item, now, out)
            else:
                out += self._unknown(f"book {frame.type}", now)
        return out

    def _snapshot(self, instrument: KrakenInstrument, item: BookData, now: int, out: list[Action]) -> None:
        if instrument.definition is None:
            definition = inferred(instrument.index, instrument.ticker, item)
            if definition is None:
                return self._drop(instrument, "impossible level in the snapshot", now, out)
            out += self._define(instrument, definition, now)
        book = instrument.kraken_book
        book.clear()
        bids, asks = self._read(instrument, item.bids, 0), self._read(instrument, item.asks, 1)
        if bids is None or asks is None:
            return self._drop(instrument, "impossible level in the snapshot", now, out)
        book.load(bids, asks)
        book.prune()
        if not self._checked(instrument, item, now, out):
            return None
        instrument.subscribed = True
        self._book_begins(instrument, now, "snapshot", out)
        self._publish(instrument, item, [], now, out)
        return None

    def _update(self, instrument: KrakenInstrument, item: BookData, now: int, out: list[Action]) -> None:
        if not instrument.subscribed:
            return  # Left over from before its book was dropped.
        bids, asks = self._read(instrument, item.bids, 0), self._read(instrument, item.asks, 1)
        if bids is None or asks is None:
            self._drop(instrument, "impossible level", now, out)
            return
        book = instrument.kraken_book
        changes = book.apply(bids, asks)
        book.prune()
        if self._checked(instrument, item, now, out):
            self._publish(instrument, item, changes, now, out)

    def _read(self, instrument: KrakenInstrument, levels: list[RawLevel], side: int) -> list[Change] | None:
        """The changes as integers, their texts kept for the checksum; None if one is impossible."""
        digits = instrument.kraken_book.digits[side]
        price_exponent, qty_exponent = instrument.price_exponent, instrument.qty_exponent
        changes: list[Change] = []
        for level in levels:
            price_text, qty_text = bytes(level.price), bytes(level.qty)
            price, qty = lexeme_mantissa(price_text, price_exponent), lexeme_mantissa(qty_text, qty_exponent)
            if price <= 0 or qty < 0:
                return None
            digits[price] = checksum_digits(price_text, qty_text)
            changes.append((price, qty))
        return changes

    def _checked(self, instrument: KrakenInstrument, item: BookData, now: int, out: list[Action]) -> bool:
        found = instrument.kraken_book.checksum()
        if found == item.checksum:
            return True
        out += self._gap(instrument, f"checksum {found} instead of {item.checksum}", now)
        return False

    def _drop(self, instrument: KrakenInstrument, reason: str, now: int, out: list[Action]) -> None:
        self.counters.impossible += 1
        out += self._resync(instrument, reason, now)

    def _publish(
        self, instrument: KrakenInstrument, item: BookData, changes: list[Level], now: int, out: list[Action]
    ) -> None:
        ts_event = max(rfc3339_ns(item.timestamp), 0)
        self._publish_book(instrument, changes, ts_event, 0, now, out)
        self._publish_top(instrument, ts_event, 0, out)

    def _trades(self, data: bytes, now: int) -> Actions:
        frame = decode_trade(data)
        frame.data.sort(key=lambda item: item.trade_id)
        out: list[Action] = []
        for item in frame.data:
            instrument = self.by_ticker.get(item.symbol)
            if instrument is None:
                out += self._unknown(f"symbol {item.symbol}", now)
            elif frame.type == "snapshot" and instrument.last_trade_id == 0:
                # The first snapshot only says where counting starts; later ones fill what a lost connection hid.
                instrument.last_trade_id = max(each.trade_id for each in frame.data if each.symbol == item.symbol)
            elif frame.type != "snapshot" or item.trade_id > instrument.last_trade_id:
                self._trade(instrument, item, now, out)
        return out

    def _trade(self, instrument: KrakenInstrument, item: TradeData, now: int, out: list[Action]) -> None:
        price_text, qty_text = bytes(item.price), bytes(item.qty)
        if instrument.definition is None:
            frame = {"channel": "trade", "type": "update", "data": [item]}
            instrument.early.append((msgspec.json.encode(frame), now))
            return
        price = lexeme_mantissa(price_text, instrument.price_exponent)
        qty = lexeme_mantissa(qty_text, instrument.qty_exponent)
        aggressor = {"buy": BUY, "sell": SELL}.get(item.side, 0)
        if not instrument.possible(price, qty) or not aggressor:
            what = f"trade {item.trade_id}: {item.side} {qty_text[:30]!r} at {price_text[:30]!r}"
            out += self._impossible(instrument, what, now)
            return
        trade_id = item.trade_id
        if not self._is_new(instrument, trade_id, now, out):
            return
        ts_event, quality = max(rfc3339_ns(item.timestamp), 0), instrument.book.quality
        out.append(Trade(instrument.index, trade_id, price, qty, aggressor, quality, ts_event, trade_id))

    def _pairs(self, data: bytes, now: int) -> Actions:
        out: list[Action] = []
        for pair in decode_instrument(data).data.pairs:
            instrument = self.by_ticker.get(pair.symbol)
            if instrument is not None:
                out += self._define(instrument, definition_of(instrument.index, instrument.ticker, pair), now)
        return out

    def _status(self, data: bytes, now: int) -> Actions:
        out: list[Action] = []
        for status in decode_status(data).data:
            if status.system != self._system:
                self._system = status.system
                out.append(self._changed(None, self.state, f"the venue's matching is {status.system}"))
        return out

    def _ack(self, reply: Reply, now: int) -> Actions:
        if reply.success:
            return NOTHING
        self.counters.errors += 1
        symbol = reply.symbol or (reply.result.symbol if reply.result else "")
        instrument = self.by_ticker.get(symbol)
        out: list[Action] = []
        reason = f"the venue refused {reply.method} {symbol}: {reply.error}"
        self._say(f"refused.{instrument.index if instrument is not None else 0}", reason, now, out, instrument)
        if instrument is not None and "not supported" in reply.error:
            self._set_state(instrument, DOWN, RESYNC, reason, out)
        return out

    # ── subscriptions ────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, now: int) -> list[Action]:
        tickers = [instrument.ticker for instrument in self.instruments]
        self._request("subscribe", {"channel": "instrument"})
        for at in range(0, len(tickers), SYMBOLS_PER_REQUEST):
            some = tickers[at : at + SYMBOLS_PER_REQUEST]
            self._request("subscribe", {"channel": "book", "symbol": some, "depth": self.depth})
            self._request("subscribe", {"channel": "trade", "symbol": some, "snapshot": True})
        self._pinged = now
        return []

    def _recover(self, instrument: KrakenInstrument, now: int) -> list[Action]:
        params = {"channel": "book", "symbol": [instrument.ticker], "depth": self.depth}
        self._request("unsubscribe", params)
        self._request("subscribe", params)
        return []

    def _resync(self, instrument: KrakenInstrument, reason: str, now: int) -> list[Action]:
        instrument.subscribed = False
        return super()._resync(instrument, reason, now)

    def _forget(self, instrument: KrakenInstrument) -> None:
        instrument.subscribed = False

    def _tick(self, now: int) -> list[Action]:
        if now - self._heard >= PING_AFTER and now - self._pinged >= PING_AFTER:
            self._pinged = now
            self._request("ping")
        return []

    def _request(self, method: str, params: dict[str, object] | None = None) -> None:
        request: dict[str, object] = {"method": method, "req_id": self._next_id}
        self._next_id += 1
        if params is not None:
            request["params"] = params
        self._outbox.put(msgspec.json.encode(request).decode())

    def _answer(self, kind: str, instrument: KrakenInstrument, status: int, body: bytes, now: int) -> list[Action]:
        return []  # This venue's session asks nothing of REST.
