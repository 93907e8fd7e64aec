"""What the dialects have in common: plain FIX 4.4, written by templates and read field by field. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from services.gateway.initiator.names import Form, Names
from services.gateway.initiator.words import Kind, Order, Report, Request
from tapewire import messages as m
from tapewire.config.venues import Venue
from tapewire.errors import FixError
from tapewire.fix.message import SOH, Message
from tapewire.fix.timestamps import Stamp, to_ns

Fields = list[tuple[int, str]]
SIDES = {m.Side.buy: "1", m.Side.sell: "2"}
_SIDES = {"1": m.Side.buy, "2": m.Side.sell}
ORD_TYPES = {m.OrdType.market: "1", m.OrdType.limit: "2"}
EXEC_TYPES = {
    "A": Kind.pending, "6": Kind.pending, "E": Kind.pending, "0": Kind.accepted, "8": Kind.rejected,
    "1": Kind.executed, "2": Kind.executed, "F": Kind.executed, "5": Kind.replaced, "4": Kind.cancelled,
    "3": Kind.expired, "C": Kind.expired, "H": Kind.busted, "G": Kind.corrected, "D": Kind.restated,
    "I": Kind.unspecified,
}  # fmt: skip
UNKNOWN_ORDER = 5
"""OrdRejReason (103): the order is not there."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What proves who we are, as its files hold it. Never shown."""

    secret: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)


class Head(NamedTuple):
    """The header of a Logon about to be sent."""

    seq: str
    sender: str
    target: str
    sending_time: str
    now_ms: int


