"""Strategy: the same code live, in simulation and in replay.

    class Quoter(Strategy):
        class Params(StrategyParams):
            ticker: str = "BTCUSDT"

        def on_start(self) -> None:
            self.watch(self.params.ticker)
            self.every(1.0)

        def on_quote(self, quote: Quote) -> None:
            self.buy(quote.ticker, "0.1", quote.bid)

It has no clock, no random numbers of its own and no input but its callbacks: `self.now` is the time of what is being
handled. So equal inputs give equal orders, and what it did can be computed again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Unpack

import msgspec

from tapewire import house
from tapewire import messages as m
from tapewire.connection.book import Book
from tapewire.connection.commands import OrderTerms
from tapewire.connection.instrument import Instrument, Number
from tapewire.connection.order import OrderState, Report
from tapewire.connection.values import Auction, Gap, Quote, Status, Trade, TradeBusted, TradeCorrected
from tapewire.logs import Logger
from tapewire.strategy.metrics import Tally

if TYPE_CHECKING:
    from tapewire.strategy.trader import Fill, Trader


class StrategyParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a strategy: typed, with defaults, checked when it is loaded. Decimals are given as text."""


class Strategy:
    """Override what you need. Callbacks are called one at a time; whatever one raises stops the run.

    Orders that it enters are told by `on_order` and `on_fill`; nothing of it happens inside the call that caused it.
    """

    Params: ClassVar[type[StrategyParams]] = StrategyParams

    def __init__(self, params: StrategyParams | None = None) -> None:
        self.params = params if params is not None else self.Params()
        self._trader: Trader | None = None

    # -- what happens

    def on_start(self) -> None:
        """Before anything else: watch what is needed."""

    def on_trade(self, trade: Trade | TradeBusted | TradeCorrected) -> None:
        """A public trade of a watched ticker, or one taken back or corrected."""

    def on_quote(self, quote: Quote) -> None:
        """The top of a watched book changed."""

    def on_book(self, book: Book) -> None:
        """A watched book changed, or is to be trusted otherwise (`book.live`)."""

    def on_status(self, status: Status) -> None:
        """A watched instrument or its feed stands otherwise."""

    def on_auction(self, auction: Auction) -> None:
        """What a call of a watched instrument would trade."""

    def on_order(self, order: OrderState, report: Report | None) -> None:
        """A report of one of its orders, which has it already. None: nobody took the order (`order.reason`)."""

    def on_fill(self, fill: Fill) -> None:
        """One of its orders traded; after `on_order` of that report."""

    def on_gap(self, gap: Gap) -> None:
        """Something did not come through; books are made whole by themselves."""

    def on_timer(self, now: int) -> None:
        """As often as `every` said. `now`: UTC ns."""

    def on_stop(self) -> None:
        """The run ends. Orders may still be cancelled here; what becomes of that is not told any more."""

    # -- what it can do

    def watch(self, ticker: str, feed: str = house.FEED) -> None:
        """Trades, quotes, book, status and auctions of a ticker from now on."""
        self.trader.watch(feed, ticker)

    def every(self, seconds: float) -> None:
        """Calls `on_timer` so often, for the first time after that long; 0: no more."""
        self.trader.every(seconds)

    def buy(self, ticker: str, qty: Number, price: Number | None = None, **terms: Unpack[OrderTerms]) -> OrderState:
        """Enters an order to buy; without a price at market. Raises OrderRefused for what is off the tick or lot."""
        return self.trader.enter(ticker, m.Side.buy, qty, price, terms)

    def sell(self, ticker: str, qty: Number, price: Number | None = None, **terms: Unpack[OrderTerms]) -> OrderState:
        """Enters an order to sell; without a price at market. Raises OrderRefused for what is off the tick or lot."""
        return self.trader.enter(ticker, m.Side.sell, qty, price, terms)

    def cancel(self, order: OrderState) -> bool:
        """Asks for an order to be cancelled; once it is accepted, if it is not yet. False: it is done, or was asked."""
        return self.trader.cancel(order)

    def replace(self, order: OrderState, *, price: Number | None = None, qty: Number | None = None) -> bool:
        """Asks for another price or total quantity. False: it is not live, or an answer is still awaited."""
        return self.trader.replace(order, price, qty)

    def cancel_all(self, ticker: str = "") -> int:
        """Asks for all its open orders to be cancelled, or those of a ticker; how many it asked for."""
        return sum(self.cancel(order) for order in self.open_orders if not ticker or order.ticker == ticker)

    def stop(self, reason: str) -> None:
        """Ends the run after this callback: `on_stop` is called, and the report says the reason."""
        self.trader.stop(reason)

    # -- what it knows

    @property
    def now(self) -> int:
        """The time of what is being handled, UTC ns."""
        return self.trader.now

    @property
    def open_orders(self) -> Sequence[OrderState]:
        """Its orders that are not done, the oldest first."""
        return self.trader.orders.live

    def position(self, ticker: str) -> Decimal:
        """What it has bought less what it has sold since it began, and what it began with."""
        tally = self.tally(ticker)
        return tally.instrument.qty(tally.position)

    def pnl(self, ticker: str) -> Decimal | None:
        """Cash and position at the mid; None if that is unknown."""
        return self.tally(ticker).pnl

    def tally(self, ticker: str) -> Tally:
        """The sums of one instrument (tapewire/strategy/metrics.py)."""
        return self.trader.tally(ticker)

    def book(self, ticker: str, feed: str = house.FEED) -> Book:
        """A watched book, as of the last message."""
        return self.trader.book(feed, ticker)

    def instrument(self, ticker: str) -> Instrument:
        """Tick, lot, exponents. Raises StrategyError if there is none by now."""
        return self.trader.instrument(ticker)

    @property
    def log(self) -> Logger:
        """Structured; each line has the time of what is being handled."""
        return self.trader.log

    @property
    def random(self) -> random.Random:
        """Random numbers from the run's seed: the same in each run of that seed."""
        return self.trader.random

    @property
    def trader(self) -> Trader:
        """What runs it."""
        if self._trader is None:
            raise RuntimeError("a strategy can act once it runs: from on_start on")
        return self._trader

    def attach(self, trader: Trader) -> None:
        """Called once by what runs it."""
        self._trader = trader
