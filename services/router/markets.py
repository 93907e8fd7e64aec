"""Fold of what venues publish into one market per instrument: books, last price, volume.

Every record carries its venue's number in header.source and the router's instrument in header.instrument. A feed may
count in other exponents than the router's instrument; its figures are rescaled exactly or refused, never rounded. A
book that could not be followed is stale until its next whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from services.router.interfaces import VenueBook
from services.router.venue_levels import Levels
from tapewire import messages as m
from tapewire.fixed import MAX_MANTISSA

_LIVE, _CROSSED, _STALE = m.BookQuality.live, m.BookQuality.crossed, m.BookQuality.stale


class MarketChange(NamedTuple):
    """What a record changed, for those who follow that market."""

    instrument: int
    """0: every instrument of the venue."""
    venue: int
    trades: tuple[tuple[int, int], ...] = ()
    """(price, quantity) at the instrument's exponents; the quantity of one that was taken back is negative."""
    refused: str = ""
    """Why the record could not be taken as it was; empty: it was."""


class _Refused(Exception):
    """Never leaves this module: a figure that the instrument's exponents cannot hold."""


class View:
    """One instrument's market. Stays the same object and moves on with the tape."""

    def __init__(self, definition: m.InstrumentDefinition) -> None:
        self.definition = definition
        self.books: list[VenueBook] = []
        self.last = 0
        self.volume = 0
        self._by_venue: dict[int, VenueBook] = {}

    @property
    def instrument(self) -> int:
        return self.definition.instrument

    @property
    def tick(self) -> int:
        return max(self.definition.tick_size, 1)

    @property
    def lot(self) -> int:
        return max(self.definition.lot_size, 1)

    @property
    def best_bid(self) -> int:
        return max((b.bids[0][0] for b in self.books if b.quality == _LIVE and b.bids), default=0)

    @property
    def best_ask(self) -> int:
        return min((b.asks[0][0] for b in self.books if b.quality == _LIVE and b.asks), default=0)

    def book(self, venue: int, state: m.VenueState) -> VenueBook:
        """Of a venue, made empty and stale if it is the first time that it is named."""
        book = self._by_venue.get(venue)
        if book is None:
            book = self._by_venue[venue] = VenueBook(venue, state, _STALE, [], [], 0)
            self.books = sorted(self._by_venue.values(), key=lambda b: b.venue)
        return book


