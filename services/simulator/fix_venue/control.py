"""What `POST /_sim/<fault>` does, and what `GET /_sim/…` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.simulator.fix_venue.faults import FAULTS, FaultRequestError
from services.simulator.fix_venue.orders import Order
from services.simulator.fix_venue.terms import Report
from tapewire import messages as m
from tapewire.errors import FixedError, TapewireError

if TYPE_CHECKING:
    from services.simulator.fix_venue.venue import FixVenue

COUNTS = {"out_of_order": 2}
LASTING = frozenset({"silence", "refuse", "slow"})


def carry_out(venue: FixVenue, fault: str, query: Mapping[str, str], now: int) -> None:
    """Raises FaultRequestError saying what was expected."""
    if fault == "clear":
        venue.faults.clear()
    elif fault not in FAULTS:
        raise FaultRequestError(f"{fault}: expected clear, or one of {', '.join(FAULTS)}")
    elif "client" in query and query["client"] not in venue.names():
        raise FaultRequestError(f"client={query['client']}: expected one of {', '.join(venue.names())}")
    elif fault in LASTING:
        venue.faults.begin(fault, query, now)
    elif fault == "maintenance":
        venue.begin_maintenance(query, now)
    elif fault == "disconnect" and query.get("when", "now") == "now":
        venue.faults.strike(fault)
        venue.disconnect(query.get("client", ""))
    elif fault == "fill":
        _fill(venue, query, now)
    elif fault in ("bust", "correct"):
        _amend(venue, fault, query, now)
    else:
        venue.faults.arm(fault, dict(query), COUNTS.get(fault, 1))


def _named(venue: FixVenue, query: Mapping[str, str], *, live: bool, traded: bool = False) -> Order:
    """The latest order that fits, of `cl_ord_id` and `client` if they are said."""
    text, client = query.get("cl_ord_id", ""), query.get("client", "")
    for order in reversed(venue.orders.orders.values()):
        if (
            text in ("", *order.texts)
            and (not client or venue.clients[client].session == order.session)
            and (order.live or not live)
            and (_last_trade(venue, order) is not None or not traded)
        ):
            return order
    kind = "live order" if live else "order with a trade that stands" if traded else "order"
    raise FaultRequestError(f"there is no {kind}{f' {text}' if text else ''}: expected one")


def _last_trade(venue: FixVenue, order: Order) -> m.OrderExecuted | None:
    """The order's last trade as it stands now."""
    for report in reversed(order.executions):
        if report.exec_type == "F" and (trade := venue.orders.trades.get(report.match_id)) is not None:
            return trade
    return None


def _fill(venue: FixVenue, query: Mapping[str, str], now: int) -> None:
    order = _named(venue, query, live=True)
    if not order.price:
        raise FaultRequestError("the order has no price: expected a limit order")
    try:
        qty = order.symbol.to_qty(query["qty"]) if "qty" in query else order.leaves
    except FixedError as error:
        raise FaultRequestError(f"qty={query['qty']}: {error}") from None
    venue.faults.strike("fill")
    venue.desk.counter(order, qty, now)


def _amend(venue: FixVenue, fault: str, query: Mapping[str, str], now: int) -> None:
    order = _named(venue, query, live=False, traded=True)
    trade = _last_trade(venue, order)
    assert trade is not None, "it was looked for"
    names = ("instrument", "match_id", "maker_order_id", "taker_order_id", "price", "qty")
    parties = ("maker_account", "taker_account", "taker_side")
    known = {name: getattr(trade, name) for name in (*names, *parties)}
    if fault == "bust":
        command: m.Message = m.BustTrade(**known, ts_event=now, ts_recv=now)
    else:
        try:
            price = order.symbol.to_px(query["price"]) if "price" in query else trade.price
            qty = order.symbol.to_qty(query["qty"]) if "qty" in query else trade.qty
        except FixedError as error:
            raise FaultRequestError(f"{query}: {error}") from None
        if (price, qty) == (trade.price, trade.qty):
            raise FaultRequestError("correct: expected another price or qty")
        command = m.CorrectTrade(**known, new_price=price, new_qty=qty, ts_event=now, ts_recv=now)
    try:
        venue.house.operate(command)
    except TapewireError as error:
        raise FaultRequestError(str(error)) from None
    venue.faults.strike(fault)


def status(venue: FixVenue) -> dict[str, Any]:
    """What the venue is, who is there, what is armed."""
    return {
        "dialect": venue.dialect.name,
        "comp_id": venue.dialect.comp_id,
        "symbols": list(venue.orders.by_name),
        "sessions": {
            session.theirs: {"on": session.on, "next_in": session.next_in, "next_out": session.next_out}
            for session in venue.sessions.values()
        },
        "other_sessions": {name: one.on for name, one in venue.others.items()},
        "orders": len(venue.orders.orders),
        "live": sum(order.live for order in venue.orders.orders.values()),
        "lost": [{"client": client, "cl_ord_id": text} for client, text in venue.desk.lost],
        "armed": venue.faults.armed(),
        "struck": dict(venue.faults.used),
    }


def orders(venue: FixVenue, client: str = "") -> list[dict[str, Any]]:
    """The truth: every client's orders and all that happened to them, from the engine's tape, whatever was told."""
    names = {one.session: one.comp_id for one in venue.clients.values()}
    return [
        _order(order, names.get(order.session, ""))
        for order in venue.orders.orders.values()
        if client in ("", names.get(order.session))
    ]


def _order(order: Order, client: str) -> dict[str, Any]:
    s = order.symbol
    return {
        "client": client,
        "order_id": str(order.order_id),
        "cl_ord_id": order.cl_ord_id,
        "cl_ord_ids": order.texts,
        "symbol": s.name,
        "side": order.side.name,
        "status": order.status,
        "live": order.live,
        "price": s.px(order.price),
        "qty": s.qty(order.qty),
        "cum_qty": s.qty(order.cum),
        "leaves_qty": s.qty(order.leaves),
        "avg_px": s.average(order.cost, order.cum),
        "executions": [_execution(report) for report in order.executions],
    }


def _execution(r: Report) -> dict[str, Any]:
    s = r.symbol
    assert s is not None, "an order of the tape has an instrument"
    return {
        "exec_id": r.exec_id,
        "exec_type": r.exec_type,
        "status": r.status,
        "cl_ord_id": r.cl_ord_id,
        "last_qty": s.qty(r.last_qty),
        "last_px": s.px(r.last_px),
        "cum_qty": s.qty(r.cum),
        "leaves_qty": s.qty(r.leaves),
        "ref": r.ref,
        "ts": r.ts,
    }
