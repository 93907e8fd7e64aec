"""A strategy live, over a connection: market data and reports from the bus, orders by the door.

One event loop: callbacks are called as messages come in. What a callback raises stops the run, and is raised by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tapewire import house, order_bus
from tapewire import messages as m
from tapewire.connection.account import AccountStream
from tapewire.connection.connection import Connection
from tapewire.connection.handle import Order
from tapewire.connection.instrument import Instrument
from tapewire.connection.live_book import LiveBook
from tapewire.connection.order import Report
from tapewire.connection.values import Gap, Value
from tapewire.errors import OrderRefused, TransportError
from tapewire.lifecycle import Background
from tapewire.strategy.inputs import close, trader_of
from tapewire.strategy.report import RunReport, report_of
from tapewire.strategy.strategy import Strategy
from tapewire.strategy.trader import StrategyOrder

LISTED_AGAIN_S: Final = 0.2
GRACE_S: Final = 5.0
"""How long the end waits for what is under way."""


class LiveRun:
    """One run. `name`: the beginning of its ClOrdIDs; left out, one that nobody has used."""

    def __init__(
        self,
        strategy: Strategy,
        connection: Connection,
        *,
        account: int = 0,
        name: str = "",
        seed: int = 0,
        inputs: Path | None = None,
    ) -> None:
        """`inputs`: the folder for what reaches the strategy, in <name>.inputs, for an exact replay; None: not kept."""
        self._connection = connection
        name = name or f"s{secrets.token_hex(5)}"
        self.trader = trader_of(strategy, self, account or connection.account, name, seed, inputs)
        self._stream: AccountStream
        self._instruments: dict[str, Instrument] = {}
        self._tasks = Background(self._failed)
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None

    def stop(self, reason: str = "") -> None:
        """Ends the run soon."""
        if reason:
            self.trader.stop(reason)
        self._stop.set()

    async def run(self, seconds: float | None = None) -> RunReport:
        """Until `stop`, the strategy's own stop, or `seconds` are over."""
        connection, trader = self._connection, self.trader
        self._stream = await connection.stream(trader.account)
        self._instruments = await connection.instruments()
        began = time.time_ns()
        try:
            self._guarded(lambda now: trader.start(now))
            self._tasks.begin(self._ring_timer())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)
        finally:
            await self._end()
            close(trader)
        if self._failure is not None:
            raise self._failure
        return report_of("live", connection.env, trader, 0, (trader.now - began) / 1e9, began=began)

    async def _end(self) -> None:
        trader = self.trader
        # The strategy may have failed; what it has open is still its own to cancel.
        self._guarded(lambda now: trader.end(now))
        deadline = time.monotonic() + GRACE_S
        while trader.orders.live and any(one.asked or one.wants_cancel for one in trader.orders.live):
            if time.monotonic() > deadline:
                trader.log.warning("orders_left", orders=[one.cl_ord_id for one in trader.orders.live])
                break
            await asyncio.sleep(0.01)
        self._tasks.cancel()

    async def _ring_timer(self) -> None:
        trader = self.trader
        while not self._stop.is_set():
            due = trader.next_timer
            if not due:
                await asyncio.sleep(LISTED_AGAIN_S)
                continue
            await asyncio.sleep(max(0.0, (due - time.time_ns()) / 1e9))
            if trader.next_timer != due or not trader.interval:
                continue
            now = time.time_ns()
            # One that was held up rings once, not as often as it should have.
            trader.next_timer = max(due + trader.interval, now)
            self._guarded(trader.timer)

    def _guarded(self, act: Callable[[int], None]) -> None:
        """Lets the strategy act; what it raises ends the run."""
        try:
            act(time.time_ns())
        except Exception as error:  # noqa: BLE001 - raised by `run`
            if self._failure is None:
                self._failure = error
            self._stop.set()
        if self.trader.stopped:
            self._stop.set()

    # -- what the trader asks

    def instruments(self) -> dict[str, Instrument]:
        return self._instruments

    def watch(self, feed: str, ticker: str) -> None:
        connection, trader = self._connection, self.trader

        def market(value: Value) -> None:
            if not trader.ended:
                self._guarded(lambda now: trader.market(feed, value.message, now))

        def gap(gap: Gap) -> None:
            if not trader.ended:
                self._guarded(lambda now: trader.gap(gap, now))

        def changed(book: LiveBook) -> None:
            if not trader.ended:
                self._guarded(lambda now: self._book_changed(book, now))

        book = connection.book(feed, ticker, on=changed, on_gap=gap)
        trader.own_book(book)
        self._tasks.begin(self._started(book))
        subscriptions = [
            connection.trades(feed, ticker, on=market, on_gap=gap),
            connection.quotes(feed, ticker, on=market, on_gap=gap),
            connection.status(feed, ticker, on=market, on_gap=gap),
        ]
        if feed == house.FEED:
            subscriptions.append(connection.auctions(ticker, on=market, on_gap=gap))
        for subscription in subscriptions:
            self._tasks.begin(self._started(subscription))

    def _book_changed(self, book: LiveBook, now: int) -> None:
        self.trader.events += 1
        self.trader.book_changed(book, now)

    @staticmethod
    async def _started(subscription: Any) -> None:
        await subscription.start()

    def send(self, command: order_bus.Command, order: StrategyOrder) -> None:
        trader = self.trader
        if not isinstance(command, m.NewOrder):
            self._tasks.begin(self._ask(command, order))
            return

        def told(handle: Order, report: Report) -> None:
            self._guarded(lambda now: trader.told(order, report.message, handle.order_id, now))

        try:
            handle = self._connection.enter(self._stream, command, order.instrument, told)
        except OrderRefused as error:
            why = str(error)
            # Never within the call that sent it.
            asyncio.get_running_loop().call_soon(lambda: self._guarded(lambda now: trader.not_taken(order, why, now)))
            return
        self._tasks.begin(self._await(handle, order))

    async def _await(self, handle: Order, order: StrategyOrder) -> None:
        try:
            await handle.ack()
        except (OrderRefused, TransportError) as error:
            why = str(error)
            self._guarded(lambda now: self.trader.not_taken(order, why, now))

    async def _ask(self, command: order_bus.Command, order: StrategyOrder) -> None:
        try:
            decided = await self._stream.door.decide(command, self._stream.cursor, lambda: None)
            await self._stream.reached(decided.event.seq)
        except (OrderRefused, TransportError) as error:
            why = str(error)
            self._guarded(lambda now: self.trader.request_failed(order, why, now))

    def _failed(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stop.set()
