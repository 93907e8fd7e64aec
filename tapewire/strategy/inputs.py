"""What reached a strategy, in which order: a line for each input, without its contents, which stand on the tapes.

    {"version":1,"strategy":…,"account":…,"name":…,"seed":…}    the run
    ["start",now]  ["end",now]  ["timer",now]
    ["instrument",now,definition]                     base64 of the flat message: known from here on
    ["book",now,feed,ticker,book_seq,seq,ts,ready,quality,told]   the book stands so; told: the strategy was called
    ["market",now,feed,type,seq,instrument]
    ["gap",now,subject,reason,after,before,missing]
    ["report",now,cl_ord_id,seq,order_id]             an event of one of its orders
    ["command",now,seq]  ["event",now,seq]            by a ring: records of its account
    ["not_taken",now,cl_ord_id,why]  ["failed",now,cl_ord_id,asked,why]

With it a replay (tapewire/strategy/relived.py) gives the same decisions to the last. A run that is killed loses the
last moments of it; the rest holds.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from tapewire import messages as m
from tapewire.connection.book import Book
from tapewire.connection.order import Event
from tapewire.connection.values import Gap
from tapewire.errors import StrategyError
from tapewire.strategy.strategy import Strategy
from tapewire.strategy.trader import Port, StrategyOrder, Trader

VERSION: Final = 1
FLUSH_NS: Final = 200_000_000
"""The longest that a line waits for the file, while others come."""
Entry = list[Any]
_BookState = tuple[int, int, int, bool, int]


class Run(msgspec.Struct):
    """Whose inputs they are."""

    strategy: str
    account: int
    name: str
    seed: int
    version: int = VERSION


class Inputs:
    """The file of one run, while it is written."""

    def __init__(self, path: Path, run: Run) -> None:
        """Raises StrategyError: there is such a file already, or it cannot be made."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("xb", buffering=1 << 16)
        except OSError as error:
            raise StrategyError(f"{path}: the inputs of this run cannot be kept there: {error.strerror}") from error
        self._encode = msgspec.json.Encoder().encode
        self._flushed = 0
        self._file.write(self._encode(run) + b"\n")

    def close(self) -> None:
        self._file.close()

    def put(self, kind: str, now: int, *more: object) -> None:
        if self._file.closed:
            return  # the run has ended: sums may go on, and nobody decides any more
        self._file.write(self._encode([kind, now, *more]) + b"\n")
        if now - self._flushed > FLUSH_NS:
            self._flushed = now
            self._file.flush()


class RecordedTrader(Trader):
    """A Trader whose inputs are kept, each before it acts on it."""

    inputs: Inputs

    def keep(self, inputs: Inputs) -> None:
        """Before anything else. Kept are also books and instruments that change without the strategy being told."""
        self.inputs = inputs
        self._within = False
        self._states: dict[tuple[str, str], _BookState] = {}
        self._instruments: set[int] = set()

    def start(self, now: int) -> None:
        self._put("start", now)
        super().start(now)

    def market(self, feed: str, message: m.Message, now: int) -> None:
        if self.ended or isinstance(message, m.BookDelta | m.BookSnapshot):
            super().market(feed, message, now)  # how the book stands then is told by `book_changed`
            return
        self._put("market", now, feed, int(message.TYPE), message.seq, message.instrument)
        self._within = True  # what it does to books, it does in a replay
        try:
            super().market(feed, message, now)
        finally:
            self._within = False

    def book_changed(self, book: Book, now: int) -> None:
        if not self._within:
            self._others(now, book)
            self._put_book(book, now, told=True)
        super().book_changed(book, now)

    def gap(self, gap: Gap, now: int) -> None:
        self._put("gap", now, *gap)
        super().gap(gap, now)

    def command(self, command: m.NewOrder, now: int) -> None:
        self._put("command", now, command.seq)
        super().command(command, now)

    def event(self, event: m.Message, now: int) -> None:
        self._put("event", now, event.seq)
        super().event(event, now)

    def told(self, order: StrategyOrder, event: Event, order_id: int, now: int) -> None:
        self._put("report", now, order.cl_ord_id, event.seq, order_id)
        super().told(order, event, order_id, now)

    def not_taken(self, order: StrategyOrder, why: str, now: int) -> None:
        self._put("not_taken", now, order.cl_ord_id, why)
        super().not_taken(order, why, now)

    def request_failed(self, order: StrategyOrder, why: str, now: int) -> None:
        self._put("failed", now, order.cl_ord_id, order.asked, why)
        super().request_failed(order, why, now)

    def timer(self, now: int) -> None:
        self._put("timer", now)
        super().timer(now)

    def end(self, now: int) -> None:
        self._put("end", now)
        super().end(now)

    def _put(self, kind: str, now: int, *more: object) -> None:
        self._others(now, None)
        self.inputs.put(kind, now, *more)

    def _others(self, now: int, but: Book | None) -> None:
        known = self._port.instruments()
        if len(known) > len(self._instruments):
            for one in known.values():
                if one.id not in self._instruments:
                    self._instruments.add(one.id)
                    self.inputs.put("instrument", now, base64.b64encode(bytes(one.definition)).decode())
        for book in self._books.values():
            if book is not but and self._states.get((book.feed, book.ticker), _EMPTY) != _state(book):
                self._put_book(book, now, told=False)

    def _put_book(self, book: Book, now: int, *, told: bool) -> None:
        self._states[(book.feed, book.ticker)] = state = _state(book)
        self.inputs.put("book", now, book.feed, book.ticker, *state, told)


_EMPTY: Final[_BookState] = (0, 0, 0, False, int(m.BookQuality.unspecified))


def _state(book: Book) -> _BookState:
    return book.book_seq, book.seq, book.ts, book.ready, int(book.said_quality)


def trader_of(strategy: Strategy, port: Port, account: int, name: str, seed: int, folder: Path | None) -> Trader:
    """A trader, whose inputs are kept if there is a folder for them. Raises StrategyError."""
    if folder is None:
        return Trader(strategy, port, account=account, name=name, seed=seed)
    trader = RecordedTrader(strategy, port, account=account, name=name, seed=seed)
    trader.keep(Inputs(path_of(folder, name), Run(type(strategy).__name__, account, name, seed)))
    return trader


def path_of(folder: Path, name: str) -> Path:
    """Where the inputs of a run are."""
    return folder / f"{name}.inputs"


def close(trader: Trader) -> None:
    """Nothing reaches it any more."""
    if isinstance(trader, RecordedTrader):
        trader.inputs.close()


def read(path: Path) -> tuple[Run, list[Entry]]:
    """A run and its inputs, as far as they were written. Raises StrategyError: no such file, or not of this kind."""
    try:
        lines = path.read_bytes().split(b"\n")
        run = msgspec.json.decode(lines[0], type=Run)
        if run.version != VERSION:
            raise StrategyError(f"{path}: inputs of version {run.version}; expected {VERSION}")
        # What follows the last end of a line is a line that was not written whole.
        return run, [msgspec.json.decode(line, type=Entry) for line in lines[1:-1]]
    except (OSError, msgspec.DecodeError) as error:
        raise StrategyError(f"{path}: no inputs of a run: {error}") from error
