"""The house market's public side: a pure fold of the orders tape into market data and private reports.

    tape record                     published
    InstrumentDefinition            <env>.house.instrument.<ticker>   the record itself, once it is known to be taken
    OrderExecuted                   <env>.house.trade.<ticker>        Trade, at once
    TradeBusted, TradeCorrected     <env>.house.trade.<ticker>        the same, without orders and accounts, at once
    InstrumentStatusChanged,        <env>.house.status.<ticker>       the same with ticker and exponents, at once; also
      LimitStateChanged                                               for the status an instrument is defined with
    AuctionIndicated                <env>.house.auction.<ticker>      the same with ticker and exponents, at once
    any event                       <env>.house.exec.<account>        the record itself, to each account it concerns;
                                                                      of a match without what the other side has left
    the last event of a command     <env>.house.book.<ticker>         BookDelta: what the command changed, in one piece
                                    <env>.house.quote.<ticker>        Quote, if the top changed

An order that trades as it arrives is accepted first: between two events of one command the book may be crossed. So
changes are collected per command and published together; what was added and taken away again never shows, nor does what
is hidden. bookSeq is a function of the tape: a restarted publisher goes on with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import msgspec

from tapewire import house_state
from tapewire import messages as m
from tapewire.engine_state import EngineState
from tapewire.errors import WireError
from tapewire.house_book import HouseBook
from tapewire.house_notices import Notice
from tapewire.house_orders import LiveOrders, contradiction
from tapewire.house_reports import reports_of
from tapewire.house_state import State
from tapewire.subjects import subject

FEED = "house"
Publication = tuple[str, bytes]

# Records that a writer puts on the tape by itself: they belong to no command and end none.
ASIDE = frozenset({m.MessageType.epoch_started, m.MessageType.input_refused, m.MessageType.segment_header})


class HouseMarket:
    """Feed it every record of an orders tape in order; it gives what to publish as (subject, payload) pairs."""

    def __init__(self, env: str) -> None:
        self._env = env
        self._orders = LiveOrders()
        self._books: dict[int, HouseBook] = {}
        self._by_ticker: dict[str, HouseBook] = {}
        self._touched: dict[int, HouseBook] = {}
        self._definition: m.InstrumentDefinition | None = None
        self._group = 0
        self._last: m.Message | None = None
        self._seq = 0
        self._out: list[Publication] = []
        self.quiet = False
        """While true nothing is made to publish; the state and all numbers move on. For catching up after a restart."""
        self.reports = True
        """While false no reports to accounts are made. For a reader who may pass on what is public alone."""
        self.changed_books: list[HouseBook] | None = None
        """A list here collects the books that commands changed, quiet or not; whoever set it empties it. `changed` and
        `top_changed` of a book say what its last command did."""

    @property
    def seq(self) -> int:
        """The last record folded; 0 before the first."""
        return self._seq

    @property
    def live_orders(self) -> int:
        return len(self._orders)

    @property
    def tickers(self) -> list[str]:
        """Of the instruments that are listed."""
        return [ticker for ticker in self._by_ticker if self.book(ticker)]

    def book_of(self, instrument: int) -> HouseBook | None:
        """The book of an instrument, listed or not any more; None if it was never defined."""
        return self._books.get(instrument)

    def book(self, ticker: str) -> HouseBook | None:
        """The book of a ticker as far as it has been published; None if no listed instrument has it."""
        book = self._by_ticker.get(ticker)
        return book if book and book.listed and book.ticker == ticker else None

    def fold(self, raw: bytes) -> list[Publication]:
        """Takes the next record. Raises EngineStopped if it contradicts what came before."""
        return self.fold_record(m.decode(raw))

    def fold_record(self, record: m.Message) -> list[Publication]:
        """As `fold`, of a record that is decoded already."""
        if record.TYPE not in ASIDE:
            group = record.cause or record.seq
            if group != self._group:
                self._settle()
                self._group = group
            # The head of what is published at the command's end, wherever the reader paused.
            self._last = record
        if self._definition is not None and record.cause == self._definition.seq:
            self._answer_definition(self._definition, record)
        self._seq = record.seq
        if (fold := FOLDS.get(record.TYPE)) is not None:
            fold(self, record)
        out, self._out = self._out, []
        return out

    def settle(self) -> list[Publication]:
        """Ends the command under way: to be called at the released end of the tape, where no command is half there."""
        self._settle()
        out, self._out = self._out, []
        return out

    @property
    def between_commands(self) -> bool:
        """Whether nothing waits for the end of a command; `state` is taken only then."""
        return not self._touched and self._definition is None

    def state(self) -> bytes:
        """What `restored` goes on from. Equal folds give equal bytes."""
        assert self.between_commands, "a state in the middle of a command would lose what that changed"
        instruments = [
            house_state.Instrument(bytes(book.definition), book.book_seq, book.at, book.notices.latest)
            for _, book in sorted(self._books.items())
        ]
        tickers = {ticker: book.definition.instrument for ticker, book in self._by_ticker.items()}
        orders = self._orders.kept()
        return msgspec.msgpack.encode(State(house_state.STATE_VERSION, self._seq, instruments, tickers, orders))

    @classmethod
    def restored(cls, env: str, state: bytes) -> Self:
        """The fold that gave `state`. Raises WireError for other bytes."""
        return cls._of(env, house_state.decode(state))

    @classmethod
    def of_engine(cls, env: str, engine: EngineState) -> Self:
        """As the fold of all records up to `engine` stands, but for what house_state.py says. Raises WireError."""
        return cls._of(env, house_state.of_engine(env, engine))

    @classmethod
    def _of(cls, env: str, kept: State) -> Self:
        made = cls(env)
        try:
            for one in kept.instruments:
                book = HouseBook(env, m.InstrumentDefinition.decode(one.definition))
                made._books[book.definition.instrument] = book
                book.book_seq, book.at = one.book_seq, one.at
                book.notices.restore(one.notices)
            made._by_ticker = {ticker: made._books[instrument] for ticker, instrument in kept.tickers.items()}
            made._orders.restore(kept.orders, made._books)
            for book in made._books.values():
                book.settled()
        except (KeyError, ValueError, AssertionError) as error:
            raise WireError(f"not the state of a house market: {error}") from error
        made._seq = kept.seq
        return made

    # -- the end of a command

    def _settle(self) -> None:
        if not self._touched:
            return
        assert self._last is not None
        for book in self._touched.values():
            self._out += book.settle(self._last, self.quiet)
            if book.changed and self.changed_books is not None:
                self.changed_books.append(book)
        self._touched.clear()

    # -- instruments

    def _on_definition(self, record: m.InstrumentDefinition) -> None:
        # The matcher may still refuse it: its first event says.
        self._definition = None if record.decision else record

    def _answer_definition(self, definition: m.InstrumentDefinition, first_event: m.Message) -> None:
        self._definition = None
        if isinstance(first_event, m.OrderRejected):
            return
        book = self._books.get(definition.instrument)
        new = book is None or not book.listed
        if book is None:
            book = self._books[definition.instrument] = HouseBook(self._env, definition)
        else:
            book.define(definition)
        # Whoever has followed this ticker must not see its bookSeq fall, whichever instrument bore it before.
        if (before := self._by_ticker.get(book.ticker)) is not None:
            book.book_seq = max(book.book_seq, before.book_seq)
        self._by_ticker[book.ticker] = book
        self._publish(subject(self._env, FEED, "instrument", book.ticker), bytes(definition))
        if new:
            self._notify(book.notices.opened(definition))

    def _on_status(self, record: m.InstrumentStatusChanged) -> None:
        self._notify(self._known(record).notices.changed(record))

    def _on_limit(self, record: m.LimitStateChanged) -> None:
        self._notify(self._known(record).notices.limit(record))

    def _on_indicated(self, record: m.AuctionIndicated) -> None:
        self._notify(self._known(record).notices.indicated(record))

    # -- orders

    def _on_accepted(self, record: m.OrderAccepted) -> None:
        self._orders.accepted(record, self._changing(record))
        self._report(record)

    def _on_triggered(self, record: m.OrderTriggered) -> None:
        self._changing(record)
        self._orders.triggered(record)
        self._report(record)

    def _on_restated(self, record: m.OrderRestated) -> None:
        self._changing(record)
        self._orders.restated(record)
        self._report(record)

    def _on_cancelled(self, record: m.OrderCancelled) -> None:
        self._changing(record)
        self._orders.cancelled(record)
        self._report(record)

    def _on_replaced(self, record: m.OrderReplaced) -> None:
        self._changing(record)
        self._orders.replaced(record)
        self._report(record)

    # -- trades

    def _on_executed(self, record: m.OrderExecuted) -> None:
        book = self._changing(record)
        self._orders.executed(record)
        if self.quiet:
            return
        self._out.append(book.trade(record))
        self._report(record)

    def _on_busted(self, record: m.TradeBusted) -> None:
        # No core checks the instrument an operator names here: under one that never was, only the accounts are told.
        if (book := self._books.get(record.instrument)) is not None:
            self._notify(book.notices.busted(record))
        self._report(record)

    def _on_corrected(self, record: m.TradeCorrected) -> None:
        if (book := self._books.get(record.instrument)) is not None:
            self._notify(book.notices.corrected(record))
        self._report(record)

    # -- helpers

    def _known(self, record: m.Message) -> HouseBook:
        book = self._books.get(record.instrument)
        if book is None:
            raise contradiction(record, f"instrument {record.instrument} was never defined")
        return book

    def _changing(self, record: m.Message) -> HouseBook:
        """The book that this command may have changed."""
        book = self._touched[record.instrument] = self._known(record)
        return book

    def _report(self, record: m.Message) -> None:
        """Sends an event to the accounts it concerns."""
        if self.reports and not self.quiet:
            self._out += [
                (subject(self._env, FEED, "exec", account), payload) for account, payload in reports_of(record)
            ]

    def _notify(self, notice: Notice) -> None:
        self._publish(*notice)

    def _publish(self, to: str, payload: bytes) -> None:
        if not self.quiet:
            self._out.append((to, payload))


FOLDS: dict[int, Callable[[HouseMarket, Any], None]] = {
    m.MessageType.instrument_definition: HouseMarket._on_definition,
    m.MessageType.order_accepted: HouseMarket._on_accepted,
    m.MessageType.order_executed: HouseMarket._on_executed,
    m.MessageType.order_cancelled: HouseMarket._on_cancelled,
    m.MessageType.order_replaced: HouseMarket._on_replaced,
    m.MessageType.order_triggered: HouseMarket._on_triggered,
    m.MessageType.order_restated: HouseMarket._on_restated,
    m.MessageType.order_rejected: HouseMarket._report,
    m.MessageType.cancel_rejected: HouseMarket._report,
    m.MessageType.command_completed: HouseMarket._report,
    m.MessageType.instrument_status_changed: HouseMarket._on_status,
    m.MessageType.limit_state_changed: HouseMarket._on_limit,
    m.MessageType.auction_indicated: HouseMarket._on_indicated,
    m.MessageType.trade_busted: HouseMarket._on_busted,
    m.MessageType.trade_corrected: HouseMarket._on_corrected,
}
"""Of the class and not of the object: an object that refers to its own methods is freed by the collector alone."""
