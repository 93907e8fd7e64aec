"""What happened, as the bodies of FIX messages: pure. `35=8␁37=…␁`, without what the session layer puts around it.

FIX 4.2 says some things otherwise: fills are 150=1 and 2, busts and corrections 20=1 and 2, status 20=3.
"""

from __future__ import annotations

from typing import Final

from services.gateway.happened import SIDES, Completed, Exec, Order, Refused
from services.gateway.instruments import COMPARED, Instrument
from services.gateway.session import echo_of
from services.gateway.values import TOO_LATE, Refusal
from tapewire import messages as m
from tapewire.fix.dictionary import is_decimal
from tapewire.fix.message import Message, printable
from tapewire.fix.reasons import REASONS
from tapewire.fix.timestamps import Stamp

FIX42: Final = "FIX.4.2"
STATUS_EXEC_ID: Final = "0"
"""ExecID (17) of reports that say where an order stands: nothing has happened."""
_TRANSACTION_42: Final = {"H": 1, "G": 2, "I": 3}  # ExecType to ExecTransType (20)


class Reports:
    """Bodies for sessions of one version of FIX."""

    def __init__(self, begin: str, shard: int) -> None:
        self._old = begin == FIX42
        self._prefix = f"{shard}-"
        stamp = Stamp()
        self.stamp = stamp.millis if self._old else stamp.micros
        """UTC ns as this version writes times."""

    def execution(self, happened: Exec, copied_from: str = "") -> str:
        """An ExecutionReport (8). `copied_from`: CompID of the order's client, on a drop copy."""
        order, kind = happened.order, happened.type
        more = f"41={happened.orig}\x01" if happened.orig else ""
        if happened.last_qty:
            more += self._fill(happened)
        if happened.restatement:
            more += f"378={happened.restatement}\x01"
        if happened.reason:
            more += self._refusal(order.instrument, happened.reason, happened.value, happened.limit, 103)
        if copied_from:
            more += f"797=Y\x018017={copied_from}\x01" if not self._old else f"8017={copied_from}\x01"
        return self._execution(order, kind, happened.exec_id, happened.cl_ord_id, happened.ts, more)

    def _execution(self, order: Order, kind: str, exec_id: str, cl_ord_id: str, ts: int, more: str) -> str:
        i, status = order.instrument, order.status
        if i is None:  # refused before anything was known of it
            qty, leaves, cum, average = str(order.qty), "0", "0", "0"
        else:
            qty, leaves, cum = i.qty(order.qty), i.qty(order.leaves), i.qty(order.cum)
            average = i.average(order.cost, order.cum)
        if self._old:
            if kind == "5" and status == "0":
                status = "5"
            more += f"20={_TRANSACTION_42.get(kind, 0)}\x01"
            kind = status if kind in "FHGI" else "D" if kind == "L" else kind
        order_id = f"{self._prefix}{order.order_id}" if order.order_id else "NONE"
        # Of an order from before the tape's first record, see `Orders.known_from`, these may not be known.
        name = f"11={cl_ord_id}\x01" if cl_ord_id else ""
        paid = f"6={average}\x01" if not order.unpriced else ""
        return (
            f"35=8\x0137={order_id}\x01{name}17={exec_id}\x01150={kind}\x0139={status}\x01{order.head}"
            f"38={qty}\x01151={leaves}\x0114={cum}\x01{paid}60={self.stamp(ts)}\x01{more}"
        )

    def _fill(self, happened: Exec) -> str:
        i = happened.order.instrument
        assert i is not None, "an order that was filled has an instrument"
        text = f"32={i.qty(happened.last_qty)}\x0131={i.px(happened.last_px)}\x01"
        if happened.ref:
            text += f"19={happened.ref}\x01"
        if self._old:
            return text
        text += f"880={happened.match_id}\x011003={happened.match_id}\x01"
        if happened.liquidity:
            text += f"851={happened.liquidity}\x01"
        return f"{text}1057={happened.aggressor}\x01" if happened.aggressor else text

    def _refusal(self, i: Instrument | None, reason: m.RejectReason, value: int, limit: int, tag: int) -> str:
        """103 or 102, our own code and the two numbers, and words. `tag` 0: none of the former."""
        known = REASONS[reason]
        number = f"{tag}={known.ord_rej if tag == 103 else known.cxl_rej}\x01" if tag else ""
        if reason not in COMPARED:
            return f"{number}58={known.text}\x018022={int(reason)}\x01"
        texts = (i.number_text(reason, value), i.number_text(reason, limit)) if i is not None else (value, limit)
        words = known.text.format(value=texts[0], limit=texts[1])
        return f"{number}58={words}\x018022={int(reason)}\x018023={texts[0]}\x018024={texts[1]}\x01"

    def status(self, order: Order, ts: int, more: str = "") -> str:
        """Where an order stands (150=I). `more`: fields such as 790, 584, 911."""
        return self._execution(order, "I", STATUS_EXEC_ID, order.cl_ord_id, ts, more)

    def unknown(self, why: str, cl_ord_id: str, order_id: str, symbol: str, side: str, ts: int, more: str) -> str:
        """The answer about an order that there is not: 39=8, 103=5. `why`: in words."""
        kind = "20=3\x01150=8" if self._old else "150=I"
        name = f"11={cl_ord_id}\x01" if cl_ord_id else ""
        return (
            f"35=8\x0137={order_id or 'NONE'}\x01{name}17={STATUS_EXEC_ID}\x01{kind}\x0139=8\x0155={symbol}\x01"
            f"54={side}\x01151=0\x0114=0\x016=0\x0160={self.stamp(ts)}\x01103=5\x0158={why}\x01{more}"
        )

    def refuse(self, request: Message, refusal: Refusal, name: str, ts: int) -> str:
        """The gateway's own refusal of a request: 8, 9 or r. `name`: of this answer, unique."""
        f = request.fields
        text = f"58={printable(refusal.text)}\x018022={int(refusal.reason)}\x01"
        if request.type == "D":
            return self._refused_order(request, name, ts, f"103={refusal.ord_rej}\x01{text}")
        if request.type == "q":
            return self._refused_mass_cancel(f, name, ts, refusal.reason, text)
        order = refusal.order
        order_id = f"{self._prefix}{order.order_id}" if order is not None else "NONE"
        orig = f.get(41) or (order.cl_ord_id if order is not None else "") or "NONE"
        status = order.status if order is not None else "8"
        account = f"1={order.account}\x01" if order is not None else ""
        more = f"{account}102={refusal.cxl_rej}\x01{text}"
        return self.cancel_reject(order_id, f[11], orig, status, request.type == "G", ts, more)

    def _refused_order(self, request: Message, exec_id: str, ts: int, why: str) -> str:
        """Made of the fields of the NewOrderSingle."""
        f, old = request.fields, "20=0\x01" if self._old else ""
        wrong = {tag for tag in (38, 44, 99) if tag in f and not is_decimal(f[tag])}  # those cannot be repeated
        tags = [tag for tag in (1, 55, 54, 38, 40, 44, 99, 59) if tag in f and tag not in wrong]
        carried = "".join(f"{tag}={f[tag]}\x01" for tag in tags)
        return (
            f"35=8\x0137=NONE\x0111={f[11]}\x0117={exec_id}\x01150=8\x0139=8\x01{carried}151=0\x0114=0\x016=0\x01"
            f"60={self.stamp(ts)}\x01{why}{old}{echo_of(request.raw.decode('latin-1'))}"
        )

    def refused_cancel(self, happened: Refused) -> str:
        """An OrderCancelReject (9)."""
        c, e, order = happened.command, happened.refusal, happened.order
        status, orig = (order.status, order.cl_ord_id or "NONE") if order is not None else ("8", "NONE")
        instrument = order.instrument if order is not None else None
        order_id = f"{self._prefix}{c.order_id}" if order is not None else "NONE"
        text = self._refusal(instrument, e.reason, e.value, e.limit, 102)
        if e.reason == m.RejectReason.unknown_order and order is not None:  # it was done before the request arrived
            text = text.replace("102=1\x01", f"102={TOO_LATE}\x01", 1)
        return self.cancel_reject(
            order_id, c.client_text, orig, status, isinstance(c, m.ReplaceOrder), e.ts, f"1={c.account}\x01{text}"
        )

    def cancel_reject(
        self, order_id: str, cl_ord_id: str, orig: str, status: str, replace: bool, ts: int, more: str
    ) -> str:
        return (
            f"35=9\x0137={order_id}\x0111={cl_ord_id}\x0141={orig}\x0139={status}\x01434={2 if replace else 1}\x01"
            f"60={self.stamp(ts)}\x01{more}"
        )

    def mass_cancel(self, happened: Completed, instrument: Instrument | None) -> str:
        """An OrderMassCancelReport (r)."""
        c, e = happened.command, happened.refusal
        kind = "1" if c.instrument else "7"
        more = f"533={happened.count}\x01"
        if e is not None:
            code = 1 if e.reason == m.RejectReason.unknown_instrument else 99
            more = f"532={code}\x01{self._refusal(instrument, e.reason, e.value, e.limit, 0)}"
        name = f"11={c.client_text}\x01" if c.client_text else ""
        if c.account:
            more += f"1={c.account}\x01"
        if instrument is not None:
            more += f"55={instrument.ticker}\x01"
        if c.side in SIDES:
            more += f"54={SIDES[c.side]}\x01"
        response = "0" if e is not None else kind
        return (
            f"35=r\x0137={self._prefix}{happened.seq}\x01{name}530={kind}\x01"
            f"531={response}\x01{more}60={self.stamp(happened.ts)}\x01"
        )

    def _refused_mass_cancel(self, f: dict[int, str], order_id: str, ts: int, reason: m.RejectReason, why: str) -> str:
        carried = "".join(f"{tag}={f[tag]}\x01" for tag in (11, 530, 1, 55, 54) if tag in f)
        code = 1 if reason == m.RejectReason.unknown_instrument else 99
        return f"35=r\x0137={order_id}\x01{carried}531=0\x01532={code}\x01{why}60={self.stamp(ts)}\x01"

    def business_reject(self, seq: int, kind: str, reason: int, text: str, ref: str = "", more: str = "") -> str:
        """A BusinessMessageReject (j)."""
        named = f"379={ref}\x01" if ref and ref.isascii() and ref.isprintable() else ""
        return f"35=j\x0145={seq}\x01372={kind}\x01{named}380={reason}\x0158={printable(text)}\x01{more}"

    def reject(self, seq: int, kind: str, reason: int, tag: int, text: str) -> str:
        """A session-level Reject (3) of what the dictionary let pass."""
        field = f"371={tag}\x01" if tag else ""
        return f"35=3\x0145={seq}\x01{field}372={kind}\x01373={reason}\x0158={printable(text)}\x01"