class Markets:
    """All instruments of the router. Deterministic: the same records give the same views."""

    def __init__(self) -> None:
        self.venues: dict[int, m.VenueState] = {}
        """How the session to each venue stands, as VenueChanged said last."""
        self._views: dict[int, View] = {}
        self._markets: dict[int, dict[int, m.MarketDefinition]] = {}
        self._levels: dict[tuple[int, int], Levels] = {}
        self._exponents: dict[tuple[int, int], tuple[int, int]] = {}
        self._folds: dict[type[m.Message], Callable[..., MarketChange | None]] = {
            m.Quote: self._quote,
            m.BookSnapshot: self._snapshot,
            m.BookDelta: self._delta,
            m.Trade: self._trade,
            m.TradeBusted: self._busted,
            m.TradeCorrected: self._corrected,
            m.FeedStatus: self._feed,
            m.MarketDefinition: self._market,
            m.InstrumentDefinition: self._instrument,
            m.VenueChanged: self._venue,
        }

    def view(self, instrument: int) -> View:
        """Raises KeyError if no InstrumentDefinition of it was folded."""
        return self._views[instrument]

    def markets(self, instrument: int) -> Mapping[int, m.MarketDefinition]:
        """How the instrument is traded, by venue number; empty if nobody defined it anywhere."""
        return self._markets.get(instrument, {})

    def definition(self, instrument: int) -> m.InstrumentDefinition:
        return self._views[instrument].definition

    def instruments(self) -> list[int]:
        return sorted(self._views)

    def fold(self, record: m.Message) -> MarketChange | None:
        """Takes one record of the router's tape. None: it says nothing of a market that the router knows."""
        fold = self._folds.get(type(record))
        return None if fold is None else fold(record)

    def _instrument(self, record: m.InstrumentDefinition) -> MarketChange | None:
        if record.decision != m.RejectReason.unspecified:
            return None
        view = self._views.get(record.instrument)
        if view is None:
            self._views[record.instrument] = View(record)
        elif _scale(view.definition) != _scale(record):
            # Parents, children and every figure that is kept count in the first ones.
            return MarketChange(
                record.instrument,
                0,
                refused=f"{record.ticker}: its exponents were {_scale(view.definition)} and cannot become "
                f"{_scale(record)} while the router knows it; the definition is not taken",
            )
        else:
            view.definition = record
        return MarketChange(record.instrument, 0)

    def _market(self, record: m.MarketDefinition) -> MarketChange:
        if record.instrument not in self._views:
            return MarketChange(
                record.instrument,
                record.venue,
                refused=f"{record.ticker} at {record.name}: instrument {record.instrument} is not defined; "
                "its InstrumentDefinition must come before",
            )
        self._markets.setdefault(record.instrument, {})[record.venue] = record
        self._book(record.instrument, record.venue)
        return MarketChange(record.instrument, record.venue)

    def _venue(self, record: m.VenueChanged) -> MarketChange:
        self.venues[record.venue] = record.state
        for view in self._views.values():
            if record.venue in (b.venue for b in view.books):
                view.book(record.venue, record.state).state = record.state
        return MarketChange(0, record.venue)

    def _feed(self, record: m.FeedStatus) -> MarketChange | None:
        """A feed, or one book of it, is not to be trusted until its next whole picture."""
        if record.quality == _LIVE:
            return None
        for (venue, instrument), levels in self._levels.items():
            if venue == record.source and record.instrument in (0, instrument):
                levels.lose()
                self._show(venue, instrument, levels, record.ts)
        return MarketChange(record.instrument, record.source)

    def _quote(self, record: m.Quote) -> MarketChange | None:
        def apply(levels: Levels, price: Callable[[int], int], qty: Callable[[int], int]) -> None:
            levels.top(
                record.book_seq,
                record.quality,
                (price(record.bid_price), qty(record.bid_qty)),
                (price(record.ask_price), qty(record.ask_qty)),
            )

        return self._book_record(record, apply)

    def _snapshot(self, record: m.BookSnapshot) -> MarketChange | None:
        def apply(levels: Levels, price: Callable[[int], int], qty: Callable[[int], int]) -> None:
            levels.whole(record.book_seq, record.quality, _rescaled(record.levels, price, qty))

        return self._book_record(record, apply)

    def _delta(self, record: m.BookDelta) -> MarketChange | None:
        def apply(levels: Levels, price: Callable[[int], int], qty: Callable[[int], int]) -> None:
            levels.change(record.book_seq, record.quality, _rescaled(record.levels, price, qty))

        return self._book_record(record, apply)

    def _book_record(
        self,
        record: m.Quote | m.BookSnapshot | m.BookDelta,
        apply: Callable[[Levels, Callable[[int], int], Callable[[int], int]], None],
    ) -> MarketChange | None:
        if record.instrument not in self._views:
            return None
        key = (record.source, record.instrument)
        levels = self._levels.setdefault(key, Levels())
        refused = ""
        try:
            apply(levels, *self._scales(record))
        except _Refused as why:
            refused = f"{record.ticker} of venue {record.source}: {why}; its book is stale until the next snapshot"
            levels.lose()
        self._show(*key, levels, record.ts)
        return MarketChange(record.instrument, record.source, refused=refused)

    def _show(self, venue: int, instrument: int, levels: Levels, now: int) -> None:
        book = self._book(instrument, venue)
        book.bids, book.asks = levels.sides()
        book.seen = now
        book.quality = levels.quality
        if book.quality == _LIVE and book.bids and book.asks and book.bids[0][0] >= book.asks[0][0]:
            book.quality = _CROSSED

    def _book(self, instrument: int, venue: int) -> VenueBook:
        return self._views[instrument].book(venue, self.venues.get(venue, m.VenueState.down))

    def _trade(self, record: m.Trade) -> MarketChange | None:
        if record.instrument not in self._views:
            return None
        self._exponents[record.source, record.instrument] = (record.price_exponent, record.qty_exponent)
        return self._traded(record, [(record.price, record.qty)])

    def _busted(self, record: m.TradeBusted) -> MarketChange | None:
        return self._traded(record, [(record.price, -record.qty)])

    def _corrected(self, record: m.TradeCorrected) -> MarketChange | None:
        return self._traded(record, [(record.old_price, -record.old_qty), (record.price, record.qty)])

    def _traded(
        self, record: m.Trade | m.TradeBusted | m.TradeCorrected, raw: list[tuple[int, int]]
    ) -> MarketChange | None:
        view = self._views.get(record.instrument)
        if view is None:
            return None
        exponents = self._exponents.get((record.source, record.instrument))
        try:
            if exponents is None:
                raise _Refused("a trade is taken back, but none was ever told of this market")
            price, qty = _scale_by(exponents, view.definition)
            trades = tuple((price(p), qty(q)) for p, q in raw)
        except _Refused as why:
            return MarketChange(
                record.instrument,
                record.source,
                refused=f"trade {record.seq} of venue {record.source}, instrument {record.instrument}: {why}; "
                "it is not counted",
            )
        view.volume += sum(q for _, q in trades)
        if isinstance(record, m.Trade):
            view.last = trades[-1][0]
        return MarketChange(record.instrument, record.source, trades)

    def _scales(
        self, record: m.Quote | m.BookSnapshot | m.BookDelta
    ) -> tuple[Callable[[int], int], Callable[[int], int]]:
        return _scale_by((record.price_exponent, record.qty_exponent), self._views[record.instrument].definition)


def _scale(definition: m.InstrumentDefinition) -> tuple[int, int]:
    return definition.price_exponent, definition.qty_exponent


def _scale_by(
    exponents: tuple[int, int], definition: m.InstrumentDefinition
) -> tuple[Callable[[int], int], Callable[[int], int]]:
    """Functions that bring a feed's prices and quantities to the router's exponents, or raise _Refused."""
    return (
        _converter(exponents[0], definition.price_exponent, "price"),
        _converter(exponents[1], definition.qty_exponent, "quantity"),
    )


def _converter(theirs: int, ours: int, what: str) -> Callable[[int], int]:
    if theirs == ours:
        return _same
    power = int(10 ** abs(theirs - ours))

    def up(mantissa: int) -> int:
        if abs(mantissa) * power > MAX_MANTISSA:
            raise _Refused(f"{what} {mantissa} at exponent {theirs} does not fit 64 bits at the router's {ours}")
        return mantissa * power

    def down(mantissa: int) -> int:
        whole, lost = divmod(mantissa, power)
        if lost:
            raise _Refused(f"{what} {mantissa} at exponent {theirs} has more digits than the router's {ours} keeps")
        return whole

    return up if theirs > ours else down


def _same(mantissa: int) -> int:
    return mantissa


def _rescaled(
    levels: Iterable[m.BookLevel], price: Callable[[int], int], qty: Callable[[int], int]
) -> list[tuple[m.Side, int, int]]:
    return [(level.side, price(level.price), qty(level.qty)) for level in levels]
