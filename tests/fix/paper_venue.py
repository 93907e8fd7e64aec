"""The gateway's rules without its processes: bytes in, the naive matcher in place of the engine, bytes out.

    venue = PaperVenue("FIX.4.4")
    assert venue.send("35=D|11=a|55=ACME|54=1|60=T|38=10|40=2|44=100.00|") == ["1: 35=8|37=0-1|11=a|17=0-4|150=0|…"]

Every message, in or out, is checked by the published dictionary. All times are the same: `T` in a text.
"""

from __future__ import annotations

from typing import Any

from services.gateway.copies import DropCopies
from services.gateway.happened import Completed, Exec, Happened, Refused, Request
from services.gateway.inbound import (
    Desk,
    MissingField,
    Refusal,
    Waits,
    add_order,
    cancel_session,
    check_content,
    check_name,
    command,
)
from services.gateway.orders import Orders
from services.gateway.queries import Queries
from services.gateway.reports import Reports
from services.gateway.session import ORDER_TYPES, Sessions, request_of
from tapewire import messages as m
from tapewire.config import GatewaySession
from tapewire.errors import FixError
from tapewire.fix.dictionary import load
from tapewire.fix.message import SOH, Message, frame, parse
from tests.oracle.naive_book import NaiveMatcher

NOW = 1_795_262_400_123_456_789
"""UTC ns: 2026-11-21 12:00:00.123456789."""
TIMES = {"FIX.4.2": "20261121-12:00:00.123"}
SOURCE = 3
HEADER = "34=9|49=A|52=20261121-12:00:00.000|56=B|"
SESSIONS = (
    {"number": 1, "kind": "orders", "accounts": (1, 4)},
    {"number": 2, "kind": "orders", "accounts": (2, 4)},
    {"number": 3, "kind": "drop-copy", "accounts": (2,)},
    {"number": 4, "kind": "market-data", "accounts": ()},
)
ACME = m.InstrumentDefinition(
    instrument=1, ticker="ACME", tick_size=5, lot_size=1, price_exponent=-2, qty_exponent=0, max_qty=100_000,
    status=m.InstrumentStatus.trading,
)  # fmt: skip


def message_of(version: str, text: str) -> Message:
    """A message that the dictionary allows; `text`: `35=D|11=…|`, without the header."""
    kind, _, rest = text.partition("|")
    message = parse(frame(version, f"{kind}|{HEADER}{rest}".replace("|", SOH)))
    load(version).check(message)
    return message


class PaperVenue:
    """Sessions 1 (accounts 1 and 4), 2 (accounts 2 and 4), 3 (drop copy of account 2) and 4 (market data)."""

    def __init__(self, version: str = "FIX.4.4", *definitions: m.InstrumentDefinition) -> None:
        self.version, self.time = version, TIMES.get(version, "20261121-12:00:00.123456")
        settings: list[dict[str, Any]] = [dict(one) for one in SESSIONS]
        self.sessions = Sessions(
            tuple(
                GatewaySession(name=f"s{n}", comp_id=f"S{n}", username="u", version=version, **terms)  # type: ignore[arg-type]
                for n, terms in enumerate(settings, 1)
            )
        )
        self.matcher, self.orders = NaiveMatcher(), Orders(0, SOURCE)
        self.desk = Desk(self.orders, {})
        self.reports = {number: Reports(version, 0) for number in self.sessions.by_number}
        self.queries = Queries(self.desk, self.reports)
        self.copies = DropCopies(self.sessions)
        self.self_trade = m.SelfTrade.allow
        """Of every account, where the order does not say."""
        self.refusal: tuple[m.RejectReason, int, int] | None = None
        """What the engine answers to the next command, whatever it is."""
        self._seq = self._number = self._order_id = self._received = 0
        for definition in definitions or (ACME,):
            self.sequence(definition)

    def send(self, text: str, session: int = 1) -> list[str]:
        """What a client's request leads to: `1: 35=8|…` for each message out, by session."""
        one = self.sessions.by_number[session]
        message = message_of(self.version, text.replace("T|", f"{self.time}|"))
        self._received += 1
        reports, kind = self.reports[session], message.type
        try:
            check_content(one, message)
            if kind in ORDER_TYPES:
                check_name(message)
                made = m.decode(command(self.desk, one, message, self._number + 1, NOW))
                bodies = []
            else:
                bodies = self.queries.answer(one, message, NOW)
        except Refusal as refusal:
            add_order(self.desk, one, message, refusal)
            bodies = [reports.refuse(message, refusal, f"gateway-{self._received}", NOW)]
        except MissingField as missing:
            bodies = [reports.business_reject(message.seq, kind, 5, str(missing), message.get(11))]
        except FixError as error:
            bodies = [reports.reject(message.seq, kind, error.reason, error.tag, str(error))]
        except Waits as waits:
            return [f"waits for {waits.orig}"]
        if bodies or kind not in ORDER_TYPES:
            return [self._out(session, body) for body in bodies]
        self._number += 1
        self.orders.requests[self._number] = request_of(session, self._received, message.raw.decode("latin-1"))
        return self.sequence(made, source=SOURCE)

    def lose(self, session: int) -> list[str]:
        """The session is gone, and its grace over."""
        self._number += 1
        self.orders.requests[self._number] = Request(session, 0)
        return self.sequence(
            m.decode(cancel_session(self.sessions.by_number[session], self._number, NOW)), source=SOURCE
        )

    def sequence(self, c: m.Message, source: int = 0) -> list[str]:
        """A command of anybody's."""
        if isinstance(c, m.NewOrder):
            self._order_id += 1
            c = c.replace(
                order_id=self._order_id, self_trade_group=c.account, self_trade=c.self_trade or self.self_trade
            )
        out = self._fold(c.replace(source=source))
        cause = self._seq
        if self.refusal is not None:
            (reason, value, limit), self.refusal = self.refusal, None
            kind = m.OrderRejected if isinstance(c, m.NewOrder) else m.CancelRejected
            order_id = 0 if isinstance(c, m.NewOrder) else getattr(c, "order_id", 0)
            return out + self._fold(kind(cause=cause, order_id=order_id, reason=reason, value=value, limit=limit))
        for event in self.matcher.apply(bytes(c.replace(seq=cause, ts=NOW))):
            out += self._fold(m.decode(event))
        return out

    def _fold(self, record: m.Message) -> list[str]:
        self._seq += 1
        record = record.replace(seq=self._seq, ts=NOW)
        out = []
        for one in self.orders.fold(m.decode(bytes(record))):
            out += [self._out(number, self._body(number, one, client)) for number, client in self._told(one)]
        if self.orders.changed is not None:
            out += [self._out(number, body) for number, body in self.queries.changed(self.orders.changed, NOW)]
        return out

    def _told(self, one: Happened) -> list[tuple[int, str]]:
        if isinstance(one, Completed):
            return [(one.request.session, "")] if one.request is not None and one.request.received else []
        if isinstance(one, Refused):
            return [(one.requester, "")]
        sessions = dict.fromkeys(number for number in (one.order.session, one.requester) if number)
        return [(number, "") for number in sessions] + self.copies.of(one.order)

    def _body(self, number: int, one: Happened, client: str) -> str:
        reports = self.reports[number]
        if isinstance(one, Exec):
            return reports.execution(one, client)
        if isinstance(one, Refused):
            return reports.refused_cancel(one)
        return reports.mass_cancel(one, self.orders.instruments.by_number.get(one.command.instrument))

    def _out(self, number: int, body: str) -> str:
        text = body.replace(SOH, "|")
        message_of(self.version, text)
        return f"{number}: {text.replace(self.time, 'T')}"
