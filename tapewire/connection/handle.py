"""The handle of an order entered over a connection: what OrderState knows, and what can be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from tapewire import messages as m
from tapewire.connection.instrument import Instrument, Number
from tapewire.connection.order import OrderState, OrderStatus, Report
from tapewire.errors import OrderRefused


class Desk(Protocol):
    """What a handle asks its connection for."""

    async def cancel_order(self, order: Order) -> Report: ...
    async def replace_order(
        self, order: Order, price: Number | None, qty: Number | None, stop_px: Number | None
    ) -> Report: ...


class Order(OrderState):
    """`order = await tw.buy(...)`. Its attributes stand as of the last report of the account that came in."""

    def __init__(
        self,
        command: m.NewOrder,
        instrument: Instrument,
        desk: Desk,
        sent_at: int = 0,
        on_report: Callable[[Order, Report], None] | None = None,
    ) -> None:
        super().__init__(command, instrument, sent_at)
        self._desk, self._on_report = desk, on_report
        self._reports: list[Report] = []
        self._changed = asyncio.Event()
        self._ack: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        # Whoever never awaits it learns of a refusal by the status.
        self._ack.add_done_callback(lambda ack: ack.exception())

    async def ack(self) -> Report:
        """The report that answers the order: accepted, or rejected with the reason.

        Raises OrderRefused if nobody took it. In doubt it waits until that is settled.
        """
        return await asyncio.shield(self._ack)

    async def reports(self) -> AsyncIterator[Report]:
        """Every report of the order from its first, once, in the order of the tape; ends when the order is done."""
        at = 0
        while True:
            while at < len(self._reports):
                yield self._reports[at]
                at += 1
            if self.is_done:
                return
            self._changed.clear()
            await self._changed.wait()

    async def done(self) -> Order:
        """The order, once it is filled, cancelled, rejected, or known never to have been taken."""
        while not self.is_done:
            self._changed.clear()
            await self._changed.wait()
        return self

    async def cancel(self) -> Report:
        """Asks for it to be cancelled; the report that answers: cancelled, or cancel_rejected with the reason.

        Whatever traded before is in the order by then. Raises OrderRefused if nobody took the request.
        """
        return await self._desk.cancel_order(self)

    async def replace(
        self, *, price: Number | None = None, qty: Number | None = None, stop_px: Number | None = None
    ) -> Report:
        """Asks for another price or total quantity (OrderQty); what is left out stays. The report that answers:
        replaced, or cancel_rejected with the reason."""
        return await self._desk.replace_order(self, price, qty, stop_px)

    # -- for the connection

    def tell(self, report: Report) -> None:
        """A report that was folded."""
        self._reports.append(report)
        if not self._ack.done() and report.kind in ("accepted", "rejected"):
            self._ack.set_result(report)
        self._wake()
        if self._on_report is not None:
            self._on_report(self, report)

    def in_doubt(self) -> None:
        if self.status is OrderStatus.pending:
            self.status = OrderStatus.in_doubt
            self._wake()

    def not_taken(self, why: OrderRefused) -> None:
        self.status, self.reason, self.leaves_mantissa = OrderStatus.not_taken, str(why), 0
        if not self._ack.done():
            self._ack.set_exception(why)
        self._wake()

    def failed(self, error: BaseException) -> None:
        """Its connection ended before it was answered."""
        if not self._ack.done():
            self._ack.set_exception(error)

    def _wake(self) -> None:
        self._changed.set()
