"""The middle between a strategy and what runs it: orders, books, sums; pure, time is an argument.

    runner ──market, event, not_taken, timer──▶ Trader ──on_…──▶ strategy
    runner ◀──send, watch───────────────────── Trader ◀──buy, cancel …

Live, in simulation and in replay only the runner differs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple, Protocol, cast

from tapewire import house, logs, order_bus
from tapewire import messages as m
from tapewire.connection.account_orders import AccountOrders
from tapewire.connection.book import Applied, Book
from tapewire.connection.commands import OrderTerms, new_order
from tapewire.connection.instrument import Instrument, Number
from tapewire.connection.order import DONE, KINDS, Event, OrderState, OrderStatus, Report
from tapewire.connection.values import Auction, Gap, Quote, Status, Trade, TradeBusted, TradeCorrected
from tapewire.errors import StrategyError
from tapewire.strategy.metrics import InstrumentMetrics, Tally
from tapewire.strategy.strategy import Strategy

NS: Final = 10**9
DONE_KEPT: Final = 10_000
"""Orders that are done and still known, for trades that are busted later."""


class Fill(NamedTuple):
    """One trade of one of the strategy's orders."""

    order: StrategyOrder
    report: Report
    side: m.Side
    price: Decimal
    qty: Decimal
    maker: bool


class StrategyOrder(OrderState):
    """An order of a strategy."""

    arrival: int | None = None
    """Twice the mid when it was sent, as a mantissa."""
    wants_cancel = False
    """It is to be cancelled once it is accepted."""
    asked = ""
    """The client text of the cancel or replace that is not answered yet."""


class Port(Protocol):
    """What runs a strategy."""

    def send(self, command: order_bus.Command, order: StrategyOrder) -> None:
        """Brings a command on its way; what it became is told by `event` or `not_taken`, never within this call."""

    def watch(self, feed: str, ticker: str) -> None:
        """From now on `market` is called with the messages of this ticker."""

    def instruments(self) -> dict[str, Instrument]:
        """Those that are defined by now."""


