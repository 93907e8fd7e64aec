"""What the fold of the orders tape gives: an order, and what happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from services.gateway.instruments import Instrument
from tapewire import messages as m
from tapewire.fix.timestamps import Stamp

SIDES = {m.Side.buy: "1", m.Side.sell: "2"}
ORD_TYPES = {m.OrdType.market: "1", m.OrdType.limit: "2", m.OrdType.stop: "3", m.OrdType.stop_limit: "4"}
TIMES_IN_FORCE = {
    m.TimeInForce.day: "0",
    m.TimeInForce.gtc: "1",
    m.TimeInForce.at_open: "2",
    m.TimeInForce.ioc: "3",
    m.TimeInForce.fok: "4",
    m.TimeInForce.gtd: "6",
    m.TimeInForce.at_close: "7",
}
SELF_TRADES = {
    m.SelfTrade.allow: "A",
    m.SelfTrade.cancel_newest: "N",
    m.SelfTrade.cancel_oldest: "O",
    m.SelfTrade.cancel_both: "B",
    m.SelfTrade.decrement_and_cancel: "D",
}
UNKNOWN_TICKER = "[N/A]"
MAX_SESSION = 0xFFFF
_stamp = Stamp()


class Request(NamedTuple):
    """What became a command: who asked, and what reports repeat."""

    session: int
    received: int
    """Seq on the gateway's tape; 0: the gateway's own."""
    text: str = ""
    """Its ClOrdID (11)."""
    echo: str = ""
    """Fields of a NewOrderSingle that are only carried, as they go into each report, with their SOHs."""


class Order:
    """Where an order stands. OrderQty = CumQty + LeavesQty while it is live, busts aside; prices and quantities are
    mantissas; `cost` is the sum of price x quantity of its fills."""

    __slots__ = (
        *(
            "account",
            "cl_ord_id",
            "command",
            "cost",
            "cum",
            "echo",
            "head",
            "instrument",
            "known_from",
            "leaves",
            "names",
            "order_id",
        ),
        *("price", "qty", "session", "side", "status", "stop_px", "unpriced", "waiting"),
    )

    def __init__(
        self,
        command: m.NewOrder,
        accepted: m.OrderAccepted | None,
        instrument: Instrument | None,
        echo: str,
        ours: bool,
    ) -> None:
        """`accepted`: None of an order that was refused. `ours`: it came by this gateway."""
        self.command, self.instrument, self.echo = command, instrument, echo
        self.order_id = command.order_id
        # A session of another producer may have the same number.
        self.session = command.session & MAX_SESSION if ours else 0
        self.account, self.side = command.account, command.side
        self.cl_ord_id = command.client_text or str(command.cl_ord_id)
        self.names = [(self.session, self.cl_ord_id)]
        """Sessions and ClOrdIDs that it was called by."""
        self.qty = command.qty
        self.price, self.stop_px = command.price, command.stop_px
        self.leaves = 0
        self.waiting = False
        if accepted is not None:
            self.order_id, self.price, self.qty = accepted.order_id, accepted.price, accepted.qty
            self.leaves, self.waiting = accepted.qty, accepted.waiting
        self.cum = self.cost = 0
        self.known_from = 0
        """It was live as of this record, where the tape was pruned, and of what was before only that is known."""
        self.unpriced = 0
        """How much of `cum` filled at prices that are not known."""
        self.status = "0"
        self.describe()

    def describe(self) -> None:
        """Makes `head` anew: the fields of every report that only a replace changes."""
        c, i = self.command, self.instrument
        parts = [f"1={self.account}", f"55={i.ticker if i is not None else UNKNOWN_TICKER}"]
        parts += [f"54={SIDES.get(self.side, '1')}", f"40={ORD_TYPES.get(c.ord_type, '2')}"]
        parts.append(f"59={TIMES_IN_FORCE.get(c.time_in_force, '0')}")
        if i is not None:
            if c.ord_type in (m.OrdType.limit, m.OrdType.stop_limit):
                parts.append(f"44={i.px(self.price)}")
            if self.stop_px:
                parts.append(f"99={i.px(self.stop_px)}")
            if c.min_qty:
                parts.append(f"110={i.qty(c.min_qty)}")
            if c.display_qty or c.hidden:
                parts.append(f"111={i.qty(c.display_qty)}")
        if c.expire_time:
            parts.append(f"126={_stamp.millis(c.expire_time)}")
        if c.post_only:
            parts.append("18=6")
        if c.slide:
            parts.append("8040=Y")
        if c.self_trade in SELF_TRADES:
            parts.append(f"7928={SELF_TRADES[c.self_trade]}")
        self.head = "\x01".join(parts) + "\x01" + self.echo


@dataclass(slots=True)
class Exec:
    """One ExecutionReport. The order is as it stands after it: to be read before the next record is folded."""

    order: Order
    type: str
    """ExecType (150) of FIX 4.4."""
    exec_id: str
    ts: int
    cl_ord_id: str
    orig: str = ""
    requester: int = 0
    """The session that asked for it, where that may be another than the order's."""
    last_px: int = 0
    last_qty: int = 0
    match_id: int = 0
    liquidity: int = 0
    """LastLiquidityInd (851)."""
    aggressor: str = ""
    """AggressorIndicator (1057); empty in an auction."""
    ref: str = ""
    """ExecRefID (19) of a bust or correction."""
    restatement: int = 0
    """ExecRestatementReason (378); 0: none."""
    reason: m.RejectReason = m.RejectReason.unspecified
    value: int = 0
    limit: int = 0


@dataclass(slots=True)
class Refused:
    """An OrderCancelReject (9)."""

    order: Order | None
    """None if there is no such order, or it was let go."""
    command: m.CancelOrder | m.ReplaceOrder
    requester: int
    refusal: m.CancelRejected


@dataclass(slots=True)
class Completed:
    """The end of a MassCancel (r)."""

    command: m.MassCancel
    request: Request | None
    seq: int
    ts: int
    count: int
    refusal: m.CancelRejected | None


Happened = Exec | Refused | Completed
