"""One order of ours at the venue, as its messages have told it so far. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.gateway.initiator.words import Kind, Market, Order, Report, Request, Told
from tapewire import messages as m

EARLY_KEPT = 256
"""Busts and corrections of one order that came before what they speak of."""
CLOSING = {
    "2": Kind.executed,
    "3": Kind.expired,
    "4": Kind.cancelled,
    "8": Kind.rejected,
    "C": Kind.expired,
}
"""OrdStatus (39) of an order that no longer stands."""


BY_ORDER_ENTRY, BY_COPY, BOTH = 1, 2, 3


@dataclass(slots=True)
class Execution:
    price: int
    qty: int
    as_of: tuple[int, str] = (0, "")
    """Of the correction that it stands by: its time and ExecID."""
    busted: bool = False
    differs: bool = False
    """Whether it was told otherwise, too, and that was recorded."""
    told_by: int = 0
    """BY_ORDER_ENTRY, BY_COPY or BOTH."""


@dataclass(slots=True)
class Child:
    child_id: int
    market: Market
    side: m.Side
    ord_type: m.OrdType
    time_in_force: m.TimeInForce
    post_only: bool
    price: int
    qty: int
    display_qty: int
    name: str
    """ClOrdID under which the venue knows it now."""
    order_id: str = ""
    left: set[str] = field(default_factory=set)
    """OrderIDs that were cancelled to be amended: what is still told of them, but executions, is old."""
    bases: dict[str, int] = field(default_factory=dict)
    """By each ClOrdID under which it was entered: what was filled before; the venue counts from there."""
    cum: int = 0
    told_cum: int = 0
    """As the venue said last."""
    told_ts: int = 0
    terms_ts: int = 0
    """When the venue changed price or quantity last."""
    unexplained: int = 0
    """Of cum, what was restated and no execution accounts for."""
    acknowledged: bool = False
    pended: set[str] = field(default_factory=set)
    closed: Kind = Kind.unspecified
    """How it ended; unspecified: it has not, though it may be filled."""
    applied: int = 0
    """Number of the last amendment that was carried out."""
    requests: dict[str, Request] = field(default_factory=dict)
    """Not answered yet, by ClOrdID."""
    moving: Request | None = None
    """An amendment by cancel and new order: the cancel is sent."""
    moving_seq: int = 0
    """Its command on the router's tape."""
    between: bool = False
    """Its cancel is confirmed, the new order not sent yet."""
    executions: dict[str, Execution] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    """ExecID of a correction, and of the execution that it speaks of."""
    seen: set[str] = field(default_factory=set)
    """ExecIDs of reports that are no executions."""
    names: list[str] = field(default_factory=list)
    """Every ClOrdID of its messages."""
    early: dict[str, list[Report]] = field(default_factory=dict)
    """Busts and corrections by the ExecID that they speak of and that did not come yet."""
    doubt: tuple[int, bool] | None = None
    """CumQty and whether it lives, as an answer had it that takes something back: believed when it is repeated."""

    @property
    def leaves(self) -> int:
        return 0 if self.closed else max(0, self.qty - self.cum)

    @property
    def live(self) -> bool:
        return not self.closed and (self.cum < self.qty or self.between)

    @property
    def behind(self) -> bool:
        """Whether the venue says that more, or less, was filled than its executions say."""
        return self.told_cum != self.cum

    @property
    def entering(self) -> str:
        """ClOrdID of the new order of an amendment, once it is sent; empty: there is none."""
        return self.moving.name if self.moving is not None and self.moving.name in self.bases else ""

    def order(self) -> Order:
        name, order_id = (self.entering, "") if self.entering else (self.name, self.order_id)
        return Order(
            self.child_id, self.market, self.side, self.ord_type, self.time_in_force, self.post_only, self.price,
            self.qty, self.display_qty, name, order_id,
        )  # fmt: skip

    def told(self, kind: Kind, report: Report | None = None, **more: object) -> Told:
        """What is said of it, as it stands now."""
        found = Told(
            kind, self.child_id, self.market.instrument, side=self.side, live=self.live, price=self.price,
            qty=self.qty, leaves_qty=self.leaves, cum_qty=self.cum, order_id=self.order_id,
        )  # fmt: skip
        if report is not None:
            found.exec_id, found.code, found.reason = report.exec_id, report.code, report.reason
            found.ts_event, found.origin = report.ts, origin_of(report)
        for key, value in more.items():
            setattr(found, key, value)
        return found

    def base_of(self, report: Report) -> int:
        for name in (report.of, report.name, self.name):
            if name in self.bases:
                return self.bases[name]
        return 0

    def hear(self, report: Report) -> None:
        """Takes what a report says besides what has happened: the venue's number, how much is filled."""
        current = report.order_id and report.order_id not in self.left
        if current and (not self.order_id or report.name == self.name):
            self.order_id = report.order_id
        if report.cum and report.ts >= self.told_ts:
            told = self.base_of(report) + self.market.to_qty(report.cum)
            # Of the same moment: the one that says more is the later one, as busts are of another.
            self.told_cum = told if report.ts > self.told_ts else max(told, self.told_cum)
            self.told_ts = report.ts


def origin_of(report: Report) -> m.ReportOrigin:
    """Where a report comes from."""
    if report.kind in (Kind.unspecified, Kind.unknown) or report.answers:
        return m.ReportOrigin.reconciled
    return m.ReportOrigin.resent if report.repeated else m.ReportOrigin.live
