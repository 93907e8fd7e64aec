"""Coinbase Exchange feed: level2_batch, matches and heartbeat.

    subscribe (within 5 s) ──▶ snapshot (per product) ──▶ l2update, l2update ...        no sequence numbers
                           └─▶ last_match ──▶ match ...                                 trade_id contiguous per product
                           └─▶ heartbeat, once a second: last_trade_id, sequence

A lost l2update cannot be seen by number: level2 promises delivery, and what remains are a book that stays crossed, an
impossible level, and silence. A lost match is seen by the next trade_id, or by two heartbeats that know a later one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from urllib.parse import quote

import msgspec

from services.connector._decimal import levels, mantissa, rfc3339_ns
from services.connector.coinbase_messages import (
    DEFAULT_EXPONENT,
    Match,
    decode_envelope,
    decode_heartbeat,
    decode_match,
    decode_product,
    decode_snapshot,
    decode_update,
    definition_of,
)
from tapewire.feed.actions import NOTHING, Action, Actions, InstrumentDefined, Trade
from tapewire.feed.book import BUY, LIVE, RESYNC, SELL, STALE, Book
from tapewire.feed.counters import shown
from tapewire.feed.instrument import DOWN, LIVE_STATE, RESYNC_STATE, STALE_STATE, Instrument
from tapewire.feed.limits import SECOND, Limits
from tapewire.feed.session import VenueSession

LIMITS = Limits(recovery_first=5 * SECOND)
"""A new snapshot takes two control messages and the venue's answer: not to be asked for twice meanwhile."""
BOOK = "level2_batch"
CHANNELS = (BOOK, "matches", "heartbeat")
NAMES = re.compile(r"[\w-]+")
"""What in a sentence may be a product."""
DEFINITION_TRIES = 3
PREFIX = b'{"type":"'


class CoinbaseInstrument(Instrument):
    __slots__ = ("heard", "heartbeat_trade_id", "subscribed")

    def __init__(self, index: int, ticker: str, book: Book) -> None:
        super().__init__(index, ticker, book)
        self.heard = 0
        """When its last heartbeat came; 0 before the first."""
        self.heartbeat_trade_id = 0
        """A trade id that a heartbeat knew and we did not, yet."""
        self.subscribed = False
        """Whether an update may follow: from the snapshot until the book is dropped."""


