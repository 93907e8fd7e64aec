"""A connection to the bus: what `tapewire.connect` gives.

async with tapewire.connect("nats://127.0.0.1:4222", env="demo", account=1) as tw:
    async for trade in tw.trades("house", "BTCUSDT"):
        order = await tw.buy("BTCUSDT", "0.1", trade.price)
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, Unpack, cast

from tapewire import logs, order_bus
from tapewire import messages as m
from tapewire.config.sections import Nats
from tapewire.connection.account import AccountStream
from tapewire.connection.commands import OrderTerms, new_order
from tapewire.connection.door import Door
from tapewire.connection.handle import Order
from tapewire.connection.instrument import Instrument, Number
from tapewire.connection.markets import Markets
from tapewire.connection.order import KINDS, Event, Report
from tapewire.connection.requests import Requests
from tapewire.connection.values import Gap
from tapewire.errors import GapError, OrderRefused, TapewireError, TransportError
from tapewire.interfaces import Transport
from tapewire.lifecycle import Background
from tapewire.transports.nats import NatsTransport

if TYPE_CHECKING:
    import pyarrow as pa

ANSWER_TIMEOUT_S: Final = 5.0
LOOK_EVERY_S: Final = 0.25
"""Between two looks at whether this process was too slow for the bus."""


MAX_REPORTS_WAITING: Final = 100_000


class More(OrderTerms, total=False):
    """What an order may be given beyond side, quantity and price."""

    account: int
    """Left out: the connection's."""
    cl_ord_id: str
    """The client's own text, never used before; left out, one is made."""
    on_report: Callable[[Order, Report], None]
    """Called with each report of the order."""
    headers: dict[str, str]
    """Of the message on the bus, such as a traceparent."""


