"""Requests of clients as commands of the engine: pure. What cannot become one gives the answer that says why.

D NewOrder   F CancelOrder   G ReplaceOrder   q MassCancel
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from services.gateway.happened import Order
from services.gateway.instruments import Instrument
from services.gateway.orders import Orders
from services.gateway.session import Session, parties_of
from services.gateway.values import (
    ORD_TYPES,
    SELF_TRADES,
    SIDES,
    TIMES_IN_FORCE,
    MissingField,
    Refusal,
    price_of,
    qty_of,
    shown_of,
    transacted_at,
)
from tapewire import messages as m
from tapewire.fix.message import Message
from tapewire.fix.timestamps import to_ns

_T, _R = m.OrdType, m.RejectReason
MAX_ECHO: Final = 1024
"""Bytes of parties that every report of an order repeats."""
PRICED: Final = frozenset({_T.limit, _T.stop_limit})
STOPS: Final = frozenset({_T.stop, _T.stop_limit})

_NEW = m.NewOrder.encoder(
    *("cl_ord_id", "ts_event", "ts_recv", "instrument", "account", "side", "ord_type", "time_in_force", "price", "qty"),
    *("post_only", "stop_px", "display_qty", "min_qty", "expire_time", "session", "hidden", "slide", "self_trade"),
    "client_text",
)
_CANCEL = m.CancelOrder.encoder(
    *("cl_ord_id", "ts_event", "ts_recv", "instrument", "order_id", "account", "client_text")
)
_REPLACE = m.ReplaceOrder.encoder(
    *("cl_ord_id", "ts_event", "ts_recv", "instrument", "order_id", "account", "price", "qty", "stop_px"),
    "client_text",
)
_MASS_CANCEL = m.MassCancel.encoder(
    *("cl_ord_id", "ts_event", "ts_recv", "instrument", "account", "side", "session", "reason"),
    "client_text",
)


class Waits(Exception):
    """The order that is meant has not been answered yet; the request waits for that."""

    def __init__(self, orig: str) -> None:
        super().__init__(orig)
        self.orig = orig


@dataclass(slots=True)
class Desk:
    """What requests are checked against."""

    orders: Orders
    pending: dict[tuple[int, str], int]
    """By session and ClOrdID: requests whose commands are on their way, with the commands' numbers."""


def command(desk: Desk, session: Session, message: Message, cl_ord_id: int, now: int) -> bytes:
    """The command that a D, F, G or q becomes. `cl_ord_id`: its number; `now`: UTC ns.

    Raises Refusal, MissingField, Waits, FixError.
    """
    name = message[11]
    held = desk.orders.by_text.get((session.terms.number, name))
    if held is not None and held.order_id in desk.orders.live:  # of another day: else it would be told apart no more
        raise Refusal(f"ClOrdID (11) {name}: is that of a live order", _R.stale_cl_ord_id)
    return _MAKERS[message.type](desk, session, message, cl_ord_id, now)


def _new_order(desk: Desk, session: Session, message: Message, cl_ord_id: int, now: int) -> bytes:
    f = message.fields
    account, i = _account(session, f), _instrument(desk, f)
    ord_type = ORD_TYPES[f[40]]
    time_in_force = TIMES_IN_FORCE[f.get(59, "0")]
    qty = qty_of(f, 38, i)
    price = price_of(f, 44, i, ord_type in PRICED, "a limit order needs a price")
    stop_px = price_of(f, 99, i, ord_type in STOPS, "a stop order needs a stop price")
    shown = shown_of(f, i)
    expire_time = 0
    if time_in_force == m.TimeInForce.gtd:
        if 126 not in f:
            raise MissingField(126, "a good-till-date order needs an end")
        expire_time = to_ns(f[126], 126)
    elif 126 in f:
        raise Refusal("ExpireTime (126) belongs to good-till-date orders (59=6)")
    if (length := len(parties_of(message.raw.decode("latin-1")))) > MAX_ECHO:
        raise Refusal(f"parties (453) of {length} bytes; every report repeats them: expected at most {MAX_ECHO}")
    return _NEW(
        *(cl_ord_id, transacted_at(f), now, i.number, account, SIDES[f[54]], ord_type, time_in_force, price, qty),
        *("6" in f.get(18, "").split(), stop_px, shown or 0, qty_of(f, 110, i), expire_time),
        *(session.terms.number, shown == 0, f.get(8040) == "Y"),
        *(SELF_TRADES.get(f.get(7928, ""), m.SelfTrade.unspecified), f[11]),
    )


def _cancel(desk: Desk, session: Session, message: Message, cl_ord_id: int, now: int) -> bytes:
    order = _order(desk, session, message)
    return _CANCEL(
        cl_ord_id,
        transacted_at(message.fields),
        now,
        order.command.instrument,
        order.order_id,
        order.account,
        message[11],
    )


def _replace(desk: Desk, session: Session, message: Message, cl_ord_id: int, now: int) -> bytes:
    f, order = message.fields, _order(desk, session, message)
    i, c = order.instrument, order.command
    assert i is not None, "a live order has an instrument"
    _check_unchanged(f, order, i)
    price = price_of(f, 44, i, c.ord_type in PRICED, "a limit order needs a price")
    stop_px = price_of(f, 99, i, False, "")
    qty = qty_of(f, 38, i)
    if not order.waiting and (stop_px == order.stop_px or (order.known_from and c.ord_type in STOPS)):
        stop_px = 0  # repeated of a stop that was triggered: nothing that could be changed, known here or not
    return _REPLACE(
        *(cl_ord_id, transacted_at(f), now, i.number, order.order_id, order.account, price, qty, stop_px, f[11])
    )