class CoinbaseSession(VenueSession[CoinbaseInstrument]):
    """One unauthenticated connection for all its products."""

    venue = "coinbase"

    def __init__(self, tickers: Sequence[str], depth: int, random: Random, limits: Limits | None = None) -> None:
        """`tickers` as the venue writes them (BTC-USD); `depth`: levels a side to publish."""
        instruments = [CoinbaseInstrument(i, ticker, Book(depth)) for i, ticker in enumerate(tickers, 1)]
        super().__init__(instruments, limits or LIMITS, random)
        self._handlers = {
            b"l2update": self._update,
            b"match": self._match,
            b"last_match": self._last_match,
            b"snapshot": self._snapshot,
            b"heartbeat": self._heartbeat,
            b"subscriptions": self._no_news,
            b"ticker": self._no_news,
            b"ticker_batch": self._no_news,
            b"status": self._no_news,
            b"error": self._error,
        }
        self._definition_failures: dict[int, int] = {}

    # ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _frame(self, data: bytes, now: int) -> Actions:
        handler = self._handlers.get(data[9 : data.find(b'"', 9)]) if data.startswith(PREFIX) else None
        if handler is None:
            kind = decode_envelope(data).type
            handler = self._handlers.get(kind.encode())
            if handler is None:
                return self._unknown(kind or shown(data), now)
        return handler(data, now)

    def _match(self, data: bytes, now: int) -> Actions:
        return self._trade(decode_match(data), data, now)

    def _last_match(self, data: bytes, now: int) -> Actions:
        """The last trade before the subscription: where counting starts, or one that a lost connection hid."""
        match = decode_match(data)
        instrument = self.by_ticker.get(match.product_id)
        if instrument is None:
            return self._unknown(f"product {match.product_id}", now)
        if instrument.last_trade_id == 0:
            instrument.last_trade_id = match.trade_id
            return NOTHING
        return self._trade(match, data, now) if match.trade_id > instrument.last_trade_id else NOTHING

    def _trade(self, match: Match, data: bytes, now: int) -> Actions:
        instrument = self.by_ticker.get(match.product_id)
        if instrument is None:
            return self._unknown(f"product {match.product_id}", now)
        if instrument.definition is None:
            instrument.early.append((data, now))
            return NOTHING
        price = mantissa(match.price, instrument.price_exponent)
        qty = mantissa(match.size, instrument.qty_exponent)
        # The side is the maker's: the aggressor is on the other.
        aggressor = {"sell": BUY, "buy": SELL}.get(match.side, 0)
        if not instrument.possible(price, qty) or not aggressor:
            what = f"trade {match.trade_id}: {match.size} at {match.price}, maker {match.side}"
            return self._impossible(instrument, what, now)
        out: list[Action] = []
        if not self._is_new(instrument, match.trade_id, now, out):
            return NOTHING
        ts_event, quality = self._event_time(instrument, match.time), instrument.book.quality
        out.append(Trade(instrument.index, match.trade_id, price, qty, aggressor, quality, ts_event, match.sequence))
        return out

    def _snapshot(self, data: bytes, now: int) -> Actions:
        snapshot = decode_snapshot(data)
        instrument = self.by_ticker.get(snapshot.product_id)
        if instrument is None:
            return self._unknown(f"product {snapshot.product_id}", now)
        if instrument.definition is None:
            instrument.early.append((data, now))
            return NOTHING
        bids = levels(snapshot.bids, instrument.price_exponent, instrument.qty_exponent)
        asks = levels(snapshot.asks, instrument.price_exponent, instrument.qty_exponent)
        if bids is None or asks is None:
            self.counters.impossible += 1
            return self._resync(instrument, "impossible level in the snapshot", now)
        instrument.book.load(bids, asks)
        instrument.subscribed = True
        out: list[Action] = []
        self._book_begins(instrument, now, "snapshot", out)
        self._publish_book(instrument, [], 0, 0, now, out)
        self._publish_top(instrument, 0, 0, out)
        return out

    def _update(self, data: bytes, now: int) -> Actions:
        update = decode_update(data)
        instrument = self.by_ticker.get(update.product_id)
        if instrument is None:
            return self._unknown(f"product {update.product_id}", now)
        if instrument.definition is None:
            instrument.early.append((data, now))
            return NOTHING
        if not instrument.subscribed:
            return NOTHING  # Left over from before its book was dropped.
        bids: list[tuple[int, int]] = []
        asks: list[tuple[int, int]] = []
        for side, price_text, qty_text in update.changes:
            price = mantissa(price_text, instrument.price_exponent)
            qty = mantissa(qty_text, instrument.qty_exponent)
            if price <= 0 or qty < 0 or side not in ("buy", "sell"):
                self.counters.impossible += 1
                return self._resync(instrument, f"impossible level: {side} {qty_text} at {price_text}"[:100], now)
            (bids if side == "buy" else asks).append((price, qty))
        out: list[Action] = []
        ts_event = self._event_time(instrument, update.time)
        self._publish_book(instrument, instrument.book.apply(bids, asks), ts_event, 0, now, out)
        self._publish_top(instrument, ts_event, 0, out)
        return out

    def _heartbeat(self, data: bytes, now: int) -> Actions:
        beat = decode_heartbeat(data)
        instrument = self.by_ticker.get(beat.product_id)
        if instrument is None:
            return self._unknown(f"product {beat.product_id}", now)
        instrument.heard = now
        out: list[Action] = []
        if instrument.state == STALE_STATE:
            self._set_state(instrument, LIVE_STATE, LIVE, "heard again", out)
        last, missing = instrument.last_trade_id, instrument.heartbeat_trade_id
        if last and missing > last:
            # Two heartbeats have known of it: it is not merely behind on another path, it is lost.
            self._trades_missed(instrument, missing - last, now, out)
            instrument.last_trade_id = missing
        instrument.heartbeat_trade_id = beat.last_trade_id
        return out

    def _no_news(self, data: bytes, now: int) -> Actions:
        return NOTHING

    def _error(self, data: bytes, now: int) -> Actions:
        error = decode_envelope(data)
        self.counters.errors += 1
        out: list[Action] = []
        self._say("error", f"the venue answered: {error.message}: {error.reason}", now, out)
        # It names the product it cannot serve in prose only, and with it refuses all others of the same message.
        words = NAMES.findall(error.reason)
        refused = [i for i in self.instruments if i.ticker in words and i.state == RESYNC_STATE]
        for instrument in refused:
            self._set_state(instrument, DOWN, RESYNC, error.reason, out)
        others = [i.ticker for i in self.instruments if i.state == RESYNC_STATE]
        if refused and others:
            self._request("subscribe", others, CHANNELS)
            self._outbox.flush(now, out)
        return out

    def _event_time(self, instrument: CoinbaseInstrument, text: str) -> int:
        """Now and then the venue writes year 1 in an otherwise valid message: its last good time stands in."""
        ns = rfc3339_ns(text)
        if ns < 0:
            return instrument.last_event_ns
        instrument.last_event_ns = ns
        return ns

    # ── books and subscriptions ──────────────────────────────────────────────────────────────────────────────────

    def _begin(self, now: int) -> list[Action]:
        out: list[Action] = []
        tickers = [instrument.ticker for instrument in self.instruments]
        self._request("subscribe", tickers, CHANNELS)
        for instrument in self.instruments:
            self._ask_definition(instrument, out)
        return out

    def _recover(self, instrument: CoinbaseInstrument, now: int) -> list[Action]:
        out: list[Action] = []
        if instrument.definition is None:
            self._ask_definition(instrument, out)
        else:
            self._request("unsubscribe", [instrument.ticker], (BOOK,))
            self._request("subscribe", [instrument.ticker], (BOOK,))
        return out

    def _resync(self, instrument: CoinbaseInstrument, reason: str, now: int) -> list[Action]:
        instrument.subscribed = False
        return super()._resync(instrument, reason, now)

    def _forget(self, instrument: CoinbaseInstrument) -> None:
        instrument.subscribed = False
        instrument.heartbeat_trade_id = instrument.heard = 0

    def _tick(self, now: int) -> list[Action]:
        out: list[Action] = []
        for instrument in self.instruments:
            silent = now - instrument.heard
            if instrument.heard and instrument.state == LIVE_STATE and silent >= self.limits.instrument_stale:
                self._set_state(instrument, STALE_STATE, STALE, f"no heartbeat for {silent / 1e9:.1f} s", out)
        return out

    def _request(self, kind: str, tickers: Sequence[str], channels: Sequence[str]) -> None:
        request = {"type": kind, "product_ids": tickers, "channels": channels}
        self._outbox.put(msgspec.json.encode(request).decode())

    def _ask_definition(self, instrument: CoinbaseInstrument, out: list[Action]) -> None:
        self._questions.ask("definition", instrument, f"/products/{quote(instrument.ticker)}", out)

    def _answer(self, kind: str, instrument: CoinbaseInstrument, status: int, body: bytes, now: int) -> list[Action]:
        if status == 200:
            return self._define(
                instrument, definition_of(instrument.index, instrument.ticker, decode_product(body)), now
            )
        failures = self._definition_failures.get(instrument.index, 0) + 1
        self._definition_failures[instrument.index] = failures
        if instrument.definition is not None or (status != 404 and failures < DEFINITION_TRIES):
            self.counters.errors += 1
            if instrument.state == RESYNC_STATE and instrument.definition is None:
                self._retry_later(instrument, now)
            out: list[Action] = []
            detail = body[:80].decode("utf-8", "replace")
            self._say(f"rest.{instrument.index}", f"product definition: HTTP {status} {detail}", now, out, instrument)
            return out
        return self._define(
            instrument,
            InstrumentDefined(
                instrument=instrument.index,
                ticker=instrument.ticker,
                price_exponent=DEFAULT_EXPONENT,
                qty_exponent=DEFAULT_EXPONENT,
            ),
            now,
        )
