"""NewOrder from what people write: decimals, names of enumerants; checked against the instrument before it is sent."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypedDict, TypeVar

from tapewire import messages as m
from tapewire.connection.instrument import Instrument, Number
from tapewire.errors import OrderRefused
from tapewire.order_bus import MAX_TEXT

E = TypeVar("E", bound=IntEnum)

SIDES: Final = (m.Side.buy, m.Side.sell)


class OrderTerms(TypedDict, total=False):
    """What an order may say beyond side, quantity and price. Enumerants by name or as such."""

    type: m.OrdType | str
    """limit, market, stop, stop_limit. Left out: limit with a price, else market; with stop_px stop_limit, or stop."""
    time_in_force: m.TimeInForce | str
    """gtc (the default; ioc of a market order), day, ioc, fok, gtd, at_open, at_close."""
    stop_px: Number
    """Of a stop or stop-limit order: the trade price that sets it off."""
    display_qty: Number
    """What an iceberg shows at a time."""
    min_qty: Number
    """Refused unless at least this much trades at once."""
    expire_time: int
    """UTC ns; of a gtd order."""
    hidden: bool
    post_only: bool
    slide: bool
    """Of a post-only order that would cross: rest at the nearest price that does not."""
    self_trade: m.SelfTrade | str


def new_order(
    instrument: Instrument,
    side: m.Side | str,
    qty: Number,
    price: Number | None,
    *,
    account: int,
    cl_ord_id: str,
    terms: OrderTerms,
) -> m.NewOrder:
    """The command. Raises OrderRefused for what cannot be meant, TypeError for a float; nothing was sent then."""
    unknown = terms.keys() - OrderTerms.__annotations__.keys()
    if unknown:
        raise TypeError(f"an order has no {', '.join(sorted(unknown))}; it has {', '.join(OrderTerms.__annotations__)}")
    check_text(cl_ord_id)
    stop_px = terms.get("stop_px")
    ord_type = member(m.OrdType, terms.get("type", _type_of(price, stop_px)), "type")
    if (price is None) != (ord_type in (m.OrdType.market, m.OrdType.stop)):
        raise OrderRefused(
            f"{instrument.ticker}: a {ord_type.name} order {'has no' if price is not None else 'needs a'} price"
        )
    if (stop_px is None) != (ord_type in (m.OrdType.market, m.OrdType.limit)):
        raise OrderRefused(
            f"{instrument.ticker}: a {ord_type.name} order {'has no' if stop_px is not None else 'needs a'} stop_px"
        )
    usual = m.TimeInForce.ioc if ord_type == m.OrdType.market else m.TimeInForce.gtc
    display_qty, min_qty = terms.get("display_qty"), terms.get("min_qty")
    return m.NewOrder(
        instrument=instrument.id,
        account=account,
        side=member(m.Side, side, "side"),
        ord_type=ord_type,
        time_in_force=member(m.TimeInForce, terms.get("time_in_force", usual), "time_in_force"),
        qty=instrument.qty_mantissa(qty),
        price=0 if price is None else instrument.price_mantissa(price),
        stop_px=0 if stop_px is None else instrument.price_mantissa(stop_px, "stop_px"),
        display_qty=0 if display_qty is None else instrument.qty_mantissa(display_qty, "display_qty"),
        min_qty=0 if min_qty is None else instrument.qty_mantissa(min_qty, "min_qty"),
        expire_time=terms.get("expire_time", 0),
        hidden=terms.get("hidden", False),
        post_only=terms.get("post_only", False),
        slide=terms.get("slide", False),
        self_trade=member(m.SelfTrade, terms.get("self_trade", m.SelfTrade.unspecified), "self_trade"),
        client_text=cl_ord_id,
    )


def check_text(text: str) -> None:
    """Raises OrderRefused for a ClOrdID that the bus does not carry."""
    if not 0 < len(text) <= MAX_TEXT or not text.isascii() or not text.isprintable() or " " in text:
        raise OrderRefused(f"ClOrdID {text!r}: expected 1 to {MAX_TEXT} printable ASCII characters without spaces")


def member(kind: type[E], given: E | str, what: str) -> E:
    """An enumerant by its name. Raises OrderRefused naming those there are."""
    if isinstance(given, kind):
        return given
    try:
        return kind[str(given)]
    except KeyError:
        known = ", ".join(one.name for one in kind if one)
        raise OrderRefused(f"{what} is {given!r}; expected one of {known}") from None


def _type_of(price: Number | None, stop_px: Number | None) -> m.OrdType:
    if stop_px is None:
        return m.OrdType.market if price is None else m.OrdType.limit
    return m.OrdType.stop if price is None else m.OrdType.stop_limit
