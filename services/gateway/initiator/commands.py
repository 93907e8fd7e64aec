"""The router's commands on their way to the venue: what each becomes, or why it is answered here. Pure but for the lock
of the session that it looks at."""

from __future__ import annotations

from dataclasses import replace

from services.gateway.initiator.child import Child
from services.gateway.initiator.dialects.base import Dialect
from services.gateway.initiator.orders import Orders
from services.gateway.initiator.words import Command, Kind, Told
from tapewire import messages as m


def answer_here(orders: Orders, command: Command, seq: int, late: str) -> Told | None:
    """Why a command is not sent; None if it is to be. `late`: it has waited too long, as told."""
    if isinstance(command, m.NewChild):
        return _not_entered(orders, command, seq, late)
    kind = Kind.replace_rejected if isinstance(command, m.ReplaceChild) else Kind.cancel_rejected
    child = orders.children.get(command.child_id)
    if child is None:
        return Told(
            kind, command.child_id, command.instrument, cause=seq, ts_event=command.ts,
            reason="the order never went to the venue, or ended long ago",
        )  # fmt: skip
    reason = ""
    if not child.live:
        reason = "the order does not stand any more"
    elif isinstance(command, m.ReplaceChild):
        waiting = bool(child.requests) or child.moving is not None
        reason = late or ("an amendment is on its way already" if waiting else "")
        if not reason and command.qty <= child.cum:
            reason = f"{child.market.qty(child.cum)} of it is filled; an amendment must be above"
    return child.told(kind, reason=reason, cause=seq, ts_event=command.ts) if reason else None


def _not_entered(orders: Orders, command: m.NewChild, seq: int, late: str) -> Told | None:
    order = orders.order_of(command, seq)
    reason = late or orders.dialect.refuses(command)
    if order is None:
        reason = f"no market of this venue is defined for instrument {command.instrument} ({command.ticker})"
    elif command.child_id in orders.children:
        reason = "an order of this number went to the venue before"
    if not reason:
        return None
    return Told(
        Kind.rejected, command.child_id, command.instrument, side=command.side, price=command.price,
        qty=command.qty, reason=reason, cause=seq, ts_event=command.ts,
    )  # fmt: skip


def body_of(orders: Orders, command: Command, seq: int, now: int) -> str:
    """The message that carries it out. `now`: UTC ns."""
    dialect = orders.dialect
    if isinstance(command, m.NewChild):
        entered = orders.order_of(command, seq)
        assert entered is not None  # else it was answered here
        return dialect.new(entered, now)
    order, request = orders.children[command.child_id].order(), orders.request_of(command, seq)
    if isinstance(command, m.CancelChild):
        return dialect.cancel(order, request.name, now)
    if dialect.replaces(order, request):
        return dialect.replace(order, request, now)
    return dialect.cancel(order, dialect.names.make("q", seq, seq), now)


def waits(orders: Orders, command: Command) -> bool:
    """Whether it must wait for the answer to another: a cancel of an order that is just being entered anew."""
    child = orders.children.get(command.child_id)
    return isinstance(command, m.CancelChild) and child is not None and child.live and child.moving is not None


def second_leg(child: Child, dialect: Dialect, now: int) -> str:
    """The new order of an amendment whose cancel is confirmed; empty: there is none to enter. `now`: UTC ns."""
    request = child.moving
    if request is None or not child.between:
        return ""
    order = replace(
        child.order(), name=request.name, price=request.price or child.price, qty=request.qty - child.told_cum,
        display_qty=min(child.display_qty, request.qty - child.told_cum), order_id="",
    )  # fmt: skip
    return dialect.new(order, now)
