"""The order desk: what clients ask becomes commands of the engine, or is refused. Pure.

A request that names an order still on its way to the engine, or one that is being cancelled or amended, waits until
the tape has said what became of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from services.simulator.fix_venue import answers
from services.simulator.fix_venue.dialect import NO_EXEC_ID, Dialect
from services.simulator.fix_venue.faults import SECOND_NS, Faults
from services.simulator.fix_venue.orders import Order, Orders
from services.simulator.fix_venue.session import Session
from services.simulator.fix_venue.teller import Late, Teller
from services.simulator.fix_venue.terms import (
    Amend,
    Cancel,
    CancelAndNew,
    CancelReject,
    Client,
    Enter,
    Limits,
    MassCancel,
    MassStatus,
    Refused,
    Report,
    Request,
    Status,
    Told,
    Which,
)
from services.simulator.limits import Window
from tapewire import messages as m
from tapewire.errors import FixedError, FixError
from tapewire.fix.message import Message

MAX_TEXT = 39
"""Bytes of a ClOrdID that the tape carries."""


class House(Protocol):
    """The engine that matches, as the venue uses it."""

    @property
    def source(self) -> int:
        """The number of the venue's producer."""

    def submit(self, command: m.Message) -> None:
        """As a trader."""

    def operate(self, command: m.Message) -> None:
        """As the operator."""

    def poll(self, limit: int) -> list[m.Message]:
        """The next records of its tape, at most `limit`; fewer only at the end."""