class Connection(Markets):
    """Market data (tapewire/connection/markets.py), orders and reports, history. One per event loop."""

    def __init__(
        self,
        transport: Transport,
        *,
        env: str,
        account: int = 0,
        data: Path | str | None = None,
        answer_timeout: float = ANSWER_TIMEOUT_S,
    ) -> None:
        """`account`: that of orders which name none. `data`: the platform's folder, if it is on this machine."""
        super().__init__(transport, env)
        self.account, self.data = account, Path(data) if data is not None else None
        self._answer_timeout = answer_timeout
        self.log = logs.get("connection")
        self._requests = Requests(transport)
        self._streams: dict[int, asyncio.Task[AccountStream]] = {}
        self._texts = secrets.token_hex(6)
        self._text_number = 0
        self._tasks = Background(lambda error: self.log.error("connection_task_failed", error=repr(error)))

    # -- its life

    async def __aenter__(self) -> Self:
        await self.transport.connect()
        await self._requests.start()
        self._tasks.begin(self._look_at_losses())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends subscriptions and requests. Orders stay where they are: cancel them before, if that is wanted."""
        self._tasks.cancel()
        for stream in self._opened():
            await stream.close()
        for opening in self._streams.values():
            opening.cancel()
        await self.close_subscriptions()
        if self.transport.connected:
            await self._requests.close()
            await self.transport.drain()
        else:
            await self.transport.close()

    def now(self) -> int:
        """UTC ns."""
        return time.time_ns()

    def on_disconnected(self) -> None:
        """The bus is away."""
        for stream in self._opened():
            stream.disconnected()

    def on_reconnected(self) -> None:
        """The bus was away and is back: every subscription is told, books and reports are made whole."""
        self.reconnected()
        for stream in self._opened():
            stream.reconnected()

    async def _look_at_losses(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look_at_losses()

    # -- orders

    async def buy(self, ticker: str, qty: Number, price: Number | None = None, **more: Unpack[More]) -> Order:
        """Enters an order to buy; see `submit`. Without a price it is a market order."""
        return await self.submit(ticker, m.Side.buy, qty, price, **more)

    async def sell(self, ticker: str, qty: Number, price: Number | None = None, **more: Unpack[More]) -> Order:
        """Enters an order to sell; see `submit`. Without a price it is a market order."""
        return await self.submit(ticker, m.Side.sell, qty, price, **more)

    async def submit(
        self,
        ticker: str,
        side: m.Side | str,
        qty: Number,
        price: Number | None = None,
        **more: Unpack[More],
    ) -> Order:
        """Enters an order and returns its handle at once; `await order.ack()` waits for the answer.

        `more`: account, cl_ord_id, on_report, headers, and what tapewire.connection.commands.OrderTerms has. Checked
        here against the instrument as it is defined (tick, lot, largest quantity): raises OrderRefused or, for a float,
        TypeError, and nothing is sent.
        """
        terms: dict[str, Any] = {**more}
        account, cl_ord_id = terms.pop("account", 0), terms.pop("cl_ord_id", "")
        on_report, headers = terms.pop("on_report", None), terms.pop("headers", None)
        stream = await self.stream(account or self.account)
        instrument = await self.instrument(ticker)
        command = new_order(
            instrument,
            side,
            qty,
            price,
            account=stream.account,
            cl_ord_id=cl_ord_id or self.next_text(),
            terms=cast("OrderTerms", terms),
        )
        if command.client_text in stream.orders.by_text:
            raise OrderRefused(f"ClOrdID {command.client_text} was used before")
        return self.enter(stream, command, instrument, on_report, headers)

    def enter(
        self,
        stream: AccountStream,
        command: m.NewOrder,
        instrument: Instrument,
        on_report: Callable[[Order, Report], None] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Order:
        """Sends a command that was made and checked; its order."""
        if not self.transport.connected:
            raise OrderRefused(f"{command.client_text}: not connected to the bus; nothing was sent")
        order = Order(command, instrument, self, time.time_ns(), on_report)
        stream.orders.add(order)
        self._tasks.begin(self._await_answer(stream, order, headers))
        return order

    async def _await_answer(self, stream: AccountStream, order: Order, headers: dict[str, str] | None) -> None:
        try:
            decided = await stream.door.decide(order.command, stream.cursor, order.in_doubt, headers)
        except OrderRefused as why:
            stream.refused(order, why)
        except TransportError as error:
            stream.refused(order, OrderRefused(str(error)))
        else:
            stream.answered(order, decided)
            await stream.reached(decided.event.seq)

    async def cancel_order(self, order: Order) -> Report:
        """What `order.cancel()` does."""
        await order.ack()
        stream = await self.stream(order.account)
        text = self.next_text()
        command = m.CancelOrder(order_id=order.order_id, account=order.account, client_text=text)
        return await self._ask(stream, order, command)

    async def replace_order(
        self, order: Order, price: Number | None, qty: Number | None, stop_px: Number | None
    ) -> Report:
        """What `order.replace()` does."""
        await order.ack()
        stream = await self.stream(order.account)
        instrument = order.instrument
        command = m.ReplaceOrder(
            order_id=order.order_id,
            account=order.account,
            price=order.price_mantissa if price is None else instrument.price_mantissa(price),
            qty=order.qty_mantissa if qty is None else instrument.qty_mantissa(qty),
            stop_px=0 if stop_px is None else instrument.price_mantissa(stop_px, "stop_px"),
            client_text=self.next_text(),
        )
        return await self._ask(stream, order, command)

    async def _ask(self, stream: AccountStream, order: Order, command: order_bus.Command) -> Report:
        decided = await stream.door.decide(command, stream.cursor, lambda: None)
        await stream.reached(decided.event.seq)
        return Report(decided.event, order.instrument, order.order_id)

    async def cancel_all(
        self, ticker: str = "", side: m.Side | str | None = None, *, account: int = 0
    ) -> tuple[int, Report]:
        """Cancels all live orders of the account, or those of a ticker or side, whoever entered them.

        How many that were, and the report that says so (or cancel_rejected). Raises OrderRefused if it was never taken.
        """
        stream = await self.stream(account or self.account)
        command = m.MassCancel(
            account=stream.account,
            instrument=(await self.instrument(ticker)).id if ticker else 0,
            side=m.Side.unspecified if side is None else m.Side[side] if isinstance(side, str) else side,
            client_text=self.next_text(),
        )
        decided = await stream.door.decide(command, stream.cursor, lambda: None)
        await stream.reached(decided.event.seq)
        event = decided.event
        return (event.count if isinstance(event, m.CommandCompleted) else 0), Report(event, None)

    async def open_orders(self, account: int = 0) -> list[Order]:
        """Those of this connection that are not done."""
        return (await self.stream(account or self.account)).orders.live

    async def reports(
        self, account: int = 0, *, after: int | None = None, on_gap: Callable[[Gap], None] | None = None
    ) -> AsyncIterator[Report]:
        """Every report of an account, whoever's orders they are; behind record `after` of the tape, or from now on.

        Whoever keeps the `seq` of the last one gets, with `after`, every later one once.
        """
        account = account or self.account
        stream = await self.stream(account)
        await self.instruments()  # of others' orders, too
        waiting: asyncio.Queue[Report] = asyncio.Queue(MAX_REPORTS_WAITING)

        def put(report: Report) -> None:
            if waiting.full():
                stream.listeners.remove(put)  # What came until here is given; then the reader is told.
                return
            waiting.put_nowait(report)

        if on_gap is not None:
            stream.gap_listeners.append(on_gap)
        stream.listeners.append(put)
        try:
            told = stream.cursor
            if after is not None:
                for report in await self._past_reports(stream, after, told):
                    told = report.seq
                    yield report
            while put in stream.listeners or not waiting.empty():
                report = await waiting.get()
                told = report.seq
                yield report
            raise GapError(f"{stream.subject}: {MAX_REPORTS_WAITING} reports wait; read on with reports(after={told})")
        finally:
            if put in stream.listeners:
                stream.listeners.remove(put)
            if on_gap is not None:
                stream.gap_listeners.remove(on_gap)

    async def _past_reports(self, stream: AccountStream, after: int, up_to: int) -> list[Report]:
        """What the tape has of an account behind `after`, as far as the stream has come."""
        found: list[Report] = []
        while after < up_to:
            page = await stream.door.history(after)
            found += [
                Report(cast("Event", record), self.known_instrument(record.instrument))
                for record in page.records
                if record.seq <= up_to and type(record) in KINDS
            ]
            after = page.seq
            if page.last:
                break
        return found

    async def stream(self, account: int) -> AccountStream:
        """The reports of an account; begun by the first who asks. Raises OrderRefused if no account is meant."""
        if not account:
            raise OrderRefused("no account: give connect(account=…), or one with the order")
        opening = self._streams.get(account)
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            opening = self._streams[account] = asyncio.get_running_loop().create_task(self._open(account))
        return await asyncio.shield(opening)

    async def _open(self, account: int) -> AccountStream:
        door = Door(self._requests, self.env, account, self._answer_timeout, self.log)
        stream = AccountStream(self.transport, door, self.env, account, self.known_instrument, self.log)
        try:
            await stream.start()
        except TimeoutError:
            raise TransportError(f"{door.history_subject}: no answer: is the API's door to the bus there?") from None
        return stream

    def _opened(self) -> list[AccountStream]:
        done = (one for one in self._streams.values() if one.done() and not one.cancelled())
        return [one.result() for one in done if one.exception() is None]

    def next_text(self) -> str:
        """A ClOrdID that no one has used."""
        self._text_number += 1
        return f"{self._texts}-{self._text_number}"

    # -- history

    def query(
        self,
        kind: str,
        ticker: str,
        feed: str | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Rows of any time, as tapewire.store.query gives them, where the platform's data folder is on this machine."""
        from tapewire.store.query import query

        if self.data is None:
            raise TapewireError("query: the data folder is not known: connect(data=…), on the machine that has it")
        return query(self.data, kind, ticker, feed, start, end, limit)


def connect(
    url: str = "nats://127.0.0.1:4222",
    *,
    env: str = "demo",
    account: int = 0,
    data: Path | str | None = None,
    answer_timeout: float = ANSWER_TIMEOUT_S,
    name: str = "tapewire-client",
    nats: Nats | None = None,
) -> Connection:
    """A connection to the bus at `url`, to be entered by `async with`.

    `answer_timeout`: seconds after which an order without an answer is in doubt and asked about. `nats`: settings as in
    `[nats]`, with keys and TLS, in place of `url`.
    """
    transport = NatsTransport(
        nats or Nats(url=url),
        name=name,
        on_disconnected=lambda: connection.on_disconnected(),
        on_reconnected=lambda: connection.on_reconnected(),
    )
    connection = Connection(transport, env=env, account=account, data=data, answer_timeout=answer_timeout)
    return connection
