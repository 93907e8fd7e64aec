"""The house market's public side: a pure fold of the orders tape into trades, quotes, books and private reports.

    tape record                     published
    InstrumentDefinition            <env>.house.instrument.<ticker>   the record itself, once it is known to be taken
    OrderExecuted                   <env>.house.trade.<ticker>        Trade, at once
    any event                       <env>.house.exec.<account>        the record itself, to each account it concerns
    the last event of a command     <env>.house.book.<ticker>         BookDelta: what the command changed, in one piece
                                    <env>.house.quote.<ticker>        Quote, if the top changed

An order that trades as it arrives is accepted first: between two events of one command the book may be crossed. So
changes are collected per command and published together; what was added and taken away again never shows. bookSeq
is a function of the tape: a restarted publisher goes on with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import msgspec

from tapewire import messages as m
from tapewire.errors import EngineStopped, WireError
from tapewire.house_book import HouseBook
from tapewire.subjects import subject

FEED = "house"
STATE_VERSION = 1
Publication = tuple[str, bytes]

# Records that a writer puts on the tape by itself: they belong to no command and end none.
_ASIDE = frozenset({m.MessageType.epoch_started, m.MessageType.input_refused, m.MessageType.segment_header})


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A fold between two commands. Levels are not in it: they follow from the orders."""

    version: int
    seq: int
    books: list[tuple[bytes, int, tuple[int, int]]]
    """Definition, bookSeq, and where the book stands: (seq, ts)."""
    orders: list[tuple[int, int, int, int, int]]
    """OrderID, instrument, side, price, leaves."""


class _Order:
    """What the fold must know of a live order."""

    __slots__ = ("book", "leaves", "price", "side")

    def __init__(self, book: HouseBook, side: m.Side, price: int, leaves: int) -> None:
        self.book, self.side, self.price, self.leaves = book, side, price, leaves