class Desk:
    """One for all clients of a venue. `counter`: the account by which the venue trades against clients on request."""

    def __init__(
        self,
        dialect: Dialect,
        orders: Orders,
        house: House,
        faults: Faults,
        teller: Teller,
        counter: int,
        sessions: Iterable[int],
    ) -> None:
        self._dialect, self._orders, self._house = dialect, orders, house
        self._faults, self._teller, self._counter = faults, teller, counter
        self._number = 0
        self._entering: set[tuple[int, str]] = set()
        self._waiting: dict[tuple[int, str], deque[tuple[Client, Message, Request]]] = {}
        self._then: dict[tuple[int, str], tuple[Client, Message, CancelAndNew]] = {}
        self._refused: set[tuple[int, str]] = set()
        limits = {"messages": dialect.message_limit, "orders": dialect.order_limit}
        self._windows = {
            (session, kind): Window(limit, seconds * SECOND_NS)
            for session in sessions
            for kind, (limit, seconds) in limits.items()
            if limit
        }
        self.lost: list[tuple[str, str]] = []
        """Client and ClOrdID of orders that never reached the matcher."""

    def ask(self, client: Client, session: Session, message: Message, now: int) -> None:
        """One application message of a client."""
        if (window := self._windows.get((client.session, "messages"))) is not None and not window.take(now):
            session.log_out("more messages than the limit allows", now)
            return
        try:
            request = self._dialect.request(message)
        except FixError as error:
            refused = Refused(str(error), error.reason, tag=error.tag, session=True)
            session.send(*self._dialect.refusal(message, refused), now)
            return
        except Refused as refused:
            self._refuse(client, session, message, refused, now)
            return
        if isinstance(request, Limits):
            used = [self._windows[client.session, kind].used(now) for kind in ("messages", "orders")]
            session.send(*self._dialect.limits(request, used[0], used[1]), now)
            return
        try:
            self._carry_out(client, message, request, now)
        except Refused as refused:
            self._refuse(client, session, message, refused, now)

    def answered(self, told: Told, now: int) -> None:
        """What the tape says has become of a request: whoever waited for it goes on."""
        if not isinstance(told, Report | CancelReject):
            return
        key = (told.session, told.cl_ord_id)
        self._entering.discard(key)
        if isinstance(told, Report) and told.exec_type == "8":
            self._refused.add(key)
        if (then := self._then.pop(key, None)) is not None:
            self._after_cancel(*then, told, now)
        waiting = self._waiting.pop(key, None)
        while waiting:
            client, message, request = waiting.popleft()
            try:
                self._carry_out(client, message, request, now)
            except Refused as refused:
                self._tell_refusal(client, message, refused, now)

    def counter(self, order: Order, qty: int, now: int) -> None:
        """Trades against a live order: takes what stands in front of it, and `qty` of it."""
        against = m.Side.sell if order.side is m.Side.buy else m.Side.buy
        self._house.submit(
            m.NewOrder(
                cl_ord_id=self._next(now),
                instrument=order.symbol.number,
                account=self._counter,
                side=against,
                ord_type=m.OrdType.limit,
                time_in_force=m.TimeInForce.ioc,
                price=order.price,
                qty=self._orders.in_front(order) + qty,
                ts_event=now,
                ts_recv=now,
            )
        )

    # -- requests

    def _carry_out(self, client: Client, message: Message, request: Request, now: int) -> None:
        match request:
            case Enter():
                self._enter(client, message, request, now)
            case Cancel() | Amend():
                self._on_order(client, message, request, now)
            case CancelAndNew():
                if not self._held(client, message, request, request.cancel.which):
                    self._cancel_and_new(client, message, request, now)
            case Status():
                if not self._held(client, message, request, request.which):
                    order = self.find(client, request.which)
                    self._teller.tell(answers.status(client, message, request, order, now), now)
            case MassStatus():
                for report in answers.mass_status(client, message, request, self._orders, now):
                    self._teller.tell(report, now)
            case MassCancel():
                self._mass_cancel(client, request, now)

    def _enter(self, client: Client, message: Message, request: Enter, now: int) -> None:
        key = (client.session, request.cl_ord_id)
        if message.get(97) == "Y" and (order := self._orders.find(*key)) is not None:
            self._teller.tell(Orders.snapshot(order, "I", NO_EXEC_ID, now), now)
            return
        if armed := self._faults.take("reject", client.comp_id, "D"):
            raise _wanted(armed.query)
        self._new(client, request.cl_ord_id)
        symbol = self._orders.by_name.get(request.symbol)
        if symbol is None:
            raise Refused(f"unknown symbol {request.symbol}", 1, tag=55)
        if (window := self._windows.get((client.session, "orders"))) is not None and not window.take(now):
            raise Refused("more orders than the limit allows", 3)
        try:
            quantities = [symbol.to_qty(text or "0") for text in (request.qty, request.display_qty, request.min_qty)]
            prices = [symbol.to_px(text or "0") for text in (request.price, request.stop_px)]
        except FixedError as error:
            raise Refused(str(error), 99) from None
        if self._faults.take("lose", client.comp_id):
            self._refused.add(key)
            self.lost.append((client.comp_id, request.cl_ord_id))
            return
        self._entering.add(key)
        self._house.submit(
            m.NewOrder(
                cl_ord_id=self._next(now),
                instrument=symbol.number,
                account=client.account,
                session=client.session,
                side=request.side,
                ord_type=request.ord_type,
                time_in_force=self._time(request),
                price=prices[0],
                stop_px=prices[1],
                qty=quantities[0],
                display_qty=quantities[1],
                min_qty=quantities[2],
                post_only=request.post_only,
                expire_time=request.expire_time,
                self_trade=request.self_trade,
                client_text=request.cl_ord_id,
                ts_event=now,
                ts_recv=now,
            )
        )

    @staticmethod
    def _time(request: Enter) -> m.TimeInForce:
        """A market order that says nothing else is one that trades now or not at all."""
        day = request.time_in_force in (m.TimeInForce.day, m.TimeInForce.gtc)
        return m.TimeInForce.ioc if request.ord_type is m.OrdType.market and day else request.time_in_force

    def _new(self, client: Client, text: str) -> None:
        """Raises Refused for a ClOrdID that cannot be taken."""
        key = (client.session, text)
        if len(text.encode()) > MAX_TEXT:
            raise Refused(f"ClOrdID (11) is longer than {MAX_TEXT} bytes", 99, tag=11)
        if key in self._entering or key in self._refused or self._orders.find(*key) is not None:
            raise Refused("duplicate ClOrdID (11)", 6, tag=11)

    def _on_order(self, client: Client, message: Message, request: Cancel | Amend, now: int) -> None:
        kind = "G" if isinstance(request, Amend) else "F"
        if self._held(client, message, request, request.which):
            return
        if armed := self._faults.take("reject", client.comp_id, kind):
            raise _wanted(armed.query)
        self._new(client, request.cl_ord_id)
        order = self.find(client, request.which)
        if order is None:
            raise Refused("unknown order", 1)
        if not order.live:
            raise Refused("too late: the order is done", 0)
        if isinstance(request, Cancel) and request.only not in ("", order.status):
            raise Refused("the order is not in the state that the cancel is restricted to", 2)
        self._entering.add((client.session, request.cl_ord_id))
        if isinstance(request, Amend):
            self._amend(client, order, request, now)
            return
        if armed := self._faults.take("late_fill", client.comp_id):
            self._late_fill(order, request, armed.kind == "pending", armed.query.get("qty", ""), now)
        self._house.submit(
            m.CancelOrder(
                cl_ord_id=self._next(now),
                order_id=order.order_id,
                account=client.account,
                client_text=request.cl_ord_id,
                ts_event=now,
                ts_recv=now,
            )
        )

    def _amend(self, client: Client, order: Order, request: Amend, now: int) -> None:
        try:
            qty = order.symbol.to_qty(request.qty)
            price = order.symbol.to_px(request.price) if request.price else order.price
            stop = order.symbol.to_px(request.stop_px) if request.stop_px else 0
        except FixedError as error:
            self._entering.discard((client.session, request.cl_ord_id))
            raise Refused(str(error), 99) from None
        if request.reduce_only and not order.cum < qty < order.qty:
            self._entering.discard((client.session, request.cl_ord_id))
            raise Refused("the new quantity must be below OrderQty and above what has traded", 99, tag=38)
        self._house.submit(
            m.ReplaceOrder(
                cl_ord_id=self._next(now),
                order_id=order.order_id,
                account=client.account,
                price=price,
                qty=qty,
                stop_px=stop,
                client_text=request.cl_ord_id,
                ts_event=now,
                ts_recv=now,
            )
        )

    def _late_fill(self, order: Order, request: Cancel, pending: bool, qty: str, now: int) -> None:
        wanted = order.symbol.to_qty(qty) if qty else order.leaves // 2 // order.symbol.lot_size * order.symbol.lot_size
        self._teller.late[str(order.order_id)] = Late(pending)
        if pending:
            report = Orders.snapshot(order, "6", str(self._next(now)), now)
            self._teller.tell(report.but(status="6", cl_ord_id=request.cl_ord_id, orig=order.cl_ord_id), now)
        self.counter(order, min(wanted or order.symbol.lot_size, order.leaves), now)

    def _cancel_and_new(self, client: Client, message: Message, request: CancelAndNew, now: int) -> None:
        self._new(client, request.enter.cl_ord_id)
        try:
            self._on_order(client, message, request.cancel, now)
        except Refused as refused:
            self._teller.tell(self._refused_cancel(client, message, refused, now, request.cancel.cl_ord_id), now)
            if request.anyway:
                self._enter(client, message, request.enter, now)
        else:
            self._then[client.session, request.cancel.cl_ord_id] = (client, message, request)

    def _after_cancel(self, client: Client, message: Message, request: CancelAndNew, told: Told, now: int) -> None:
        """The second half of a cancel with a new order: not attempted where the first failed and had to succeed."""
        if isinstance(told, CancelReject) and not request.anyway:
            return
        try:
            self._enter(client, message, request.enter, now)
        except Refused as refused:
            self._tell_refusal(client, message, refused, now)

    def _mass_cancel(self, client: Client, request: MassCancel, now: int) -> None:
        symbol = self._orders.by_name.get(request.symbol)
        if request.symbol and symbol is None:
            raise Refused(f"unknown symbol {request.symbol}", 1, tag=55)
        number = self._next(now)
        self._orders.asked[number] = (client.session, request)
        self._house.submit(
            m.MassCancel(
                cl_ord_id=number,
                account=client.account,
                instrument=symbol.number if symbol else 0,
                side=request.side,
                session=0 if self._dialect.mass_cancels_account else client.session,
                ts_event=now,
                ts_recv=now,
            )
        )

    def disconnected(self, client: Client, now: int) -> None:
        """Cancels all that came by a session whose connection is gone."""
        command = m.MassCancel(
            cl_ord_id=self._next(now),
            account=client.account,
            session=client.session,
            reason=m.CancelReason.disconnected,
            ts_event=now,
            ts_recv=now,
        )
        self._house.submit(command)

    def find(self, client: Client, which: Which) -> Order | None:
        """A client's order."""
        if which.order_id.isdigit() and len(which.order_id) < 19:
            order = self._orders.orders.get(int(which.order_id))
            return order if order is not None and order.session == client.session else None
        return self._orders.find(client.session, which.cl_ord_id)

    def _held(self, client: Client, message: Message, request: Request, which: Which) -> bool:
        key = (client.session, which.cl_ord_id)
        if not which.cl_ord_id or key not in self._entering:
            return False
        self._waiting.setdefault(key, deque()).append((client, message, request))
        return True

    def _next(self, now: int) -> int:
        """Rising, above what the tape has."""
        self._number = max(self._number + 1, now, max(self._orders.last_cl_ord_id.values(), default=0) + 1)
        return self._number

    # -- refusals

    def _refuse(self, client: Client, session: Session, message: Message, refused: Refused, now: int) -> None:
        if refused.session or message.type not in ("D", "XCN", *answers.AMENDS) or 11 not in message:
            session.send(*self._dialect.refusal(message, refused), now)
        else:
            self._tell_refusal(client, message, refused, now)

    def _tell_refusal(self, client: Client, message: Message, refused: Refused, now: int) -> None:
        told: Told
        if message.type in ("D", "XCN"):
            told = self._refused_order(client, message, refused, now)
        else:
            told = self._refused_cancel(client, message, refused, now, message.get(11))
        self._teller.tell(told, now)

    def _refused_cancel(
        self, client: Client, message: Message, refused: Refused, now: int, cl_ord_id: str
    ) -> CancelReject:
        order = self.find(client, Which(message.get(41), message.get(37)))
        return answers.refused_cancel(client, message, refused, order, cl_ord_id, now)

    def _refused_order(self, client: Client, message: Message, refused: Refused, now: int) -> Report:
        self._refused.add((client.session, message.get(11)))
        symbol = self._orders.by_name.get(message.get(55))
        return answers.refused_order(client, message, refused, symbol, str(self._next(now)), now)


def _wanted(query: Mapping[str, str]) -> Refused:
    """The refusal that the fault asks for."""
    return Refused(query.get("text", "refused on request"), int(query.get("reason", "99")))
