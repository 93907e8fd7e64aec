"""Binance Spot: FIX.4.4 with Ed25519 logons. Order entry; market data is in market_sessions.py, drop copy in copies.py.

Written from the venue's fix-api.md and its dictionary spot-fix-oe.xml: D, F, q, XAK, XCN, XLQ in; 8, 9, r, XAR, XLR, B
out. There is no resend and no order status request: what a client missed it asks for elsewhere. Numbers begin at 1 with
each logon (141=Y is required), a gap is rejected. Times have six places.

Error codes (25016) are those of errors.md as far as they are remembered: -1013, -1015, -1102, -1121, -2010, -2011,
-2038. Not simulated: order lists, quote quantities, trailing and take-profit orders, fees, the reports of an account's
other sessions on order entry (25036 is taken, and everything that is told there is of the session's own orders).
"""

from __future__ import annotations

import base64
import re
import uuid
from typing import Final

from services.simulator.fix_venue.dialect import (
    ORD_TYPE_CODES,
    SIDE_CODES,
    STOPS,
    TIME_CODES,
    Dialect,
    Endpoint,
    one_of,
)
from services.simulator.fix_venue.session import Rules
from services.simulator.fix_venue.terms import (
    Amend,
    Cancel,
    CancelAndNew,
    CancelReject,
    Client,
    Enter,
    Limits,
    MassCancel,
    MassCancelled,
    Refused,
    Report,
    Told,
)
from tapewire import messages as m
from tapewire.fix.message import SOH, Message, Reason, printable
from tapewire.fix.timestamps import to_ns

MS: Final = 1_000_000
RECV_WINDOW_MS: Final = 5_000
MAX_RECV_WINDOW_MS: Final = 60_000
ID: Final = re.compile(r"[a-zA-Z0-9-_]{1,36}")
COMP_ID: Final = re.compile(r"[a-zA-Z0-9-_]{1,8}")
SELF_TRADE: Final = {
    "1": m.SelfTrade.allow,
    "2": m.SelfTrade.cancel_newest,
    "3": m.SelfTrade.cancel_oldest,
    "4": m.SelfTrade.cancel_both,
    "5": m.SelfTrade.decrement_and_cancel,
}
TRIGGER: Final = {1100: "4", 1101: "1", 1107: "2"}
"""What every stop order says; 1109 is U of a buy and D of a sell."""
MISSING, BAD_VALUE, TOO_MANY, BAD_SYMBOL = "-1102", "-1013", "-1015", "-1121"
ORDER_REJECTED, CANCEL_REJECTED, AMEND_REJECTED = "-2010", "-2011", "-2038"


