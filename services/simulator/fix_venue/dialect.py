"""What dialects have in common: requests read and reports written as FIX 4.4 has them. A dialect changes what differs.

Fields that a dialect does not know are passed over, as most venues do; values it does not know are refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Container, Mapping
from typing import ClassVar, Final, Literal, TypeVar

from services.simulator.fix_venue.session import Rules
from services.simulator.fix_venue.terms import (
    Amend,
    Cancel,
    CancelReject,
    Client,
    Enter,
    Limits,
    MassCancel,
    MassCancelled,
    MassStatus,
    Refused,
    Report,
    Request,
    Status,
    Told,
    Which,
)
from tapewire import messages as m
from tapewire.errors import FixError
from tapewire.fix.message import Message, Reason, printable
from tapewire.fix.timestamps import Stamp, to_ns

T = TypeVar("T")
Endpoint = Literal["orders", "market-data", "drop-copy"]
"""A port of its own each."""
SIDES: Final = {"1": m.Side.buy, "2": m.Side.sell}
ORD_TYPES: Final = {"1": m.OrdType.market, "2": m.OrdType.limit, "3": m.OrdType.stop, "4": m.OrdType.stop_limit}
TIMES: Final = {
    "0": m.TimeInForce.day,
    "1": m.TimeInForce.gtc,
    "2": m.TimeInForce.at_open,
    "3": m.TimeInForce.ioc,
    "4": m.TimeInForce.fok,
    "6": m.TimeInForce.gtd,
    "7": m.TimeInForce.at_close,
}
SIDE_CODES: Final = {side: code for code, side in SIDES.items()}
ORD_TYPE_CODES: Final = {kind: code for code, kind in ORD_TYPES.items()}
TIME_CODES: Final = {time: code for code, time in TIMES.items()}
PRICED: Final = frozenset({m.OrdType.limit, m.OrdType.stop_limit})
STOPS: Final = frozenset({m.OrdType.stop, m.OrdType.stop_limit})
NO_EXEC_ID: Final = "0"
"""ExecID (17) of a report that only says where an order stands."""


class Dialect:
    """A venue's way of speaking. Holds nothing of one session."""

    name: ClassVar[str]
    comp_id: ClassVar[str] = "VENUE"
    """The venue's own CompID."""
    instruments: ClassVar[tuple[str, ...]] = ("ACME:0.01:1:100",)
    """What an engine started for it lists: ticker, tick, lot, reference price."""
    lots: ClassVar[int] = 100
    """A typical size in lots: of each level of the opening book, and of other traders' orders."""
    requests: ClassVar[frozenset[str]] = frozenset({"D", "F", "G", "H", "q", "AF"})
    ord_types: ClassVar[frozenset[str]] = frozenset({"1", "2", "3", "4"})
    times: ClassVar[frozenset[str]] = frozenset({"0", "1", "2", "3", "4", "6", "7"})
    default_time: ClassVar[str] = "0"
    post_only: ClassVar[str] = "6"
    """ExecInst (18) of an order that only adds liquidity."""
    rules = Rules()
    message_limit: ClassVar[tuple[int, int]] = (0, 0)
    """Messages, and in how many seconds; more end the session. 0: no limit."""
    order_limit: ClassVar[tuple[int, int]] = (0, 0)
    """Orders, and in how many seconds; more are refused. 0: no limit."""
    endpoints: ClassVar[frozenset[Endpoint]] = frozenset({"orders"})
    """What may be logged on to."""
    mass_cancels_account: ClassVar[bool] = False
    """Whether a mass cancel reaches all orders of the account, in place of those of the session."""

    def __init__(self) -> None:
        self._stamp = Stamp()
        self._readers: dict[str, Callable[[Message], Request]] = {
            "D": self.enter,
            "F": self.cancel,
            "G": self.amend,
            "H": self.status,
            "q": self.mass_cancel,
            "AF": self.mass_status,
        }

    # -- logon

    def example_client(self) -> Client:
        """Who may log on where nobody is named."""
        return Client("CLIENT", account=1, session=1, username="client", password="password")

    def check_logon(self, logon: Message, client: Client, now: int) -> str:
        """Why a Logon is refused; empty if it is good. Raises FixError for a field that is missing."""
        user, password = logon.get(553), logon.get(554)
        if not hmac.compare_digest(user.encode(), client.username.encode()):
            return "unknown username or wrong password"
        if not hmac.compare_digest(password.encode(), client.password.encode()):
            return "unknown username or wrong password"
        return ""

    def check_other_logon(self, logon: Message, client: Client, now: int, endpoint: Endpoint) -> str:
        """The same at another endpoint than that for orders."""
        return self.check_logon(logon, client, now)

    def logon_answer(self, logon: Message) -> str:
        """Further fields of the venue's Logon."""
        return ""

    def cancels_on_disconnect(self, logon: Message) -> bool:
        """Whether the session's orders are cancelled once its connection is gone."""
        return False

    # -- requests

    def request(self, message: Message) -> Request:
        """Raises Refused, or FixError where a field is missing or no value of its kind."""
        read = self._readers.get(message.type) if message.type in self.requests else None
        if read is None:
            raise Refused(f"message type {message.type} is not supported", Reason.INVALID_MSG_TYPE, tag=35)
        return read(message)

    def enter(self, message: Message) -> Enter:
        kind = one_of(message, 40, ORD_TYPES, self.ord_types)
        time = one_of(message, 59, TIMES, self.times) if 59 in message else TIMES[self.default_time]
        return Enter(
            *(message[11], message[55], one_of(message, 54, SIDES, SIDES), kind, time, message[38]),
            price=message[44] if kind in PRICED else "",
            stop_px=message[99] if kind in STOPS else "",
            display_qty=message.get(1138) or message.get(111),
            min_qty=message.get(110),
            post_only=self.post_only in message.get(18).split(" "),
            expire_time=self.expire_time(message) if time is m.TimeInForce.gtd else 0,
            self_trade=self.self_trade(message),
        )

    def expire_time(self, message: Message) -> int:
        """UTC ns; of a day (432), its end."""
        if 126 in message or 432 not in message:
            return to_ns(message[126], 126)
        return to_ns(f"{message[432]}-23:59:59", 432)

    def self_trade(self, message: Message) -> m.SelfTrade:
        return m.SelfTrade.unspecified

    def which(self, message: Message) -> Which:
        if 41 not in message and 37 not in message:
            raise FixError("tag 41 is missing, and 37", 41, Reason.REQUIRED_TAG_MISSING)
        return Which(message.get(41), message.get(37))

    def cancel(self, message: Message) -> Cancel:
        return Cancel(message[11], self.which(message))

    def amend(self, message: Message) -> Amend:
        return Amend(message[11], self.which(message), message[38], message.get(44), message.get(99))

    def status(self, message: Message) -> Status:
        if 11 not in message and 37 not in message:
            raise FixError("tag 11 is missing, and 37", 11, Reason.REQUIRED_TAG_MISSING)
        return Status(Which(message.get(11), message.get(37)), message.get(790))

    def mass_status(self, message: Message) -> MassStatus:
        return MassStatus(message[584], message.get(55))

    def mass_cancel(self, message: Message) -> MassCancel:
        if message[530] not in ("1", "7"):
            raise Refused(f"MassCancelRequestType (530) is {message[530]}; expected 1 or 7", tag=530)
        symbol = message[55] if message[530] == "1" else ""
        side = one_of(message, 54, SIDES, SIDES) if 54 in message else m.Side.unspecified
        return MassCancel(message[11], symbol, side)

    # -- what is told

    def told(self, told: Told) -> tuple[str, str] | None:
        """MsgType and body; None where the venue says nothing of it."""
        if isinstance(told, Report):
            return "8", self.report(told)
        if isinstance(told, CancelReject):
            return "9", self.cancel_reject(told)
        return "r", self.mass_cancelled(told)

    def report(self, r: Report) -> str:
        """The body of an ExecutionReport, without 35."""
        return "".join(f"{tag}={value}\x01" for tag, value in self.report_fields(r) if value != "")

    def report_fields(self, r: Report) -> list[tuple[int, object]]:
        """Its fields in order; empty ones are left out."""
        s = r.symbol
        fields: list[tuple[int, object]] = [
            (37, r.order_id or "NONE"),
            (11, r.cl_ord_id),
            (41, r.orig),
            (17, r.exec_id),
            (150, r.exec_type),
            (39, r.status),
            (55, r.symbol_text),
            (54, SIDE_CODES.get(r.side, "")),
            (38, s.qty(r.qty) if s and r.qty else r.qty_text),
            (40, ORD_TYPE_CODES.get(r.ord_type, "")),
            (44, s.px(r.price) if s and r.price else ""),
            (99, s.px(r.stop_px) if s and r.stop_px else ""),
            (59, TIME_CODES.get(r.time_in_force, "")),
            (18, self.post_only if r.post_only else ""),
            (111, s.qty(r.display_qty) if s and r.display_qty else ""),
        ]
        if r.last_qty and s:
            fields += [(32, s.qty(r.last_qty)), (31, s.px(r.last_px)), *self.liquidity(r)]
        fields += [
            (151, s.qty(r.leaves) if s else "0"),
            (14, s.qty(r.cum) if s else "0"),
            (6, s.average(r.cost, r.cum) if s else "0"),
            (60, self.time(r.ts)),
            (19, r.ref),
            (378, r.restatement or ""),
            (103, r.reason if r.exec_type == "8" or (r.status == "8" and not r.remaining) else ""),
            (58, printable(r.text) if r.text else ""),
        ]
        return fields + self.asked(r)

    def asked(self, r: Report) -> list[tuple[int, object]]:
        """What a report carries that answers a status request."""
        if r.remaining:
            return [(584, r.request_id), (912, "Y" if r.remaining == 1 else "N")]
        return [(790, r.request_id)]

    def liquidity(self, r: Report) -> list[tuple[int, object]]:
        """Which side of the trade the order was, and which trade."""
        return [(851, "4" if r.auction else "1" if r.maker else "2"), (880, r.match_id)]

    def cancel_reject(self, r: CancelReject) -> str:
        """The body of an OrderCancelReject."""
        fields = [
            (37, r.order_id or "NONE"),
            (11, r.cl_ord_id),
            (41, r.orig or "NONE"),
            (39, r.status),
            (434, 2 if r.amend else 1),
            (102, r.reason),
            (60, self.time(r.ts)),
            (58, printable(r.text)),
            *self.cancel_reject_more(r),
        ]
        return "".join(f"{tag}={value}\x01" for tag, value in fields if value != "")

    def cancel_reject_more(self, r: CancelReject) -> list[tuple[int, object]]:
        return []

    def mass_cancelled(self, r: MassCancelled) -> str:
        """The body of an OrderMassCancelReport."""
        kind = "1" if r.symbol_text else "7"
        fields: list[tuple[int, object]] = [
            (37, r.report_id),
            (11, r.cl_ord_id),
            (530, kind),
            (531, "0" if r.refused else kind),
            (532, "99" if r.refused else ""),
            (533, "" if r.refused else r.count),
            (55, r.symbol_text),
            (54, SIDE_CODES.get(r.side, "")),
            (60, self.time(r.ts)),
            (58, printable(r.refused) if r.refused else ""),
        ]
        return "".join(f"{tag}={value}\x01" for tag, value in fields if value != "")

    def refusal(self, message: Message, refused: Refused) -> tuple[str, str]:
        """MsgType and body that answer a request which is neither an order nor a cancel: 3 or j."""
        text = f"58={printable(refused.text)}\x01{self.code(refused.code)}"
        if refused.session:
            field = f"371={refused.tag}\x01" if refused.tag else ""
            return "3", f"45={message.seq}\x01{field}372={message.type}\x01373={refused.reason}\x01{text}"
        named = f"379={message.get(11)}\x01" if 11 in message else ""
        unsupported = refused.tag == 35
        return "j", f"45={message.seq}\x01372={message.type}\x01{named}380={3 if unsupported else 0}\x01{text}"

    def limits(self, request: Limits, messages: int, orders: int) -> tuple[str, str]:
        """MsgType and body of the answer about limits: how much of each is used."""
        raise AssertionError(f"{self.name} takes no such request")

    def news(self, text: str) -> str:
        """The body of a News (B)."""
        return f"148={printable(text)}\x0133=1\x0158={printable(text)}\x01"

    def code(self, code: str) -> str:
        """The field that carries a venue's own error code, with its SOH; empty where it has none."""
        return ""

    def time(self, ns: int) -> str:
        return self._stamp.micros(ns) if self.rules.micros else self._stamp.millis(ns)


def one_of(message: Message, tag: int, values: Mapping[str, T], allowed: Container[str]) -> T:
    """What a field's value means. Raises Refused for one that the venue does not take, FixError if it is missing."""
    value = message[tag]
    if value not in allowed or value not in values:
        raise Refused(f"tag {tag} is {value}: not supported", 11, tag=tag)
    return values[value]
