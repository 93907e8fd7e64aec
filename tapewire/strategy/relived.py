"""A recorded run once more, input by input: the same decisions to the last, or the first that is another one.

    inputs (order, times) ─┐
    orders tape ──fold────▶├──▶ Trader ──▶ strategy ──▶ commands, compared with those of then
    tapes md.<feed> ──────▶┘

Nothing it sends goes anywhere.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, cast

from tapewire import house, order_bus
from tapewire import messages as m
from tapewire.connection.book import Book
from tapewire.connection.instrument import Instrument
from tapewire.connection.order import Event
from tapewire.connection.values import Gap
from tapewire.errors import StrategyError
from tapewire.house import HouseMarket
from tapewire.house_reports import reports_of
from tapewire.strategy.inputs import read
from tapewire.strategy.report import RunReport
from tapewire.strategy.strategy import Strategy
from tapewire.strategy.trader import StrategyOrder, Trader
from tapewire.tape import TapeReader

PROGRESS_EVERY: Final = 4096
BookMessage = m.BookSnapshot | m.BookDelta


class _Key(NamedTuple):
    """A message of a market."""

    type: int
    seq: int
    instrument: int


class _Market:
    """What a feed told, off its tape, as far as it is asked for: messages by their numbers, changes of books in order.

    `wanted`: the messages that will be asked for; others are not kept.
    """

    def __init__(self, feed: str, messages: Iterator[m.Message], wanted: set[_Key], tickers: set[str]) -> None:
        self._feed, self._messages, self._wanted, self._tickers = feed, messages, wanted, tickers
        self._found: dict[_Key, m.Message] = {}
        self._begun: set[str] = set()
        """Tickers whose book stands on a snapshot."""
        self._changes: dict[str, deque[BookMessage]] = {ticker: deque() for ticker in tickers}

    def message(self, key: _Key) -> m.Message:
        while key not in self._found:
            self._next(f"message {key.seq} ({m.MessageType(key.type).name})")
        return self._found[key]

    def to(self, book: Book, book_seq: int) -> None:
        """Takes a book's changes in, up to `book_seq`."""
        changes = self._changes[book.ticker]
        while book.book_seq < book_seq:
            while not changes:
                self._next(f"change {book_seq} of the book of {book.ticker}")
            if changes[0].book_seq > book_seq:
                break
            change = changes.popleft()
            if isinstance(change, m.BookSnapshot) or book.ticker in self._begun:
                self._begun.add(book.ticker)
                book.stand(book.seq, 0, True, m.BookQuality.live)  # what is missing live is here
                book.apply(change)
        if book.book_seq != book_seq:
            raise StrategyError(f"{self._feed} {book.ticker}: its book never had bookSeq {book_seq} on this tape")

    def _next(self, wanted: str) -> None:
        message = next(self._messages, None)
        if message is None:
            raise StrategyError(f"{self._feed}: {wanted} was told then, and is not on its tape")
        if isinstance(message, BookMessage):
            if message.ticker in self._tickers:
                self._changes[message.ticker].append(message)
            return
        key = _Key(int(message.TYPE), message.seq, message.instrument)
        if key in self._wanted:
            self._found[key] = message


