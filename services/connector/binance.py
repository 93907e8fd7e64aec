"""Binance Spot: combined stream of trades, diff depth and best bid and ask.

How a book gets into step, per symbol (web-socket-streams.md, "How to manage a local order book correctly"):

    depth frames    [U u] [U u] [U u] [U u] [U u] ...      kept from the first on
    REST snapshot            ▲ lastUpdateId                asked for once frames flow
    then            drop     │ straddles: U <= lastUpdateId + 1 <= u, then each U == previous u + 1

A snapshot older than the first kept frame is asked for again. A frame whose U leaves a hole is a gap: that symbol's
book is dropped and this begins anew; the other symbols do not notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from urllib.parse import quote

import msgspec

from services.connector import _binance
from services.connector._decimal import levels
from services.connector.binance_instrument import BinanceInstrument, finer
from services.connector.binance_messages import (
    DEFAULT_EXPONENT,
    DepthFrame,
    Reply,
    decode_answer,
    decode_info,
    decode_reply,
    definition_of,
    read_error,
)
from tapewire.feed.actions import NOTHING, Action, Actions, InstrumentDefined, Quote, Replace, Trade
from tapewire.feed.book import BUY, CROSSED, LIVE, RESYNC, SELL, Book, Change
from tapewire.feed.counters import shown
from tapewire.feed.instrument import DOWN, RESYNC_STATE, rescaled
from tapewire.feed.limits import MS, SECOND, Limits
from tapewire.feed.session import BAD_INPUT, VenueSession

MAX_UPDATE_SPAN = 1_000_000
"""Update ids in one frame; the busiest recorded holds some hundreds."""
STREAMS_IN_URL = 300
STREAMS_PER_CONNECTION = 1024
CONNECTION_LIFE = (23 * 60 + 50) * 60 * SECOND
"""The venue closes at 24 h; the connection is replaced a little earlier."""
REPLACE_RETRY = 60 * SECOND
DEPTH_BEHIND = 5 * SECOND
"""The best bid and ask may run ahead of the depth stream no longer than this."""
SNAPSHOT_LIMITS = (5, 10, 20, 50, 100, 500, 1000, 5000)
DEFINITION_TRIES = 3
INVALID_SYMBOL = -1121


stream, read_trade, read_top, read_depth = _binance.stream, _binance.trade, _binance.top, _binance.depth


class BinanceSession(VenueSession[BinanceInstrument]):
    """One combined-stream connection for all its symbols."""

    venue = "binance"

    def __init__(self, tickers: Sequence[str], depth: int, random: Random, limits: Limits | None = None) -> None:
        """`tickers` as the venue writes them (BTCUSDT); `depth`: levels a side to publish."""
        instruments = [BinanceInstrument(i, ticker, Book(depth)) for i, ticker in enumerate(tickers, 1)]
        super().__init__(instruments, limits or Limits(), random)
        self._snapshot_limit = next((n for n in SNAPSHOT_LIMITS if n >= depth), SNAPSHOT_LIMITS[-1])
        self._next_replace = 0
        self._next_id = 1
        self._controls: dict[int, str] = {}
        self._definition_failures: dict[int, int] = {}
        kinds: tuple[tuple[str, Callable[[BinanceInstrument, bytes, int], Actions]], ...] = (
            ("@trade", self._trade),
            ("@depth@100ms", self._depth),
            ("@bookTicker", self._top),
        )
        self._streams = [instrument.stream + kind for instrument in instruments for kind, _ in kinds]
        if len(self._streams) > STREAMS_PER_CONNECTION:
            raise ValueError(
                f"binance: {len(instruments)} tickers need {len(self._streams)} streams, one connection carries "
                f"{STREAMS_PER_CONNECTION}: split them over several feeds"
            )
        # A frame begins {"stream":"btcusdt@trade", so that one look-up finds both the handler and the instrument.
        self._routes = {
            (instrument.stream + kind).encode(): (handler, instrument)
            for instrument in instruments
            for kind, handler in kinds
        }

    def address(self, url: str) -> str:
        """`wss://host/stream` or `wss://host`, completed by the streams of the first instruments."""
        base = url.rstrip("/").removesuffix("/stream")
        streams = "/".join(quote(stream, safe="@") for stream in self._streams[:STREAMS_IN_URL])
        return f"{base}/stream?streams={streams}"

    def on_replaced(self, now: int) -> list[Action]:
        self._next_replace = now + CONNECTION_LIFE
        return super().on_replaced(now)

    # ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────

    def on_frame(self, data: bytes, now: int) -> Actions:
        route = self._routes.get(stream(data))
        if route is None or self._quiet:
            return super().on_frame(data, now)
        self._heard = now
        self.counters.messages += 1
        handler, instrument = route
        try:
            return handler(instrument, data, now)
        except BAD_INPUT as error:
            return self._malformed(data, str(error), now)

    def _frame(self, data: bytes, now: int) -> Actions:
        route = self._routes.get(stream(data))
        if route is not None:
            return route[0](route[1], data, now)
        reply = decode_reply(data)
        route = self._routes.get(reply.stream.encode())
        if route is not None:
            return route[0](route[1], data, now)
        if reply.stream == "!serverShutdown" or reply.e == "serverShutdown":
            return self._replace("the venue shuts this server down", now)
        if reply.code or reply.error:
            return self._refused(reply, now)
        if reply.id is not None and not reply.stream:
            self._controls.pop(reply.id if isinstance(reply.id, int) else 0, None)
            return NOTHING
        return self._unknown(reply.stream or reply.e or shown(data), now)

    def _trade(self, instrument: BinanceInstrument, data: bytes, now: int) -> Actions:
        if instrument.definition is None:
            return self._early(instrument, data, now)
        fields = read_trade(data, instrument.price_exponent, instrument.qty_exponent)
        if fields is None:
            return self._malformed(data, "not a trade", now)
        trade_id, price, qty, time_ms, buyer_is_maker = fields
        if not instrument.min_price <= price <= instrument.max_price or qty <= 0:
            return self._impossible(instrument, f"trade {trade_id}: {shown(data)}", now)
        out: list[Action] = []
        if not self._is_new(instrument, trade_id, now, out):
            return NOTHING
        aggressor, quality = SELL if buyer_is_maker else BUY, instrument.book.quality
        out.append(Trade(instrument.index, trade_id, price, qty, aggressor, quality, time_ms * MS, trade_id))
        return out

    def _top(self, instrument: BinanceInstrument, data: bytes, now: int) -> Actions:
        if instrument.definition is None:
            return self._early(instrument, data, now)
        fields = read_top(data, instrument.price_exponent, instrument.qty_exponent)
        if fields is None:
            return self._malformed(data, "not a best bid and ask", now)
        update, bid, bid_qty, ask, ask_qty = fields
        # A side is either a positive price with a positive quantity, or empty: zero and zero.
        if bid < 0 or ask < 0 or bid_qty < 0 or ask_qty < 0 or (not bid) != (not bid_qty) or (not ask) != (not ask_qty):
            return self._impossible(instrument, f"top {update}: {shown(data)}", now)
        if update <= instrument.last_top_id and not self._repeated(instrument, instrument.last_top_id):
            return NOTHING
        instrument.last_top_id = update
        book = instrument.book
        quality = CROSSED if book.quality == LIVE and 0 < ask <= bid else book.quality
        return [Quote(instrument.index, bid, bid_qty, ask, ask_qty, book.seq, quality, 0, update)]

    def _depth(self, instrument: BinanceInstrument, data: bytes, now: int) -> Actions:
        if instrument.definition is None:
            return self._early(instrument, data, now)
        fields = read_depth(data)
        if fields is None:
            return self._malformed(data, "not a depth update", now)
        d = DepthFrame(*fields)
        if not d.first <= d.last < d.first + MAX_UPDATE_SPAN:
            return self._gap(instrument, f"one frame cannot hold updates {d.first} to {d.last}", now)
        if not instrument.last_id:
            instrument.waiting.append(d)
            return NOTHING
        if d.last <= instrument.last_id:
            if not self._repeated(instrument, instrument.last_id):
                return NOTHING
            return self._gap(instrument, f"update ids went back from {instrument.last_id} to {d.last}", now)
        if d.first > instrument.last_id + 1:
            missing = f"updates {instrument.last_id + 1} to {d.first - 1} are missing"
            return self._gap_before(instrument, missing, [d], now)
        out: list[Action] = []
        self._apply(instrument, d, now, out)
        return out

    def _gap_before(
        self, instrument: BinanceInstrument, missing: str, frames: list[DepthFrame], now: int
    ) -> list[Action]:
        """A gap whose later side is at hand: these frames are what the next snapshot has to reach."""
        out = self._gap(instrument, missing, now)
        instrument.waiting.extend(frames)
        return out

    def _apply(self, instrument: BinanceInstrument, d: DepthFrame, now: int, out: list[Action]) -> bool:
        """One depth frame that follows on. False if it held something impossible: the book is then built anew."""
        bids = levels(d.bids, instrument.price_exponent, instrument.qty_exponent)
        asks = levels(d.asks, instrument.price_exponent, instrument.qty_exponent)
        if bids is None or asks is None:
            refined = finer(instrument, d.bids, d.asks)
            if refined is not None:
                out += self._define(instrument, refined, now)
                return False
            self.counters.impossible += 1
            out += self._resync(instrument, f"impossible level in updates {d.first} to {d.last}", now)
            return False
        instrument.last_id = d.last
        instrument.depth_heard = now
        self._publish_book(instrument, instrument.book.apply(bids, asks), d.time_ms * MS, d.last, now, out)
        return True

    def _early(self, instrument: BinanceInstrument, data: bytes, now: int) -> Actions:
        instrument.early.append((data, now))
        return NOTHING

    # ── books ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, now: int) -> list[Action]:
        out: list[Action] = []
        self._next_replace = now + CONNECTION_LIFE
        self._controls.clear()  # What was asked of the connection before is not answered on this one.
        for at in range(STREAMS_IN_URL, len(self._streams), STREAMS_IN_URL):
            self._control("SUBSCRIBE", self._streams[at : at + STREAMS_IN_URL])
        for instrument in self.instruments:
            self._ask_definition(instrument, out)
            if instrument.definition is not None:
                self._ask_snapshot(instrument, out)
        return out

    def _recover(self, instrument: BinanceInstrument, now: int) -> list[Action]:
        out: list[Action] = []
        if instrument.definition is None:
            self._ask_definition(instrument, out)
        else:
            self._ask_snapshot(instrument, out)
        return out

    def _resync(self, instrument: BinanceInstrument, reason: str, now: int) -> list[Action]:
        instrument.last_id = 0
        instrument.waiting.clear()
        return super()._resync(instrument, reason, now)

    def _forget(self, instrument: BinanceInstrument) -> None:
        instrument.last_id = instrument.last_top_id = 0
        instrument.waiting.clear()

    def _tick(self, now: int) -> list[Action]:
        out: list[Action] = []
        if now >= self._next_replace:
            out += self._replace("the connection is near the end of its life", now)
        for instrument in self.instruments:
            silent = now - instrument.depth_heard
            if 0 < instrument.last_id < instrument.last_top_id and silent >= DEPTH_BEHIND:
                # The depth stream has stopped while the other streams flow: ask for it anew.
                streams = [f"{instrument.stream}@depth@100ms"]
                self._control("UNSUBSCRIBE", streams)
                self._control("SUBSCRIBE", streams)
                out += self._gap(instrument, "the depth stream fell behind the best bid and ask", now)
        return out

    def _replace(self, reason: str, now: int) -> list[Action]:
        self._next_replace = now + REPLACE_RETRY
        return [Replace(reason)]

    # ── REST and control messages ────────────────────────────────────────────────────────────────────────────────

    def _ask_definition(self, instrument: BinanceInstrument, out: list[Action]) -> None:
        self._questions.ask("definition", instrument, f"/api/v3/exchangeInfo?symbol={quote(instrument.ticker)}", out)

    def _ask_snapshot(self, instrument: BinanceInstrument, out: list[Action]) -> None:
        instrument.floor = instrument.last_top_id  # streamed before it was asked for: an older answer is a stale one
        path = f"/api/v3/depth?symbol={quote(instrument.ticker)}&limit={self._snapshot_limit}"
        self._questions.ask("snapshot", instrument, path, out)

    def _answer(self, kind: str, instrument: BinanceInstrument, status: int, body: bytes, now: int) -> list[Action]:
        if kind == "definition":
            return self._definition(instrument, status, body, now)
        if status != 200:
            return self._rest_failed(instrument, "depth snapshot", status, body, now)
        answer = decode_answer(body)
        bids = levels(answer.bids, instrument.price_exponent, instrument.qty_exponent)
        asks = levels(answer.asks, instrument.price_exponent, instrument.qty_exponent)
        if bids is None or asks is None:
            refined = finer(instrument, answer.bids, answer.asks)
            if refined is None:
                self.counters.impossible += 1
                return self._rest_failed(instrument, "depth snapshot with an impossible level", status, b"", now)
            out = self._define(instrument, refined, now)
            return out + self._answer(kind, instrument, status, body, now)
        return self._snapshot(instrument, answer.last_id, bids, asks, now)

    def _snapshot(
        self, instrument: BinanceInstrument, last_id: int, bids: list[Change], asks: list[Change], now: int
    ) -> list[Action]:
        """Puts a snapshot and the frames that waited together."""
        if instrument.last_id:
            return []  # Asked twice; the book is already in step.
        waiting = instrument.waiting
        while waiting and waiting[0].last <= last_id:
            waiting.popleft()
        if last_id < instrument.floor or (waiting and waiting[0].first > last_id + 1):
            self._retry_later(instrument, now)
            return [self._changed(instrument, RESYNC_STATE, f"snapshot {last_id} is older than what was streamed")]
        instrument.book.load(bids, asks)
        instrument.last_id = last_id
        instrument.depth_heard = now
        out: list[Action] = []
        self._book_begins(instrument, now, f"in step at {last_id}", out)
        self._publish_book(instrument, [], 0, last_id, now, out)
        while waiting:
            d = waiting.popleft()
            if d.first > instrument.last_id + 1:
                missing = f"updates {instrument.last_id + 1} to {d.first - 1} are missing"
                return out + self._gap_before(instrument, missing, [d, *waiting], now)
            if not self._apply(instrument, d, now, out):
                break
        return out

    def _definition(self, instrument: BinanceInstrument, status: int, body: bytes, now: int) -> list[Action]:
        if status == 200:
            definition = definition_of(instrument.index, instrument.ticker, decode_info(body))
            if definition is None:
                return self._rest_failed(instrument, "exchangeInfo without usable filters", status, b"", now)
        else:
            failures = self._definition_failures.get(instrument.index, 0) + 1
            self._definition_failures[instrument.index] = failures
            if status in (400, 404) and read_error(body).code == INVALID_SYMBOL:
                out: list[Action] = []
                self.counters.errors += 1
                self._set_state(instrument, DOWN, RESYNC, f"the venue does not know {instrument.ticker}", out)
                return out
            if instrument.definition is not None or (status != 404 and failures < DEFINITION_TRIES):
                return self._rest_failed(instrument, "exchangeInfo", status, body, now)
            definition = InstrumentDefined(
                instrument=instrument.index,
                ticker=instrument.ticker,
                price_exponent=DEFAULT_EXPONENT,
                qty_exponent=DEFAULT_EXPONENT,
            )
        known = instrument.definition
        first = known is None
        if known is not None:
            # Never coarser than levels have shown to be needed.
            definition = rescaled(
                definition,
                min(known.price_exponent, definition.price_exponent),
                min(known.qty_exponent, definition.qty_exponent),
            )
        found = self._define(instrument, definition, now)
        if first:
            self._ask_snapshot(instrument, found)
        return found

    def _rest_failed(
        self, instrument: BinanceInstrument, what: str, status: int, body: bytes, now: int
    ) -> list[Action]:
        self.counters.errors += 1
        out: list[Action] = []
        detail = body[:80].decode("utf-8", "replace")
        if instrument.state == RESYNC_STATE:
            self._retry_later(instrument, now)
        self._say(f"rest.{instrument.index}", f"{what}: HTTP {status} {detail}", now, out, instrument)
        return out

    def _control(self, method: str, streams: list[str]) -> None:
        self._controls[self._next_id] = f"{method} {', '.join(streams)}"
        request = {"method": method, "params": streams, "id": self._next_id}
        self._next_id += 1
        self._outbox.put(msgspec.json.encode(request).decode())

    def _refused(self, reply: Reply, now: int) -> list[Action]:
        """The venue refused a control message. The instruments it was about come back through their own recovery."""
        self.counters.errors += 1
        asked = self._controls.pop(reply.id, "") if isinstance(reply.id, int) else ""
        out: list[Action] = []
        self._say("refused", f"the venue refused {asked or reply.id}: {reply.code} {reply.msg} {reply.error}", now, out)
        return out