class Dialect:
    """Base of all. A subclass says what its venue does otherwise."""

    form: ClassVar[Form] = "plain"
    always_resets: ClassVar[bool] = False
    """Whether both numbers begin at 1 at each logon, whatever the configuration says."""
    resends: ClassVar[bool] = True
    """Whether the venue sends again what is asked for by ResendRequest; else a gap ends the session."""
    asks: Literal["mass", "each", "cancel"] = "each"
    """How open orders are asked for: all at once (AF), one by one (H), or not at all; then each is cancelled."""
    amends: Literal["replace", "cancel-new"] = "replace"
    """An amendment is one message (G), or a cancel whose answer is followed by a new order."""
    limit: ClassVar[tuple[int, float]] = (100, 1.0)
    """Messages in seconds, where the configuration says none."""
    rollover: str = ""
    """UTC time of day at which both numbers begin at 1; empty: never."""
    tifs: ClassVar[dict[m.TimeInForce, str]] = {
        m.TimeInForce.day: "0",
        m.TimeInForce.gtc: "1",
        m.TimeInForce.ioc: "3",
        m.TimeInForce.fok: "4",
    }
    post_only: ClassVar[str] = "6"
    """ExecInst (18) of an order that must not take."""
    display_tag: ClassVar[int] = 1138
    """0: it knows no icebergs."""
    transact_time: ClassVar[bool] = True
    """Whether requests carry 60."""

    def __init__(self, venue: Venue, secrets: Secrets) -> None:
        self.venue, self._secrets = venue, secrets
        self.names = Names(self.form, venue.id_prefix)
        self.resets = self.always_resets or venue.reset_on_logon
        self._stamp = Stamp()

    @property
    def version(self) -> str:
        return self.venue.begin_string

    def logon(self, head: Head) -> Fields:
        """What our Logon has besides 98, 108 and 141. For the header: see `header`."""
        if not self.venue.username:
            return []
        return [(553, self.venue.username), (554, self._secrets.secret)]

    def copy_logon(self, head: Head) -> Fields:
        """The same of a drop-copy session."""
        return self.logon(head)

    def data_logon(self, head: Head) -> Fields:
        """The same of a market-data session."""
        return self.logon(head)

    def header(self, kind: str) -> Fields:
        """Fields of ours for the header of a message."""
        return []

    def refuses(self, order: m.NewChild) -> str:
        """Why this venue cannot be given such an order; empty if it can."""
        if order.ord_type not in ORD_TYPES:
            return f"order type {order.ord_type.name} is not sent to venues; expected limit or market"
        if order.time_in_force not in self.tifs:
            return f"the venue knows no time in force {order.time_in_force.name}"
        if order.display_qty and not self.display_tag:
            return "the venue has no orders of which a part is shown"
        if order.post_only and order.ord_type != m.OrdType.limit:
            return "only a limit order can be post-only"
        return ""

    def new(self, order: Order, ts: int) -> str:
        """NewOrderSingle under `order.name`. `ts`: UTC ns, now."""
        market, parts = order.market, ["35=D", f"11={order.name}"]
        parts += self.more(order)
        parts += [f"55={market.symbol}", f"54={SIDES[order.side]}", f"38={market.qty(order.qty)}"]
        parts.append(f"40={ORD_TYPES[order.ord_type]}")
        if order.ord_type == m.OrdType.limit:
            parts += [f"44={market.px(order.price)}", f"59={self.tifs[order.time_in_force]}"]
        elif order.time_in_force in (m.TimeInForce.ioc, m.TimeInForce.fok):
            parts.append(f"59={self.tifs[order.time_in_force]}")
        if order.post_only:
            parts.append(f"18={self.post_only}")
        if order.display_qty:
            parts.append(f"{self.display_tag}={market.qty(order.display_qty)}")
        return self._body(parts, ts)

    def more(self, order: Order) -> list[str]:
        """Further fields of a new order."""
        return [f"1={self.venue.account}"] if self.venue.account else []

    def cancel(self, order: Order, name: str, ts: int) -> str:
        """OrderCancelRequest under `name`."""
        parts = ["35=F", f"11={name}", f"41={order.name}", *self._known(order)]
        parts += [f"55={order.market.symbol}", f"54={SIDES[order.side]}", *self.quantity(order)]
        return self._body(parts, ts)

    def quantity(self, order: Order) -> list[str]:
        return [f"38={order.market.qty(order.qty)}"]

    def replaces(self, order: Order, request: Request) -> bool:
        """Whether this amendment is one message; else the order is cancelled, and what is left entered anew."""
        return self.amends == "replace"

    def replace(self, order: Order, request: Request, ts: int) -> str:
        """OrderCancelReplaceRequest under `request.name`."""
        market = order.market
        parts = ["35=G", f"11={request.name}", f"41={order.name}", *self._known(order), *self.more(order)]
        parts += [f"55={market.symbol}", f"54={SIDES[order.side]}", f"38={market.qty(request.qty)}"]
        parts += [f"40={ORD_TYPES[order.ord_type]}", f"44={market.px(request.price)}"]
        parts.append(f"59={self.tifs[order.time_in_force]}")
        if order.post_only:
            parts.append(f"18={self.post_only}")
        if order.display_qty:
            parts.append(f"{self.display_tag}={market.qty(min(order.display_qty, request.qty))}")
        return self._body(parts, ts)

    def status(self, order: Order, question: int, ts: int) -> str:
        """OrderStatusRequest."""
        parts = ["35=H", f"11={order.name}", *self._known(order)]
        parts += [f"55={order.market.symbol}", f"54={SIDES[order.side]}"]
        if self.version != "FIX.4.2":
            parts.append(f"790={self.names.make('q', question, question)}")
        return SOH.join(parts) + SOH

    def mass_status(self, question: int) -> str:
        """OrderMassStatusRequest for everything."""
        return SOH.join(("35=AF", f"584={self.names.make('q', question, question)}", "585=7")) + SOH

    def _known(self, order: Order) -> list[str]:
        return [f"37={order.order_id}"] if order.order_id else []

    def _body(self, parts: list[str], ts: int) -> str:
        if self.transact_time:
            parts.append(f"60={self._stamp.millis(ts)}")
        return SOH.join(parts) + SOH

    def read(self, message: Message) -> Report | None:
        """What a message says of an order; None if it says nothing of one. Raises FixError if it is broken."""
        if message.type == "8":
            return self._execution(message)
        if message.type == "9":
            kind = Kind.replace_rejected if message.get(434) == "2" else Kind.cancel_rejected
            return self._rejected(message, kind, message.get(102))
        if message.type == "j" or message.type == "3":
            kind = Kind.rejected
            code = message.get(380) if message.type == "j" else message.get(373)
            name = message.get(379) if message.type == "j" else ""
            return Report(
                kind, name=name, ref=message.get(45), whole=True, ts=_when(message), repeated=repeats(message),
                status=message.get(372), code=self.code(message, code), reason=message.get(58),
            )  # fmt: skip
        return None

    def _rejected(self, message: Message, kind: Kind, code: str) -> Report:
        return Report(
            kind, name=message.get(11), of=message.get(41), order_id=self.order_id(message), status=message.get(39),
            symbol=message.get(55), ts=_when(message), repeated=repeats(message), code=self.code(message, code),
            reason=message.get(58),
        )  # fmt: skip

    def _execution(self, message: Message) -> Report:
        kind = self.kind(message)
        executed = kind in (Kind.executed, Kind.busted, Kind.corrected)
        return Report(
            kind,
            name=message.get(11),
            of=message.get(41),
            order_id=self.order_id(message),
            exec_id=message.get(17),
            ref=message.get(19),
            symbol=message.get(55),
            side=_SIDES.get(message.get(54), m.Side.unspecified),
            status=message.get(39),
            price=message.get(44),
            qty=message.get(38),
            leaves=message.get(151),
            cum=message.get(14),
            last_price=message.get(31) if executed else "",
            last_qty=message.get(32) if executed else "",
            liquidity=self.liquidity(message),
            fee=self.fee(message)[0],
            fee_currency=self.fee(message)[1],
            ts=_when(message),
            repeated=repeats(message),
            last=message.get(912, "Y") == "Y",
            answers=message.get(790) or message.get(584),
            code=self.code(message, message.get(103)),
            reason=message.get(58),
        )

    def kind(self, message: Message) -> Kind:
        """Of an ExecutionReport."""
        found = EXEC_TYPES.get(message[150])
        if found is None:
            raise FixError(f"ExecType (150) {message[150]} is not known", 150, 5)
        if found == Kind.unspecified and names_no_order(message):
            return Kind.unknown
        if found in (Kind.unspecified, Kind.rejected) and message.get(103) == str(UNKNOWN_ORDER):
            return Kind.unknown
        return found

    def order_id(self, message: Message) -> str:
        """37 as far as it names an order."""
        found = message.get(37)
        return "" if found in ("NONE", "0", "UNKNOWN") else found

    def liquidity(self, message: Message) -> m.Liquidity:
        return {"1": m.Liquidity.added, "2": m.Liquidity.removed, "4": m.Liquidity.auction}.get(
            message.get(851), m.Liquidity.unspecified
        )

    def fee(self, message: Message) -> tuple[str, str]:
        """What was paid, and in what."""
        return (message.get(137), message.get(138)) if 137 in message else (message.get(12), message.get(479))

    def code(self, message: Message, text: str) -> int:
        """The venue's number for a reason."""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

    def knows_not(self, report: Report) -> bool:
        """Whether a refusal of ours says that there is no such order."""
        return report.code == 1  # CxlRejReason: unknown order


def names_no_order(message: Message) -> bool:
    """Whether an answer to a status request says that there is no such order: rejected, and nothing known of it."""
    return message.get(39) == "8" and (38 not in message or message.get(37) in ("", "NONE", "0", "UNKNOWN"))


def repeats(message: Message) -> bool:
    return message.get(43) == "Y" or message.get(97) == "Y"


def _when(message: Message) -> int:
    for tag in (60, 52):
        if tag in message:
            try:
                return to_ns(message[tag], tag)
            except FixError:
                continue
    return 0
