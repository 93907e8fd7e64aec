"""What clients send: bodies of HTTP requests, and of the stream's operations. Unknown fields are refused."""

from __future__ import annotations

from msgspec import Struct

from services.api.types import Algorithm, OrdType, SelfTrade, Side, Status, StatusReason, TimeInForce


class NewOrder(Struct, forbid_unknown_fields=True):
    cl_ord_id: str
    account: int
    ticker: str
    side: Side
    type: OrdType
    qty: str
    price: str | None = None
    time_in_force: TimeInForce = "day"
    stop_price: str | None = None
    display_qty: str | None = None
    min_qty: str | None = None
    expire_time: str | None = None
    hidden: bool = False
    post_only: bool = False
    slide: bool = False
    self_trade: SelfTrade | None = None


class Amend(Struct, forbid_unknown_fields=True):
    """`qty` is the whole quantity (OrderQty). What is left out stays as it is."""

    cl_ord_id: str
    account: int
    price: str | None = None
    qty: str | None = None
    stop_price: str | None = None


class MassCancel(Struct, forbid_unknown_fields=True):
    cl_ord_id: str
    account: int
    ticker: str | None = None
    side: Side | None = None


class SetLimits(Struct, forbid_unknown_fields=True):
    """Mantissas; 0: the platform's bound."""

    max_order_qty: int = 0
    max_notional: int = 0
    max_position: int = 0
    self_trade_group: int = 0
    self_trade: SelfTrade = "allow"


class Kill(Struct, forbid_unknown_fields=True):
    """Account 0: all."""

    account: int
    engaged: bool
    cancel_open: bool = False
    reason: str = ""


class SetStatus(Struct, forbid_unknown_fields=True):
    status: Status
    reason: StatusReason = "requested"
    resume_time: str | None = None


class NewParent(Struct, forbid_unknown_fields=True):
    cl_ord_id: str
    account: int
    ticker: str
    side: Side
    algorithm: Algorithm
    qty: str
    limit_price: str | None = None
    time_in_force: TimeInForce | None = None
    start_time: str | None = None
    end_time: str | None = None
    participation_bps: int = 0
    max_participation_bps: int = 0
    display_qty: str | None = None
    interval_ms: int = 0
    randomness_bps: int = 0
    urgency_bps: int = 0
    venues: list[str] | None = None


class AmendParent(Struct, forbid_unknown_fields=True):
    cl_ord_id: str
    account: int
    qty: str | None = None
    limit_price: str | None = None
    end_time: str | None = None
    participation_bps: int | None = None
    max_participation_bps: int | None = None


class Login(Struct, forbid_unknown_fields=True):
    user: str
    password: str
