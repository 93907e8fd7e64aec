"""The market-data session of a venue: what it asks for, and its books by the venue's gap rule. Pure.

                 x (define)                V (book, trades)          W in step
    logged on ──────────────▶ y: defined ───────────────────▶ resync ─────────▶ live
                                                                ▲                │ a gap in the update ids, a level
                                                                └── V again ─────┘ that cannot be, crossed too long

Requests have ids of their own, never used again: what still comes of one that was left is not taken for another. What
is a state and what a quality, when a book is built anew and when a silent feed is stale, is that of every feed
(`tapewire.feed.session`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from random import Random
from typing import Final

from services.gateway.initiator.market_data.dialect import MarketDialect
from services.gateway.initiator.market_data.words import Changes, Levels, Listed, Refused, Trades, Whole
from tapewire.errors import FixedError
from tapewire.feed.actions import NOTHING, Action, Actions, InstrumentDefined, Trade
from tapewire.feed.book import RESYNC, Book, Change
from tapewire.feed.counters import shown
from tapewire.feed.instrument import DOWN, MAX_MANTISSA, Instrument, rescaled
from tapewire.feed.limits import SECOND, Limits
from tapewire.feed.session import VenueSession
from tapewire.fix.message import fields_of
from tapewire.fixed import exponent_of, to_mantissa

AWAITED: Final = -1
FINEST: Final = -12
SENT_KEPT: Final = 4096
"""Requests that a Reject may speak of by number."""
MAX_PARTS: Final = 200_000
"""Entries of one change that comes in parts."""
TRADES_RETRY_NS: Final = 30 * SECOND


class FixInstrument(Instrument):
    """`last_id`: the update id the book stands at; AWAITED until its snapshot is there."""

    __slots__ = ("book_request", "last_id", "parts", "trades_again", "trades_request")

    def __init__(self, index: int, ticker: str, book: Book) -> None:
        super().__init__(index, ticker, book)
        self.book_request = self.trades_request = ""
        """Of the subscriptions that stand or are asked for; empty: there is none."""
        self.last_id, self.trades_again = AWAITED, 0
        self.parts: list[Changes] = []
        """Of a change that is not whole yet."""


class FixFeed(VenueSession[FixInstrument]):
    def __init__(
        self, dialect: MarketDialect, tickers: Sequence[str], depth: int, random: Random, limits: Limits | None = None
    ) -> None:
        """`tickers` as the venue writes them; `depth`: levels a side to ask for and to publish."""
        messages, seconds = dialect.limit
        heartbeat = dialect.dialect.venue.heartbeat * SECOND
        most = Limits(
            stale=heartbeat + 5 * SECOND, dead=3 * heartbeat + 5 * SECOND, send_gap=int(seconds * SECOND) // messages
        )
        instruments = [FixInstrument(i, ticker, Book(depth)) for i, ticker in enumerate(tickers, 1)]
        super().__init__(instruments, limits or most, random)
        self.dialect, self._depth = dialect, depth
        self._requests: dict[str, FixInstrument] = {}
        """Of this connection, by id."""
        self._sent: OrderedDict[int, str] = OrderedDict()
        self._number = 0

    # ── entry points besides those of every session ──────────────────────────────────────────────────────────────

    def sent(self, seq: int, request: str) -> None:
        """A request of ours went out under this number."""
        self._sent[seq] = request
        if len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)

    def on_heard(self, now: int) -> Actions:
        """A message of the session itself: the venue is there, however quiet its markets are."""
        self._heard = now
        return self._heard_again(NOTHING) if self._quiet else NOTHING

    def on_missed(self, reason: str, now: int) -> list[Action]:
        """Messages were lost, nobody knows which: every book is built anew."""
        out: list[Action] = []
        for instrument in self.instruments:
            if instrument.definition is not None:
                instrument.parts.clear()
                out += self._gap(instrument, reason, now)
        return out

    # ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, now: int) -> list[Action]:
        for instrument in self.instruments:
            self._define_anew(instrument)
            if instrument.definition is not None:
                self._subscribe(instrument)
        return []

    def _recover(self, instrument: FixInstrument, now: int) -> list[Action]:
        if instrument.definition is None:
            self._define_anew(instrument)
        else:
            self._subscribe(instrument)
        return []

    def _define_anew(self, instrument: FixInstrument) -> None:
        self._outbox.put(self.dialect.define(self._request("d", instrument), instrument.ticker))

    def _subscribe(self, instrument: FixInstrument) -> None:
        """To its book, in place of the subscription before, and to its trades, if they are not."""
        if instrument.book_request:
            self._outbox.put(self.dialect.leave(instrument.book_request))
            del self._requests[instrument.book_request]
        instrument.book_request = self._request("b", instrument)
        self._outbox.put(self.dialect.book(instrument.book_request, instrument.ticker, self._depth))
        if not instrument.trades_request:
            self._subscribe_trades(instrument)

    def _subscribe_trades(self, instrument: FixInstrument) -> None:
        instrument.trades_request, instrument.trades_again = self._request("t", instrument), 0
        self._outbox.put(self.dialect.trades(instrument.trades_request, instrument.ticker))

    def _request(self, what: str, instrument: FixInstrument) -> str:
        self._number += 1
        request = f"{what}{instrument.index}-{self._number}"
        self._requests[request] = instrument
        return request

    def _forget(self, instrument: FixInstrument) -> None:
        instrument.book_request = instrument.trades_request = ""
        instrument.last_id, instrument.trades_again = AWAITED, 0
        instrument.parts.clear()
        self._requests.clear()
        self._sent.clear()

    def _resync(self, instrument: FixInstrument, reason: str, now: int) -> list[Action]:
        instrument.last_id = AWAITED
        instrument.parts.clear()
        return super()._resync(instrument, reason, now)

    def _tick(self, now: int) -> list[Action]:
        for instrument in self.instruments:
            if instrument.trades_again and now >= instrument.trades_again:
                self._subscribe_trades(instrument)
        return []

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    def _frame(self, data: bytes, now: int) -> Actions:
        message = fields_of(data)
        told = self.dialect.read(message)
        match told:
            case Changes() if (instrument := self._requests.get(told.request)) is not None:
                return self._changes(instrument, told, now)
            case Trades() if (instrument := self._requests.get(told.request)) is not None:
                return self._trades(instrument, told, now)
            case Whole() if (instrument := self._requests.get(told.request)) is not None:
                return self._whole(instrument, told, now)
            case Refused():
                return self._refused(told, now)
            case list():
                return [action for one in told for action in self._listed(one, now)]
            case None:
                return self._unknown(f"{message.get(35)}: {shown(data)}", now) if message.get(35) != "B" else NOTHING
        return NOTHING  # of a request that was left

    def _listed(self, one: Listed, now: int) -> list[Action]:
        instrument = self.by_ticker.get(one.symbol)
        if instrument is None:
            return []
        known = instrument.definition
        definition = definition_of(instrument.index, one)
        if known is not None:  # never coarser than levels have shown to be needed
            price = min(known.price_exponent, definition.price_exponent)
            definition = rescaled(definition, price, min(known.qty_exponent, definition.qty_exponent))
        out = self._define(instrument, definition, now)
        if known is None:
            self._subscribe(instrument)
            self._outbox.flush(now, out)
        return out

    def _whole(self, instrument: FixInstrument, told: Whole, now: int) -> list[Action]:
        if instrument.last_id != AWAITED:
            return self._gap(instrument, "a snapshot that nobody asked for", now)
        bids, asks, out = self._read(instrument, told.bids, told.asks, now)
        if bids is None or asks is None:
            self._retry_later(instrument, now)
            return out + self._impossible(instrument, "level of a snapshot", now)
        instrument.book.load(bids, asks)
        instrument.last_id = told.last_id
        self._book_begins(instrument, now, f"in step at {told.last_id}", out)
        self._publish_book(instrument, [], 0, told.last_id, now, out)
        self._publish_top(instrument, 0, told.last_id, out)
        return out

    def _changes(self, instrument: FixInstrument, told: Changes, now: int) -> list[Action]:
        if instrument.last_id == AWAITED:
            return []  # the snapshot comes first, and holds it
        if told.last_id <= instrument.last_id:
            self.counters.duplicates += 1
            return []
        parts = instrument.parts
        if not told.first_id <= told.last_id or (parts and parts[0].first_id != told.first_id):
            return self._gap(instrument, f"updates {told.first_id} to {told.last_id} do not follow", now)
        if told.first_id > instrument.last_id + 1:
            return self._gap(instrument, f"updates {instrument.last_id + 1} to {told.first_id - 1} are missing", now)
        parts.append(told)
        if not told.whole:
            many = sum(len(part.bids) + len(part.asks) for part in parts)
            return self._gap(instrument, f"a change of {many} levels", now) if many > MAX_PARTS else []
        instrument.parts = []
        bids, asks, out = self._read(
            instrument, [one for part in parts for one in part.bids], [one for part in parts for one in part.asks], now
        )
        if bids is None or asks is None:
            self.counters.impossible += 1
            reason = f"impossible level in updates {told.first_id} to {told.last_id}"
            return out + (self._resync(instrument, reason, now) if instrument.last_id != AWAITED else [])
        if instrument.last_id == AWAITED:
            return out  # finer levels than before: the book begins anew
        instrument.last_id = told.last_id
        self._publish_book(instrument, instrument.book.apply(bids, asks), told.ts, told.last_id, now, out)
        self._publish_top(instrument, told.ts, told.last_id, out)
        return out

    def _trades(self, instrument: FixInstrument, told: Trades, now: int) -> list[Action]:
        out: list[Action] = []
        for one in told.trades:
            try:
                price = to_mantissa(one.price, instrument.price_exponent)
                qty = to_mantissa(one.qty, instrument.qty_exponent)
            except FixedError:
                price = qty = 0
            if not instrument.possible(price, qty):
                out += self._impossible(instrument, f"trade {one.trade_id}: {one.price} {one.qty}", now)
            elif self._is_new(instrument, one.trade_id, now, out):
                quality = instrument.book.quality
                out.append(
                    Trade(instrument.index, one.trade_id, price, qty, one.aggressor, quality, one.ts, one.trade_id)
                )
        return out

    def _refused(self, told: Refused, now: int) -> list[Action]:
        """The instrument comes back by its own recovery; one that the venue does not know is down."""
        request = told.request or self._sent.get(told.seq, "")
        instrument = self._requests.get(request)
        self.counters.errors += 1
        out: list[Action] = []
        if instrument is None:
            self._say("refused", f"the venue refused message {told.seq or request}: {told.reason}", now, out)
        elif told.unknown:
            self._set_state(instrument, DOWN, RESYNC, f"the venue does not know {instrument.ticker}", out)
        else:
            self._say(
                f"refused.{instrument.index}", f"the venue refused {request}: {told.reason}", now, out, instrument
            )
            if request == instrument.trades_request:
                instrument.trades_request, instrument.trades_again = "", now + TRADES_RETRY_NS
            elif request == instrument.book_request:
                del self._requests[request]
                instrument.book_request = ""
        return out

    # ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(
        self, instrument: FixInstrument, bids: Levels, asks: Levels, now: int
    ) -> tuple[list[Change] | None, list[Change] | None, list[Action]]:
        """Both sides as integers, None of what cannot be; and what follows where they need finer exponents than the
        definition said (orders that rest since before a change of its steps)."""
        try:
            exponents = instrument.price_exponent, instrument.qty_exponent
            return _mantissas(bids, *exponents), _mantissas(asks, *exponents), []
        except FixedError:
            known = instrument.definition
            assert known is not None, "what was asked for was defined"
        try:
            price = min([known.price_exponent, *(exponent_of(one[0]) for one in (*bids, *asks))])
            qty = min([known.qty_exponent, *(exponent_of(one[1]) for one in (*bids, *asks))])
            if min(price, qty) < FINEST or (price, qty) == exponents:
                return None, None, []
            out = self._define(instrument, rescaled(known, price, qty), now)
            return _mantissas(bids, price, qty), _mantissas(asks, price, qty), out
        except FixedError:
            return None, None, []


def _mantissas(levels: Levels, price_exponent: int, qty_exponent: int) -> list[Change] | None:
    """Raises FixedError where a digit would be lost."""
    found = [(to_mantissa(price, price_exponent), to_mantissa(qty, qty_exponent)) for price, qty in levels]
    return found if all(0 < price <= MAX_MANTISSA and 0 <= qty <= MAX_MANTISSA for price, qty in found) else None


def definition_of(index: int, one: Listed) -> InstrumentDefined:
    """Raises FixedError."""
    price, qty = exponent_of(one.tick_size), min(exponent_of(one.lot_size), exponent_of(one.max_qty))
    return InstrumentDefined(
        instrument=index,
        ticker=one.symbol,
        price_exponent=price,
        qty_exponent=qty,
        tick_size=to_mantissa(one.tick_size, price),
        lot_size=to_mantissa(one.lot_size, qty),
        max_qty=to_mantissa(one.max_qty, qty),
    )