class HouseMarket:
    """Feed it every record of an orders tape in order; it gives what to publish as (subject, payload) pairs."""

    def __init__(self, env: str) -> None:
        self._env = env
        self._orders: dict[int, _Order] = {}
        self._books: dict[int, HouseBook] = {}
        self._by_ticker: dict[str, HouseBook] = {}
        self._touched: dict[int, HouseBook] = {}
        self._definition: m.InstrumentDefinition | None = None
        self._group = 0
        self._last: m.Message | None = None
        self._seq = 0
        self._out: list[Publication] = []
        self._folds: dict[int, Callable[[m.Message], None]] = {
            m.MessageType.instrument_definition: self._on_definition,  # type: ignore[dict-item]
            m.MessageType.order_accepted: self._on_accepted,  # type: ignore[dict-item]
            m.MessageType.order_rejected: self._on_rejected,  # type: ignore[dict-item]
            m.MessageType.order_cancelled: self._on_cancelled,  # type: ignore[dict-item]
            m.MessageType.order_replaced: self._on_replaced,  # type: ignore[dict-item]
            m.MessageType.order_executed: self._on_executed,  # type: ignore[dict-item]
            m.MessageType.cancel_rejected: self._report_own,
        }
        self.quiet = False
        """While true nothing is made to publish; the state and all numbers move on. For catching up after a restart."""

    @property
    def seq(self) -> int:
        """The last record folded; 0 before the first."""
        return self._seq

    @property
    def live_orders(self) -> int:
        return len(self._orders)

    @property
    def tickers(self) -> list[str]:
        return list(self._by_ticker)

    def book(self, ticker: str) -> HouseBook | None:
        """The book of a ticker as far as it has been published; None if there is no such instrument."""
        return self._by_ticker.get(ticker)

    def fold(self, raw: bytes) -> list[Publication]:
        """Takes the next record. Raises EngineStopped if it contradicts what came before."""
        record = m.decode(raw)
        if record.TYPE not in _ASIDE:
            group = record.cause or record.seq
            if group != self._group:
                self._settle()
                self._group = group
            self._last = record
        self._seq = record.seq
        if (fold := self._folds.get(record.TYPE)) is not None:
            fold(record)
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
        books = [(bytes(book.definition), book.book_seq, book.at) for _, book in sorted(self._books.items())]
        orders = [
            (order_id, order.book.definition.instrument, int(order.side), order.price, order.leaves)
            for order_id, order in sorted(self._orders.items())
        ]
        return msgspec.msgpack.encode(_State(STATE_VERSION, self._seq, books, orders))

    @classmethod
    def restored(cls, env: str, state: bytes) -> Self:
        """The fold that gave `state`. Raises WireError for other bytes."""
        try:
            kept = msgspec.msgpack.decode(state, type=_State)
            if kept.version != STATE_VERSION:
                raise WireError(f"state of a house market: version {kept.version}, expected {STATE_VERSION}")
            made = cls(env)
            for raw, book_seq, at in kept.books:
                book = HouseBook(env, m.InstrumentDefinition.decode(raw))
                made._books[book.definition.instrument] = made._by_ticker[book.ticker] = book
                book.book_seq, book.at = book_seq, at
            for order_id, instrument, side, price, leaves in kept.orders:
                order = _Order(made._books[instrument], m.Side(side), price, leaves)
                made._orders[order_id] = order
                order.book.change(order.side, price, leaves, +1)
            for book in made._books.values():
                book.settled()
        except (msgspec.DecodeError, KeyError, ValueError, AssertionError) as error:
            raise WireError(f"not the state of a house market: {error}") from error
        made._seq = kept.seq
        return made

    # -- the end of a command

    def _settle(self) -> None:
        if self._definition is not None:
            self._define(self._definition)
            self._definition = None
        if not self._touched:
            return
        assert self._last is not None
        for book in self._touched.values():
            self._out += book.settle(self._last, self.quiet)
        self._touched.clear()

    def _define(self, definition: m.InstrumentDefinition) -> None:
        known = self._books.get(definition.instrument)
        if known is None:
            known = self._books[definition.instrument] = HouseBook(self._env, definition)
        else:
            self._by_ticker.pop(known.ticker, None)
            known.define(definition)
        self._by_ticker[known.ticker] = known
        self._publish(subject(self._env, FEED, "instrument", known.ticker), bytes(definition))

    # -- records

    def _on_definition(self, record: m.InstrumentDefinition) -> None:
        # The matcher may still refuse it, by an OrderRejected with this record as its cause.
        if not record.decision:
            self._definition = record

    def _on_rejected(self, record: m.OrderRejected) -> None:
        if self._definition is not None and record.cause == self._definition.seq:
            self._definition = None
        self._report_own(record)

    def _on_accepted(self, record: m.OrderAccepted) -> None:
        book = self._book_of(record)
        self._orders[record.order_id] = _Order(book, record.side, record.price, record.qty)
        book.change(record.side, record.price, record.qty, +1)
        self._report_own(record)

    def _on_executed(self, record: m.OrderExecuted) -> None:
        book = self._book_of(record)
        for order_id, leaves in (
            (record.maker_order_id, record.maker_leaves_qty),
            (record.taker_order_id, record.taker_leaves_qty),
        ):
            order = self._live(order_id, record)
            if order.leaves - record.qty != leaves:
                raise self._contradiction(
                    record, f"order {order_id} had {order.leaves} left, not {leaves + record.qty}"
                )
            order.leaves = leaves
            if leaves == 0:
                del self._orders[order_id]
            book.change(order.side, order.price, -record.qty, 0 if leaves else -1)
        if not self.quiet:
            self._out.append(book.trade(record))
            self._report(record, record.maker_account)
            if record.taker_account != record.maker_account:
                self._report(record, record.taker_account)

    def _on_cancelled(self, record: m.OrderCancelled) -> None:
        order = self._live(record.order_id, record)
        if order.leaves != record.cancelled_qty:
            raise self._contradiction(record, f"it had {order.leaves} left, not {record.cancelled_qty}")
        del self._orders[record.order_id]
        self._book_of(record).change(order.side, order.price, -order.leaves, -1)
        self._report_own(record)

    def _on_replaced(self, record: m.OrderReplaced) -> None:
        order, book = self._live(record.order_id, record), self._book_of(record)
        if (order.price, order.leaves) != (record.old_price, record.old_leaves_qty):
            raise self._contradiction(record, f"it stood at {order.price} with {order.leaves} left")
        book.change(order.side, order.price, -order.leaves, -1)
        order.price, order.leaves = record.price, record.leaves_qty
        if order.leaves:
            book.change(order.side, order.price, order.leaves, +1)
        else:
            del self._orders[record.order_id]
        self._report_own(record)

    # -- helpers

    def _book_of(self, record: m.Message) -> HouseBook:
        book = self._books.get(record.instrument)
        if book is None:
            raise self._contradiction(record, f"instrument {record.instrument} was never defined")
        self._touched[record.instrument] = book
        return book

    def _live(self, order_id: int, record: m.Message) -> _Order:
        order = self._orders.get(order_id)
        if order is None:
            raise self._contradiction(record, f"order {order_id} is not live")
        return order

    def _contradiction(self, record: m.Message, what: str) -> EngineStopped:
        return EngineStopped(
            f"house market: record {record.seq} ({m.MessageType(record.TYPE).name}) contradicts the tape before it: "
            f"{what}. Run `tapewire verify` on this tape"
        )

    def _report_own(self, record: m.Message) -> None:
        """An event that concerns one account."""
        self._report(record, record.account)  # type: ignore[attr-defined]

    def _report(self, record: m.Message, account: int) -> None:
        if account:
            self._publish(subject(self._env, FEED, "exec", account), bytes(record))

    def _publish(self, to: str, payload: bytes) -> None:
        if not self.quiet:
            self._out.append((to, payload))