def _check_unchanged(f: dict[int, str], order: Order, i: Instrument) -> None:
    """What a replace repeats of an order must be as it is; what it leaves out stays."""
    c = order.command
    given: tuple[tuple[int, str, Callable[[], bool]], ...] = (
        (40, "OrdType", lambda: ORD_TYPES[f[40]] == c.ord_type),
        (59, "TimeInForce", lambda: TIMES_IN_FORCE[f[59]] == c.time_in_force),
        (126, "ExpireTime", lambda: to_ns(f[126], 126) == c.expire_time),
        (18, "ExecInst", lambda: c.post_only),
        (110, "MinQty", lambda: bool(order.known_from) or qty_of(f, 110, i) == c.min_qty),
        (111, "MaxFloor", lambda: _shows(f, order, i)),
        (1138, "DisplayQty", lambda: _shows(f, order, i)),
        (7928, "SelfTradePrevention", lambda: SELF_TRADES[f[7928]] == c.self_trade),
    )
    for tag, name, is_same in given:
        if tag in f and not is_same():
            raise Refusal(f"{name} ({tag}) cannot be changed")


def _shows(f: dict[int, str], order: Order, i: Instrument) -> bool:
    """Whether the order shows as much at a time as is said."""
    shown = shown_of(f, i)
    if order.known_from and shown and not order.command.hidden and not order.command.display_qty:
        return True  # it may have been given as much as the whole order, which an engine's snapshot does not keep
    return order.command.hidden if shown == 0 else shown == order.command.display_qty


def _mass_cancel(desk: Desk, session: Session, message: Message, cl_ord_id: int, now: int) -> bytes:
    f = message.fields
    account = _account(session, f)
    instrument = 0
    if f[530] == "1":
        if 55 not in f:
            raise MissingField(55, "530=1 cancels in one instrument")
        instrument = _instrument(desk, f).number
    elif 55 in f:
        raise Refusal("Symbol (55) belongs to 530=1")
    side = SIDES[f[54]] if 54 in f else m.Side.unspecified
    return _MASS_CANCEL(
        *(cl_ord_id, transacted_at(f), now, instrument, account, side, 0, m.CancelReason.mass_cancel, f[11])
    )


def cancel_session(session: Session, cl_ord_id: int, now: int) -> bytes:
    """The gateway's own command when a session was lost: cancels what came by it."""
    return _MASS_CANCEL(
        cl_ord_id, now, now, 0, 0, m.Side.unspecified, session.terms.number, m.CancelReason.disconnected, ""
    )


_MAKERS: Final[dict[str, Callable[[Desk, Session, Message, int, int], bytes]]] = {
    "D": _new_order,
    "F": _cancel,
    "G": _replace,
    "q": _mass_cancel,
}


def _account(session: Session, f: dict[int, str]) -> int:
    accounts = session.terms.accounts
    text = f.get(1)
    if text is None:
        return accounts[0]
    for account in accounts:
        if text == str(account):
            return account
    raise Refusal(f"Account (1) {text}: not one of this session's", _R.unknown_account)


def _instrument(desk: Desk, f: dict[int, str]) -> Instrument:
    found = desk.orders.instruments.by_ticker.get(f[55])
    if found is None:
        raise Refusal(f"Symbol (55) {f[55]}: unknown", _R.unknown_instrument)
    return found


def find_order(desk: Desk, session: Session, message: Message) -> Order | None:
    """The order named by 37, or by 41 (11 of a status request), if it is of one of the session's accounts.

    Raises Waits if its own request has not been answered yet.
    """
    f, orders = message.fields, desk.orders
    order = None
    if (text := f.get(37)) is not None and text != "NONE":
        digits = text.removeprefix(orders.prefix)
        if digits != text and digits.isascii() and digits.isdigit() and len(digits) <= 18:
            order = orders.order(int(digits))
    else:
        name = f.get(11 if message.type == "H" else 41)
        if name is None:
            raise MissingField(11 if message.type == "H" else 41, "or 37; one of them names the order")
        key = (session.terms.number, name)
        if key in desk.pending:
            raise Waits(name)
        order = orders.by_text.get(key)
    if order is not None and order.account not in session.terms.accounts:
        return None
    return order


def add_order(desk: Desk, session: Session, message: Message, refusal: Refusal) -> None:
    """Finds the order that a refused cancel or replace means: the answer says how it stands, whatever was wrong."""
    if refusal.order is None and message.type in ("F", "G"):
        with suppress(Waits, MissingField):
            refusal.order = find_order(desk, session, message)


def _order(desk: Desk, session: Session, message: Message) -> Order:
    order = find_order(desk, session, message)
    if order is None:
        raise Refusal(desk.orders.why_unknown(), _R.unknown_order)
    i, f = order.instrument, message.fields
    if order.order_id not in desk.orders.live:
        raise Refusal("the order is done", _R.unknown_order, late=True)
    if i is not None and f[55] != i.ticker:
        raise Refusal(f"Symbol (55) {f[55]}: the order is in {i.ticker}")
    if SIDES[f[54]] != order.side:
        raise Refusal("Side (54) is not the order's")
    if 1 in f and f[1] != str(order.account):
        raise Refusal("Account (1) is not the order's")
    return order
