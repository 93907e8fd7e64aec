"""What the tables are run on: the oracle, the compiled core, and the whole stack with its rings and tape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from services.engine import Audit, Engine
from services.engine.producers import InboundRing
from services.matcher import Matcher
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.house import HouseMarket
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader
from tests.acceptance.fold import SIDES, Book
from tests.acceptance.sentences import MIDNIGHT, OPENED, SECOND
from tests.oracle.naive_book import NaiveMatcher
from tests.tapes import in_memory_folder

NINE = MIDNIGHT + 9 * 3600 * SECOND
"""When every table begins."""
GROUPS = 1 << 20
"""A self-trade group g that was given is this much above g, so that it is no account's number."""
DEEP = 1 << 20

ORDER_TERMS = (
    *("instrument", "side", "qty", "account", "price", "ord_type", "time_in_force", "post_only", "stop_px"),
    *("display_qty", "min_qty", "expire_time", "session", "hidden", "slide", "self_trade"),
)

Answered = tuple[m.Message, list[m.Message]]
"""A command as it was sequenced, and its events."""


class AMarket(Protocol):
    def send(self, command: m.Message, by_traders: bool = False) -> list[Answered]:
        """Commands that came of it (the engine may put its own before it), each with its events."""
        ...

    def time(self, now: int) -> list[Answered]:
        """Moves the clock; gives what fell due."""
        ...

    def agrees(self, book: Book, instrument: int) -> str:
        """What the market itself says of its book and `book` does not; "" if they are the same."""
        ...

    def end(self) -> None: ...


class Core:
    """A matcher alone, with what risk would have written into its commands."""

    def __init__(self, matcher: Any) -> None:
        self.matcher = matcher
        self.seq, self.now, self.order_id = 0, NINE, 0
        self.limits: dict[int, m.AccountLimits] = {}
        self.log: list[tuple[bytes, list[bytes]]] = []

    def send(self, command: m.Message, by_traders: bool = False) -> list[Answered]:
        assert not by_traders, "who sends what is the engine's to see: `only engine`"
        self.seq += 1
        c: Any = command.replace(seq=self.seq, ts=self.now, source=2)
        if getattr(command, "cl_ord_id", 1) == 0:
            c = c.replace(cl_ord_id=self.seq)
        if isinstance(command, m.NewOrder):
            c = self._as_risk_writes_it(c)
        elif isinstance(command, m.AccountLimits):
            self.limits[command.account] = command
        raws = self.matcher.apply(bytes(c))
        self.log.append((bytes(c), raws))
        self.seq += len(raws)
        return [(c, [m.decode(raw) for raw in raws])]

    def _as_risk_writes_it(self, c: m.NewOrder) -> m.NewOrder:
        limits = self.limits.get(c.account, m.AccountLimits())
        group = GROUPS + limits.self_trade_group if limits.self_trade_group else c.account
        if not c.order_id:
            self.order_id += 1
            c = c.replace(order_id=self.order_id)
        mode = c.self_trade or limits.self_trade or m.SelfTrade.allow
        return c.replace(self_trade_group=group, self_trade=mode)

    def time(self, now: int) -> list[Answered]:
        self.now = now
        due = self.matcher.next_due()
        return self.send(m.AdvanceClock(up_to=now)) if due and due <= now else []

    def agrees(self, book: Book, instrument: int) -> str:
        try:
            depth = [self.matcher.depth(instrument, side, DEEP) for side in SIDES]
        except KeyError:
            return ""
        folded = [book.depth(instrument, side) for side in SIDES]
        return "" if depth == folded else f"the events tell of {folded}, depth() of {depth}"

    def end(self) -> None:
        pass


class Stack:
    """An engine that is stepped by hand, its rings, an order client, and a reader of its tape."""

    def __init__(self, folder: Path) -> None:
        self.tape, paths = folder / "orders.0", [folder / "operator", folder / "traders"]
        rings = [InboundRing(paths[0], 1, "operator"), InboundRing(paths[1], 2)]
        sized: dict[str, Any] = {"segment_bytes": 1 << 18, "ring_bytes": 1 << 16, "durability": "memory"}
        self.engine = Engine(self.tape, rings, now=NINE, **sized)
        self.reader = TapeReader(self.tape, self.engine.next_seq, "released")
        self.operator, traders = (RingProducer(path) for path in paths)
        self.client = OrderClient(traders, 2, TapeReader(self.tape, self.engine.next_seq, "released"))
        self.house = HouseMarket("test")
        for account in OPENED:
            self.send(m.AccountLimits(account=account))

    def send(self, command: m.Message, by_traders: bool = False) -> list[Answered]:
        if isinstance(command, m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel):
            self._by_client(command)
        elif by_traders:
            self.client.submit(command)
        else:
            assert self.operator.write(bytes(command))
        return self._work()

    def _by_client(self, c: Any) -> None:
        """As a trader's program does it. A table's own ClOrdID is sent as it is."""
        if c.cl_ord_id:
            self.client.submit(c)
        elif isinstance(c, m.NewOrder):
            self.client.new_order(**{name: getattr(c, name) for name in ORDER_TERMS})
        elif isinstance(c, m.CancelOrder):
            self.client.cancel(c.order_id, c.account)
        elif isinstance(c, m.ReplaceOrder):
            self.client.replace(c.order_id, c.account, c.price, c.qty, c.stop_px)
        else:
            terms = {name: getattr(c, name) for name in ("instrument", "side", "session", "reason")}
            self.client.mass_cancel(c.account, **terms)

    def time(self, now: int) -> list[Answered]:
        self.engine.set_time(now)
        return self._work()

    def _work(self) -> list[Answered]:
        while self.engine.do_work():
            pass
        found: dict[int, Answered] = {}
        answers = 0
        while raws := self.reader.poll(4096):
            for raw in raws:
                self.house.fold(raw)
                record: Any = m.decode(raw)
                if record.cause == 0:
                    found[record.seq] = (record, [])
                else:
                    found[record.cause][1].append(record)
                    answers += record.source == self.client.source
        self.house.settle()
        assert len(self.client.poll(1 << 16)) == answers, "the client was not told what the tape says of its commands"
        return list(found.values())

    def agrees(self, book: Book, instrument: int) -> str:
        ticker = next((t for t in self.house.tickers if self._number(t) == instrument), None)
        published = self.house.book(ticker) if ticker else None
        if published is None:
            return ""
        levels = [published.bids, published.asks]
        told = [sorted((price, *total) for price, total in each.totals.items() if total[0]) for each in levels]
        folded = [sorted(book.depth(instrument, side)) for side in SIDES]
        return "" if told == folded else f"the events tell of {folded}, the house's market data of {told}"

    def _number(self, ticker: str) -> int:
        book = self.house.book(ticker)
        return book.definition.instrument if book else 0

    def end(self) -> None:
        """What was run must replay from its tape to the same state."""
        self.client.close()
        self.operator.close()
        self.reader.close()
        digest = self.engine.digest()
        self.engine.close()
        audit = Audit(self.tape)
        while audit.run():
            pass
        assert audit.digest() == digest, "the tape replays to another state"


@contextmanager
def oracle() -> Iterator[AMarket]:
    yield Core(NaiveMatcher())


@contextmanager
def compiled() -> Iterator[AMarket]:
    yield Core(Matcher())


@contextmanager
def stack() -> Iterator[AMarket]:
    with in_memory_folder() as folder:
        market = Stack(folder)
        yield market
        market.end()


MARKETS: dict[str, Callable[[], Any]] = {"oracle": oracle, "compiled": compiled, "stack": stack}
