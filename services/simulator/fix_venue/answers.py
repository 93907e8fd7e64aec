"""What the desk itself answers: where an order stands, and refusals that never reach the matcher. Pure functions."""

from __future__ import annotations

from services.simulator.fix_venue.dialect import NO_EXEC_ID, ORD_TYPES, SIDES, TIMES
from services.simulator.fix_venue.orders import Order, Orders
from services.simulator.fix_venue.terms import (
    CancelReject,
    Client,
    MassStatus,
    Refused,
    Report,
    Status,
    Symbol,
    Which,
)
from tapewire import messages as m
from tapewire.fix.message import Message

AMENDS = {"F": False, "G": True, "XAK": True}
"""Requests about an order, and whether they amend it."""


def status(client: Client, message: Message, request: Status, order: Order | None, now: int) -> Report:
    """The answer to H."""
    if order is None:
        unknown = nothing(client, message, request.which, "unknown order", now)
        return unknown.but(request_id=request.request_id)
    return Orders.snapshot(order, "I", NO_EXEC_ID, now).but(request_id=request.request_id)


def mass_status(client: Client, message: Message, request: MassStatus, orders: Orders, now: int) -> list[Report]:
    """The answers to AF: the session's live orders, or one report that says there is none."""
    live = [
        order
        for order in orders.orders.values()
        if order.session == client.session and order.live and request.symbol in ("", order.symbol.name)
    ]
    if not live:
        none = nothing(client, message, Which(), "no open orders", now)
        return [none.but(request_id=request.request_id, remaining=1)]
    return [
        Orders.snapshot(order, "I", NO_EXEC_ID, now).but(request_id=request.request_id, remaining=len(live) - index)
        for index, order in enumerate(live)
    ]


def nothing(client: Client, message: Message, which: Which, text: str, now: int) -> Report:
    """A report of an order that there is not; symbol and side as the request has them."""
    side = SIDES.get(message.get(54), m.Side.unspecified)
    return Report(
        *("I", "8", NO_EXEC_ID, which.order_id, which.cl_ord_id, None, message.get(55), side),
        *(m.OrdType.unspecified, m.TimeInForce.unspecified, now, client.session),
        reason=5,
        text=text,
        ref_seq=message.seq,
    )


def refused_cancel(
    client: Client, message: Message, refused: Refused, order: Order | None, cl_ord_id: str, now: int
) -> CancelReject:
    """The answer to a cancel or amendment of `order` that is not passed on."""
    return CancelReject(
        cl_ord_id=cl_ord_id,
        orig=message.get(41),
        order_id=str(order.order_id) if order else "",
        status=order.status if order else "8",
        amend=AMENDS.get(message.type, False),
        reason=refused.reason,
        text=refused.text,
        ts=now,
        session=client.session,
        symbol_text=message.get(55),
        code=refused.code,
        qty_text=message.get(38),
        ref_seq=message.seq,
    )


def refused_order(
    client: Client, message: Message, refused: Refused, symbol: Symbol | None, exec_id: str, now: int
) -> Report:
    """The answer to an order that is not passed on."""
    return Report(
        *("8", "8", exec_id, "", message.get(11), symbol, message.get(55)),
        side=SIDES.get(message.get(54), m.Side.unspecified),
        ord_type=ORD_TYPES.get(message.get(40), m.OrdType.unspecified),
        time_in_force=TIMES.get(message.get(59), m.TimeInForce.unspecified),
        ts=now,
        session=client.session,
        qty_text=message.get(38),
        reason=refused.reason,
        text=refused.text,
        code=refused.code,
        ref_seq=message.seq,
    )
