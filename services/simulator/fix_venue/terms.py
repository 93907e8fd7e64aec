"""What clients ask and what a venue tells, in words that no dialect owns. Prices and quantities are mantissas."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from tapewire import messages as m
from tapewire.fixed import to_mantissa, to_text


class Refused(Exception):
    """A request that the venue answers with a refusal: it never reaches the matcher."""

    def __init__(self, text: str, reason: int = 99, *, tag: int = 0, session: bool = False, code: str = "") -> None:
        """`reason`: 103 of an order, 102 of a cancel, 373 of a session reject (`session`). `tag`: the one at fault.
        `code`: the venue's own error code, where it has one."""
        super().__init__(text)
        self.text, self.reason, self.tag, self.session, self.code = text, reason, tag, session, code


@dataclass(frozen=True, slots=True)
class Client:
    """Who may log on, and how it proves it."""

    comp_id: str
    account: int
    """Of the engine."""
    session: int
    """Its orders' number at the engine: NewOrder.session."""
    username: str = ""
    password: str = ""
    """Also the passphrase of venues that have one."""
    secret: bytes = field(default=b"", repr=False)
    """The HMAC key in base64, or the Ed25519 public key, as the dialect says."""


@dataclass(frozen=True, slots=True)
class Enter:
    """A NewOrderSingle."""

    cl_ord_id: str
    symbol: str
    side: m.Side
    ord_type: m.OrdType
    time_in_force: m.TimeInForce
    qty: str
    price: str = ""
    stop_px: str = ""
    display_qty: str = ""
    min_qty: str = ""
    post_only: bool = False
    expire_time: int = 0
    self_trade: m.SelfTrade = m.SelfTrade.unspecified


@dataclass(frozen=True, slots=True)
class Which:
    """The order that a request means: by the venue's number if it is given, else by any ClOrdID it has had."""

    cl_ord_id: str = ""
    order_id: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """An OrderCancelRequest. `only`: the OrdStatus that the order must have; empty: any live one."""

    cl_ord_id: str
    which: Which
    only: str = ""


@dataclass(frozen=True, slots=True)
class Amend:
    """An OrderCancelReplaceRequest, or a venue's own amendment that keeps the order's place (`reduce_only`)."""

    cl_ord_id: str
    which: Which
    qty: str
    price: str = ""
    """Empty: as it is."""
    stop_px: str = ""
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class CancelAndNew:
    """A cancel whose place a new order takes. `anyway`: the new order is sent even where the cancel fails."""

    cancel: Cancel
    enter: Enter
    anyway: bool


@dataclass(frozen=True, slots=True)
class Status:
    which: Which
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class MassStatus:
    request_id: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class MassCancel:
    cl_ord_id: str
    symbol: str = ""
    side: m.Side = m.Side.unspecified


@dataclass(frozen=True, slots=True)
class Limits:
    """Asks how much of the message limits is used."""

    request_id: str


Request = Enter | Cancel | Amend | CancelAndNew | Status | MassStatus | MassCancel | Limits


@dataclass(frozen=True, slots=True)
class Symbol:
    """An instrument as its orders are written."""

    name: str
    number: int
    price_exponent: int
    qty_exponent: int
    lot_size: int
    tick_size: int

    @classmethod
    def of(cls, d: m.InstrumentDefinition) -> Self:
        return cls(d.ticker, d.instrument, d.price_exponent, d.qty_exponent, d.lot_size, d.tick_size)

    def px(self, mantissa: int) -> str:
        return to_text(mantissa, self.price_exponent)

    def qty(self, mantissa: int) -> str:
        return to_text(mantissa, self.qty_exponent)

    def to_px(self, text: str) -> int:
        """Raises FixedError."""
        return to_mantissa(text, self.price_exponent)

    def to_qty(self, text: str) -> int:
        """Raises FixedError."""
        return to_mantissa(text, self.qty_exponent)

    def average(self, cost: int, cum: int) -> str:
        """AvgPx with four places more than prices have, rounded down; 0 of nothing."""
        return to_text(cost * 10_000 // cum, self.price_exponent - 4) if cum else "0"

    def money(self, cost: int) -> str:
        """Price times quantity as text."""
        return to_text(cost, self.price_exponent + self.qty_exponent)


@dataclass(frozen=True, slots=True)
class Report:
    """One ExecutionReport, whole: what has just happened, and how the order stands after it."""

    exec_type: str
    """150 of FIX 4.4: 0 4 5 6 8 A C D E F G H I."""
    status: str
    """39."""
    exec_id: str
    order_id: str
    cl_ord_id: str
    symbol: Symbol | None
    """None: refused before anything was known of it."""
    symbol_text: str
    side: m.Side
    ord_type: m.OrdType
    time_in_force: m.TimeInForce
    ts: int
    """UTC ns of what happened."""
    session: int
    orig: str = ""
    account: int = 0
    price: int = 0
    stop_px: int = 0
    qty: int = 0
    qty_text: str = ""
    """As the client wrote it, of an order that was refused before it was understood."""
    leaves: int = 0
    cum: int = 0
    cost: int = 0
    """Sum of price times quantity of all that was filled."""
    last_px: int = 0
    last_qty: int = 0
    match_id: int = 0
    maker: bool = False
    auction: bool = False
    ref: str = ""
    """19: the ExecID that a bust or correction speaks of."""
    reason: int = 0
    """103."""
    code: str = ""
    """The venue's own error code, where it has one."""
    text: str = ""
    restatement: int = 0
    """378."""
    display_qty: int = 0
    post_only: bool = False
    entered: int = 0
    """UTC ns at which the order was accepted."""
    ref_seq: int = 0
    """MsgSeqNum of the request that was refused before it came to the engine."""
    request_id: str = ""
    """Of an answer to a status request: 790 or 584."""
    remaining: int = 0
    """Of an answer to a mass status: reports still to come plus this one; 0: not one of those."""

    def but(self, **changes: object) -> Report:
        """The same with these fields otherwise."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class CancelReject:
    """An OrderCancelReject (9)."""

    cl_ord_id: str
    orig: str
    order_id: str
    """Empty: no such order."""
    status: str
    amend: bool
    reason: int
    """102."""
    text: str
    ts: int
    session: int
    symbol_text: str = ""
    code: str = ""
    qty_text: str = ""
    """What an amendment asked for."""
    ref_seq: int = 0
    """MsgSeqNum of a request that was refused before it came to the engine."""


@dataclass(frozen=True, slots=True)
class MassCancelled:
    """The answer to a mass cancel (r)."""

    cl_ord_id: str
    report_id: str
    symbol_text: str
    side: m.Side
    count: int
    ts: int
    session: int
    refused: str = ""
    """Why, if it was."""


Told = Report | CancelReject | MassCancelled