class Relived:
    """One run by its inputs. `tape`: the orders tape of then; venues' tapes lie beside it."""

    def __init__(self, strategy: Strategy, tape: Path, inputs: Path) -> None:
        """Raises StrategyError: no inputs, or of another strategy."""
        self.run_then, self._entries = read(inputs)
        if self.run_then.strategy != type(strategy).__name__:
            raise StrategyError(f"{inputs}: of a {self.run_then.strategy}, not a {type(strategy).__name__}")
        self.tape = tape
        self.account, self.name = self.run_then.account, self.run_then.name
        self.trader = Trader(strategy, self, account=self.account, name=self.name, seed=self.run_then.seed)
        self.now: dict[str, tuple[int, m.Message]] = {}
        """What it decided, by ClOrdID: the number of the command, and the command."""
        self.untaken: set[str] = set()
        """ClOrdIDs of what nobody took then."""
        self._known: dict[str, Instrument] = {}
        self._orders: dict[str, StrategyOrder] = {}
        self._books: dict[tuple[str, str], Book] = {}
        self._records: dict[int, m.Message] = {}
        self._markets = self._sources()
        self._reader = TapeReader(tape, None)
        if self._reader.first_seq > 1:
            raise StrategyError(f"{tape}: begins with record {self._reader.first_seq}: no book can be built from there")

    def play(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """All inputs. Raises StrategyError: one is not on its tape, or the strategy has gone another way."""
        self.trader.on_sent = self._decided
        for number, (kind, now, *more) in enumerate(self._entries, 1):
            getattr(self, f"_on_{kind}")(now, *more)
            if not number % PROGRESS_EVERY:
                progress(number)
        self._reader.close()

    # -- inputs

    def _on_start(self, now: int) -> None:
        self.trader.start(now)

    def _on_end(self, now: int) -> None:
        self.trader.end(now)

    def _on_timer(self, now: int) -> None:
        self.trader.timer(now)

    def _on_instrument(self, now: int, definition: str) -> None:
        one = Instrument(m.InstrumentDefinition.decode(base64.b64decode(definition)))
        self._known[one.ticker] = one

    def _on_book(
        self, now: int, feed: str, ticker: str, book_seq: int, seq: int, ts: int, ready: bool, quality: int, told: bool
    ) -> None:
        book = self.trader.book(feed, ticker)
        self._markets[feed].to(book, book_seq)
        book.stand(seq, ts, ready, m.BookQuality(quality))
        if told:
            self.trader.events += 1
            self.trader.book_changed(book, now)

    def _on_market(self, now: int, feed: str, kind: int, seq: int, instrument: int) -> None:
        self.trader.market(feed, self._markets[feed].message(_Key(kind, seq, instrument)), now)

    def _on_gap(self, now: int, *gap: object) -> None:
        self.trader.gap(Gap(*gap), now)  # type: ignore[arg-type]

    def _on_report(self, now: int, cl_ord_id: str, seq: int, order_id: int) -> None:
        told = dict(reports_of(self._record(seq)))[self.account]
        self.trader.told(self._order(cl_ord_id), cast("Event", m.decode(told)), order_id, now)

    def _on_command(self, now: int, seq: int) -> None:
        self.trader.command(cast("m.NewOrder", self._record(seq)), now)

    def _on_event(self, now: int, seq: int) -> None:
        self.trader.event(m.decode(dict(reports_of(self._record(seq)))[self.account]), now)

    def _on_not_taken(self, now: int, cl_ord_id: str, why: str) -> None:
        self.untaken.add(cl_ord_id)
        self.trader.not_taken(self._order(cl_ord_id), why, now)

    def _on_failed(self, now: int, cl_ord_id: str, asked: str, why: str) -> None:
        self.untaken.add(asked)
        self.trader.request_failed(self._order(cl_ord_id), why, now)

    # -- what the trader asks

    def send(self, command: order_bus.Command, order: StrategyOrder) -> None:
        if isinstance(command, m.NewOrder):
            self._orders[command.client_text] = order

    def watch(self, feed: str, ticker: str) -> None:
        """What it watches, it is told of in the order of then."""

    def instruments(self) -> dict[str, Instrument]:
        return self._known

    def _decided(self, command: order_bus.Command) -> None:
        assert not isinstance(command, m.MassCancel), "a strategy sends none"
        self.now[command.client_text] = (len(self.now) + 1, command)

    # -- the tapes

    def _order(self, cl_ord_id: str) -> StrategyOrder:
        if cl_ord_id not in self._orders:
            raise StrategyError(f"{cl_ord_id} was an order of then, and was not entered now: see the first difference")
        return self._orders[cl_ord_id]

    def _record(self, seq: int) -> m.Message:
        self._reader.seek_seq(seq)
        return m.decode(self._reader.poll(1)[0])

    def _sources(self) -> dict[str, _Market]:
        wanted: dict[str, set[_Key]] = {}
        tickers: dict[str, set[str]] = {}
        for kind, _, *more in self._entries:
            if kind == "market":
                wanted.setdefault(more[0], set()).add(_Key(*more[1:]))
            elif kind == "book":
                tickers.setdefault(more[0], set()).add(more[1])
        return {
            feed: _Market(
                feed,
                _house(self.tape) if feed == house.FEED else _venue(self.tape.with_name(f"md.{feed}")),
                wanted.get(feed, set()),
                tickers.get(feed, set()),
            )
            for feed in {*wanted, *tickers}
        }


def _house(tape: Path) -> Iterator[m.Message]:
    """What the house published; a book's beginning is a snapshot."""
    market, begun = HouseMarket(house.FEED), set[str]()
    with TapeReader(tape, None) as reader:
        for raw in reader:
            for to, payload in market.fold(raw):
                message = m.decode(payload)
                if isinstance(message, m.InstrumentDefinition) and message.ticker not in begun:
                    book = market.book(message.ticker)
                    if book is not None:
                        begun.add(message.ticker)
                        yield m.decode(book.snapshot())
                if ".exec." not in to:
                    yield message
    yield from (m.decode(payload) for to, payload in market.settle() if ".exec." not in to)


def _venue(tape: Path) -> Iterator[m.Message]:
    with TapeReader(tape, None) as reader:
        for raw in reader:
            yield m.decode(raw)


def relive(strategy: Strategy, tape: Path, inputs: Path, progress: Callable[[int], None] = lambda _: None) -> RunReport:
    """Plays a run's inputs to a strategy, and reports what it decided otherwise than then. Raises StrategyError."""
    import time

    from tapewire.strategy.replaying import compared, said, sent
    from tapewire.strategy.report import report_of

    began, again = time.perf_counter(), Relived(strategy, tape, inputs)
    again.play(progress)
    then = sent(tape, again.account, again.name)
    now = {
        text: (number, said(command))
        for text, (number, command) in again.now.items()
        if text not in again.untaken or text in then
    }
    report = report_of("replay", tape, again.trader, 0, time.perf_counter() - began)
    return compared(report, now, then)