class Trader:
    """One strategy's state for one account."""

    def __init__(
        self, strategy: Strategy, port: Port, *, account: int, name: str, seed: int = 0, log: logs.Logger | None = None
    ) -> None:
        """`name`: the beginning of its ClOrdIDs, which nobody else may use."""
        self.strategy, self.account = strategy, account
        self._port, self.name = port, name
        self._log = log or logs.get("strategy")
        self.random = random.Random(seed)
        self.now = self.began = 0
        self.orders: AccountOrders[StrategyOrder] = AccountOrders()
        self.stopped = ""
        """Why it ends; empty while it runs."""
        self.ended = False
        """Its strategy is told nothing more; its sums go on."""
        self.interval = 0
        """ns between two timers; 0: none."""
        self.next_timer = 0
        self.events = 0
        """Callbacks' inputs so far."""
        self.commands = 0
        self.on_sent: Callable[[order_bus.Command], None] | None = None
        self._number = 0
        self._books: dict[tuple[str, str], Book] = {}
        self._tallies: dict[str, Tally] = {}
        self._done: list[StrategyOrder] = []
        strategy.attach(self)

    @property
    def log(self) -> logs.Logger:
        return self._log.bind(at=self.now)

    # -- what the runner tells

    def start(self, now: int) -> None:
        self.now = self.began = now
        self.strategy.on_start()

    def market(self, feed: str, message: m.Message, now: int) -> None:
        """A message of a watched ticker."""
        if self.ended:
            return
        self.now = now
        self.events += 1
        strategy = self.strategy
        if isinstance(message, m.BookDelta | m.BookSnapshot):
            self._on_book(feed, message)
        elif isinstance(message, m.Quote):
            strategy.on_quote(Quote(message))
        elif isinstance(message, m.Trade):
            if feed == house.FEED and (tally := self._tallies.get(message.ticker)) is not None:
                tally.last = message.price
            strategy.on_trade(Trade(message))
        elif isinstance(message, m.TradeBusted):
            strategy.on_trade(TradeBusted(message, self._by_id(message.instrument)))
        elif isinstance(message, m.TradeCorrected):
            strategy.on_trade(TradeCorrected(message, self._by_id(message.instrument)))
        elif isinstance(message, m.InstrumentStatusChanged | m.LimitStateChanged):
            strategy.on_status(Status(message))
        elif isinstance(message, m.FeedStatus):
            self._on_feed_status(feed, message)
        elif isinstance(message, m.AuctionIndicated):
            strategy.on_auction(Auction(message))

    def _on_book(self, feed: str, message: m.BookDelta | m.BookSnapshot) -> None:
        book = self._books[(feed, message.ticker)]
        applied = book.apply(message)
        if applied in (Applied.snapshot, Applied.delta, Applied.gap):
            self.book_changed(book, self.now)

    def book_changed(self, book: Book, now: int) -> None:
        """A watched book stands otherwise; for runners whose books keep themselves up to date."""
        self.now = now
        if book.feed == house.FEED and book.ticker in self._tallies:
            self._tallies[book.ticker].twice_mid = book.twice_mid if book.live else None
        self.strategy.on_book(book)

    def _on_feed_status(self, feed: str, message: m.FeedStatus) -> None:
        for (of, ticker), book in self._books.items():
            if of == feed and message.ticker in ("", ticker) and message.quality != m.BookQuality.unspecified:
                book.unusable(message.quality)
                self.book_changed(book, self.now)
        self.strategy.on_status(Status(message))

    def gap(self, gap: Gap, now: int) -> None:
        self.now = now
        self.strategy.on_gap(gap)

    def command(self, command: m.NewOrder, now: int) -> None:
        """One of its orders as it stands on the tape."""
        self.now = now
        self._told(self.orders.command(command))

    def event(self, event: m.Message, now: int) -> None:
        """An event of its account."""
        self.now = now
        if type(event) in KINDS:
            self.events += 1
            self._told(self.orders.fold(cast("Event", event)))
            if isinstance(event, m.CancelRejected | m.OrderReplaced):
                self._answered(event.order_id)

    def told(self, order: StrategyOrder, event: Event, order_id: int, now: int) -> None:
        """An event of one of its orders, for runners that know whose it is."""
        self.now = now
        self.events += 1
        if not order.order_id and order_id:
            self.orders.bind(order, event.source, 0, order_id)
        self._told([(order, self.orders.fold_one(order, event))])
        if isinstance(event, m.CancelRejected | m.OrderReplaced):
            order.asked = ""

    def not_taken(self, order: StrategyOrder, why: str, now: int) -> None:
        """Nobody took an order."""
        self.now = now
        if order.status is not OrderStatus.not_taken:
            order.status, order.reason, order.leaves_mantissa = OrderStatus.not_taken, why, 0
        self.orders.not_taken(order)
        self.tally(order.ticker).refused()
        if not self.ended:
            self.strategy.on_order(order, None)

    def request_failed(self, order: StrategyOrder, why: str, now: int) -> None:
        """Nobody took a cancel or replace."""
        self.now = now
        order.asked = ""
        self.log.warning("request_not_taken", order=order.cl_ord_id, reason=why)

    def timer(self, now: int) -> None:
        self.now = now
        self.events += 1
        self.strategy.on_timer(now)

    def end(self, now: int) -> None:
        self.now = now
        self.strategy.on_stop()
        self.ended = True

    # -- reports

    def _told(self, told: list[tuple[StrategyOrder, Report]]) -> None:
        for order, report in told:
            self._count(order, report)
            event = report.message
            if not self.ended:
                self.strategy.on_order(order, report)
                if isinstance(event, m.OrderExecuted):
                    self._fill(order, report, event)
            if order.wants_cancel and order.is_live:
                order.wants_cancel = False
                self.cancel(order)
            if order.status in DONE and report.kind not in ("busted", "corrected"):
                self._done.append(order)
                if len(self._done) > DONE_KEPT:
                    for old in self._done[: DONE_KEPT // 2]:
                        self.orders.forget(old)
                    del self._done[: DONE_KEPT // 2]

    def _count(self, order: StrategyOrder, report: Report) -> None:
        """Into the sums, before the strategy is told."""
        event, tally = report.message, self.tally(order.ticker)
        if isinstance(event, m.OrderRejected):
            tally.refused()
        elif isinstance(event, m.OrderCancelled):
            tally.cancelled += 1
        elif isinstance(event, m.OrderExecuted):
            tally.fill(
                report.side,
                event.price,
                event.qty,
                self.now,
                maker=not (report.is_taker or event.auction),
                first=order.cum_mantissa == event.qty,
                arrival=order.arrival,
            )
        elif isinstance(event, m.TradeBusted):
            tally.moved(-_signed(report.side, event.qty), event.price, self.now)
        elif isinstance(event, m.TradeCorrected):
            tally.moved(-_signed(report.side, event.old_qty), event.old_price, self.now)
            tally.moved(_signed(report.side, event.qty), event.price, self.now)

    def _fill(self, order: StrategyOrder, report: Report, event: m.OrderExecuted) -> None:
        to = order.instrument
        maker = not (report.is_taker or event.auction)
        self.strategy.on_fill(Fill(order, report, report.side, to.price(event.price), to.qty(event.qty), maker))

    def _answered(self, order_id: int) -> None:
        order = self.orders.by_id.get(order_id)
        if order is not None:
            order.asked = ""

    # -- what the strategy asks

    def watch(self, feed: str, ticker: str) -> None:
        if (feed, ticker) in self._books:
            return
        self._books[(feed, ticker)] = Book(feed, ticker)
        if feed == house.FEED:
            self.tally(ticker)
        self._port.watch(feed, ticker)

    def every(self, seconds: float) -> None:
        if seconds < 0:
            raise StrategyError(f"every({seconds}): expected 0 or more seconds")
        self.interval = round(seconds * NS)
        self.next_timer = self.now + self.interval if self.interval else 0

    def enter(self, ticker: str, side: m.Side, qty: Number, price: Number | None, terms: OrderTerms) -> StrategyOrder:
        instrument = self.instrument(ticker)
        text = self._text()
        command = new_order(instrument, side, qty, price, account=self.account, cl_ord_id=text, terms=terms)
        order = StrategyOrder(command, instrument, self.now)
        order.arrival = self.tally(ticker).sent(order)
        self.orders.add(order)
        self._send(command, order)
        return order

    def cancel(self, order: OrderState) -> bool:
        assert isinstance(order, StrategyOrder), "an order of this strategy"
        if order.is_done or order.wants_cancel or order.asked:
            return False
        if not order.order_id:
            order.wants_cancel = True
            return True
        order.asked = self._text()
        command = m.CancelOrder(order_id=order.order_id, account=self.account, client_text=order.asked)
        self._send(command, order)
        return True

    def replace(self, order: OrderState, price: Number | None, qty: Number | None) -> bool:
        assert isinstance(order, StrategyOrder), "an order of this strategy"
        if not order.is_live or not order.order_id or order.asked or order.wants_cancel:
            return False
        to = order.instrument
        wanted_price = order.price_mantissa if price is None else to.price_mantissa(price)
        wanted_qty = order.qty_mantissa if qty is None else to.qty_mantissa(qty)
        order.asked = self._text()
        command = m.ReplaceOrder(
            order_id=order.order_id,
            account=self.account,
            price=wanted_price,
            qty=wanted_qty,
            client_text=order.asked,
        )
        self._send(command, order)
        return True

    def stop(self, reason: str) -> None:
        self.stopped = self.stopped or reason

    def tally(self, ticker: str) -> Tally:
        found = self._tallies.get(ticker)
        if found is None:
            found = self._tallies[ticker] = Tally(self.instrument(ticker))
        return found

    def book(self, feed: str, ticker: str) -> Book:
        try:
            return self._books[(feed, ticker)]
        except KeyError:
            raise StrategyError(f"the book of {feed} {ticker} is not watched: self.watch({ticker!r}) first") from None

    def own_book(self, book: Book) -> None:
        """A book that keeps itself up to date takes the place of the one that `watch` made."""
        self._books[(book.feed, book.ticker)] = book

    def instrument(self, ticker: str) -> Instrument:
        known = self._port.instruments()
        if ticker not in known:
            raise StrategyError(f"no instrument {ticker!r}; there are {', '.join(sorted(known)) or 'none'}")
        return known[ticker]

    def metrics(self) -> list[InstrumentMetrics]:
        """Of each instrument, by ticker."""
        return [tally.metrics(self.now) for _, tally in sorted(self._tallies.items())]

    def _by_id(self, number: int) -> Instrument | None:
        return next((one for one in self._port.instruments().values() if one.id == number), None)

    def _text(self) -> str:
        self._number += 1
        return f"{self.name}-{self._number}"

    def _send(self, command: order_bus.Command, order: StrategyOrder) -> None:
        self.commands += 1
        if self.on_sent is not None:
            self.on_sent(command)
        self._port.send(command, order)


def _signed(side: m.Side, qty: int) -> int:
    return qty if side == m.Side.buy else -qty