class Binance(Dialect):
    name = "binance"
    comp_id = "SPOT"
    instruments = ("BTCUSDT:0.01:0.00001:64000", "ETHUSDT:0.01:0.0001:2600")
    lots = 10_000
    requests = frozenset({"D", "F", "q", "XAK", "XCN", "XLQ"})
    times = frozenset({"1", "3", "4"})
    default_time = "1"
    rules = Rules("FIX.4.4", resends=False, restarts=True, heartbeat=(5, 60), micros=True, says_reset=False)
    message_limit = (10_000, 10)
    order_limit = (200, 10)
    mass_cancels_account = True
    endpoints = frozenset({"orders", "market-data", "drop-copy"})

    def __init__(self) -> None:
        super().__init__()
        self._uuid = str(uuid.uuid4())
        self._readers |= {"XAK": self.keep_priority, "XCN": self.cancel_and_new, "XLQ": self.limit_query}

    def example_client(self) -> Client:
        """Its key is that of the example in the venue's documentation."""
        key = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"
        return Client("CLIENT", account=1, session=1, username="client", secret=public_of(base64.b64decode(key)[-32:]))

    # -- logon

    def check_logon(self, logon: Message, client: Client, now: int) -> str:
        if not COMP_ID.fullmatch(logon[49]):
            return "SenderCompID (49) must be 1 to 8 of a-z, A-Z, 0-9, - and _"
        if logon[141] != "Y" or logon.seq != 1:
            return "ResetSeqNumFlag (141) must be Y, and MsgSeqNum (34) 1"
        if logon[25035] not in ("1", "2") or logon.get(25036, "1") not in ("1", "2"):
            return "MessageHandling (25035) must be 1 or 2, and ResponseMode (25036), if given, 1 or 2"
        window = logon.integer(25000) if 25000 in logon else RECV_WINDOW_MS
        if not 0 < window <= MAX_RECV_WINDOW_MS or not -1000 <= (now - to_ns(logon[52])) // MS <= window:
            return "SendingTime (52) is outside of the RecvWindow (25000)"
        text = SOH.join((logon[35], logon[49], logon[56], logon[34], logon[52]))
        if logon[553] != client.username or not signed(client.secret, text, logon[96]):
            return "Signature for this request is not valid."
        return ""

    def check_other_logon(self, logon: Message, client: Client, now: int, endpoint: Endpoint) -> str:
        if endpoint == "drop-copy" and logon[9406] != "Y":
            return "DropCopyFlag (9406) must be Y"
        return self.check_logon(logon, client, now)

    def logon_answer(self, logon: Message) -> str:
        return f"25037={self._uuid}\x01"

    # -- requests

    def enter(self, message: Message) -> Enter:
        if not ID.fullmatch(message[11]):
            raise Refused("tag 11: illegal characters", Reason.VALUE_OUT_OF_RANGE, tag=11, session=True)
        if message.get(152):
            raise Refused("CashOrderQty (152) is not simulated", 99, tag=152)
        if message[40] in ("2", "4") and "6" not in message.get(18):
            message[59]  # a limit order says how long it lasts
        return super().enter(stop_px_as_99(message))

    def self_trade(self, message: Message) -> m.SelfTrade:
        if 25001 not in message:
            return m.SelfTrade.unspecified
        return one_of(message, 25001, SELF_TRADE, SELF_TRADE)

    def cancel(self, message: Message) -> Cancel:
        message[55]
        only = {"": "", "1": "0", "2": "1"}.get(message.get(25002))
        if only is None:
            raise Refused("CancelRestrictions (25002) must be 1 or 2", tag=25002)
        return Cancel(message[11], self.which(message), only)

    def mass_cancel(self, message: Message) -> MassCancel:
        if message[530] != "1":
            raise Refused("MassCancelRequestType (530) must be 1", tag=530)
        return MassCancel(message[11], message[55])

    def keep_priority(self, message: Message) -> Amend:
        message[55]
        return Amend(message[11], self.which(message), message[38], reduce_only=True)

    def cancel_and_new(self, message: Message) -> CancelAndNew:
        cancel = Cancel(message.get(25034) or f"{message[11]}-c"[-36:], self.which(message))
        return CancelAndNew(cancel, self.enter(message), one_of(message, 25033, {"1": False, "2": True}, "12"))

    def limit_query(self, message: Message) -> Limits:
        return Limits(message[6136])

    # -- what is told

    def told(self, told: Told) -> tuple[str, str] | None:
        if isinstance(told, Report) and told.exec_type == "8" and told.reason == 1:
            # "refer to unknown symbols will be rejected by the server with a Reject <3> message"
            return "3", f"45={told.ref_seq}\x01371=55\x01372=D\x01373=5\x0125016={BAD_SYMBOL}\x0158=Invalid symbol.\x01"
        if isinstance(told, CancelReject) and told.amend:
            return "XAR", self._amend_reject(told)
        return super().told(told)

    def report_fields(self, r: Report) -> list[tuple[int, object]]:
        s, refused = r.symbol, r.exec_type == "8"
        fields: list[tuple[int, object]] = [
            (17, "" if refused else r.exec_id),
            (11, r.cl_ord_id),
            (41, r.orig),
            (37, "" if refused else r.order_id),
            (38, s.qty(r.qty) if s and r.qty else r.qty_text),
            (40, ORD_TYPE_CODES.get(r.ord_type, "2")),
            (54, SIDE_CODES.get(r.side, "1")),
            (55, r.symbol_text),
            (18, "6" if r.post_only else ""),
            (44, s.px(r.price) if s and r.price else ""),
            (59, TIME_CODES.get(r.time_in_force, "")),
            (60, self.time(r.ts)),
            (25018, self.time(r.entered) if r.entered else ""),
            (111, s.qty(r.display_qty) if s and r.display_qty else ""),
            (150, r.exec_type),
            (14, s.qty(r.cum) if s else "0"),
            (151, s.qty(r.leaves) if s else "0"),
            (25017, s.money(r.cost) if s else "0"),
            (39, r.status),
            (32, s.qty(r.last_qty) if s else "0"),
        ]
        if r.last_qty and s:
            aggressor = "N" if r.maker else "Y"
            fields += [(31, s.px(r.last_px)), (1003, r.match_id), (1057, aggressor), (574, "4")]
        if r.stop_px and s:
            direction = "U" if r.side is m.Side.buy else "D"
            fields += [*TRIGGER.items(), (1102, s.px(r.stop_px)), (1109, direction)]
        if r.exec_type == "0" and r.ord_type not in STOPS:
            fields += [(636, "Y"), (25023, self.time(r.entered))]
        if refused:
            code = r.code or (TOO_MANY if r.reason == 3 and not r.order_id else ORDER_REJECTED)
            fields += [(103, "99"), (25016, code), (58, printable(r.text or "rejected"))]
        return fields

    def cancel_reject(self, r: CancelReject) -> str:
        return f"11={r.cl_ord_id}\x01{self._named(r)}55={r.symbol_text}\x01434=1\x01{self._why(r, CANCEL_REJECTED)}"

    def _amend_reject(self, r: CancelReject) -> str:
        qty = f"38={r.qty_text}\x01" if r.qty_text else ""
        return f"11={r.cl_ord_id}\x01{self._named(r)}55={r.symbol_text}\x01{qty}{self._why(r, AMEND_REJECTED)}"

    @staticmethod
    def _named(r: CancelReject) -> str:
        orig = f"41={r.orig}\x01" if r.orig else ""
        return f"{orig}37={r.order_id}\x01" if r.order_id else orig

    @staticmethod
    def _why(r: CancelReject, code: str) -> str:
        text = "Unknown order sent." if r.reason in (0, 1) else r.text
        return f"25016={r.code or code}\x0158={printable(text)}\x01"

    def mass_cancelled(self, r: MassCancelled) -> str:
        answer = f"531=0\x01532=99\x0125016={CANCEL_REJECTED}\x0158={printable(r.refused)}\x01"
        done = f"531=1\x01533={r.count}\x01"
        return f"55={r.symbol_text}\x0111={r.cl_ord_id}\x01530=1\x01{answer if r.refused else done}"

    def limits(self, request: Limits, messages: int, orders: int) -> tuple[str, str]:
        entries = [("2", messages, *self.message_limit), ("1", orders, *self.order_limit)]
        text = "".join(
            f"25004={kind}\x0125005={used}\x0125006={most}\x0125007={seconds}\x0125008=s\x01"
            for kind, used, most, seconds in entries
        )
        return "XLR", f"6136={request.request_id}\x0125003={len(entries)}\x01{text}"

    def refusal(self, message: Message, refused: Refused) -> tuple[str, str]:
        """The venue has no BusinessMessageReject: all is Reject (3)."""
        code = MISSING if refused.reason == Reason.REQUIRED_TAG_MISSING else BAD_VALUE
        field = f"371={refused.tag}\x01" if refused.tag else ""
        reason = refused.reason if refused.session or refused.tag == 35 else int(Reason.VALUE_OUT_OF_RANGE)
        body = f"45={message.seq}\x01{field}372={message.type}\x01373={reason}\x0125016={code}\x01"
        return "3", f"{body}58={printable(refused.text)}\x01"

    def news(self, text: str) -> str:
        return "148=Your connection is about to be closed. Please reconnect.\x01"


def stop_px_as_99(message: Message) -> Message:
    """The message with StopPx (99) where the venue has a trigger. Raises Refused for one that is not simulated."""
    if message[40] not in ("3", "4"):
        return message
    expected = {**TRIGGER, 1109: "U" if message[54] == "1" else "D"}
    for tag, value in expected.items():
        if message[tag] != value:
            raise Refused(f"tag {tag} is {message[tag]}: of triggers only stop-loss is simulated", 11, tag=tag)
    return Message(message.raw, {**message.fields, 99: message[1102]}, message.repeats)


def signed(public: bytes, text: str, signature: str) -> bool:
    """Whether base64 `signature` is that of `text` by the Ed25519 key: its 32 bytes, or base64 of them or of their DER
    form, also as PEM."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(public) != 32:
        lines = [line for line in public.splitlines() if not line.startswith(b"-----")]
        public = base64.b64decode(b"".join(lines))[-32:]
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature, validate=True), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def public_of(private: bytes) -> bytes:
    """The raw public key of a raw Ed25519 private key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
