"""The gateway's rules without its processes: bytes in, the naive matcher in place of the engine, bytes out.

    venue = PaperVenue("FIX.4.4")
    assert venue.send("35=D|11=a|55=ACME|54=1|60=T|38=10|40=2|44=100.00|") == ["1: 35=8|37=0-1|11=a|17=0-4|150=0|…"]

Every message, in or out, is checked by the published dictionary. All times are the same: `T` in a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.gateway.decisions import Decisions
from services.gateway.happened import Request
from services.gateway.inbound import Desk, cancel_session
from services.gateway.orders import Orders
from services.gateway.outbox import Outbox
from services.gateway.queries import Queries
from services.gateway.reporting import Reporting
from services.gateway.reports import Reports
from services.gateway.session import ORDER_TYPES, Sessions, request_of
from tapewire import messages as m
from tapewire.config import GatewaySession
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
        desk = Desk(self.orders, {})
        reports = {number: Reports(version, 0) for number in self.sessions.by_number}
        queries = Queries(desk, reports)
        self._decisions = Decisions("gateway", desk, reports, queries, None)
        self._outbox, self._sent = Outbox(), Sent()
        self._outbox.sender = self._sent
        self._reporting = Reporting(
            self.sessions, self.orders, reports, queries, None, self._outbox, lambda _: None, lambda _: None
        )
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
        message = message_of(self.version, text.replace("=T|", f"={self.time}|"))
        self._received += 1
        decision = self._decisions.decide(one, message, self._number + 1, NOW, False, self._received)
        assert bool(decision.command) <= (message.type in ORDER_TYPES)
        if not decision.command:
            return [self._shown(session, body) for body in decision.replies]
        self._number += 1
        self.orders.requests[self._number] = request_of(session, self._received, message.raw.decode("latin-1"))
        return self.sequence(m.decode(decision.command), source=SOURCE)

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
        self._reporting.fold([bytes(record.replace(seq=self._seq, ts=NOW))])
        self._outbox.drain()
        bodies, self._sent.bodies = self._sent.bodies, []
        return [self._shown(number, body) for number, body in bodies]

    def _shown(self, number: int, body: str) -> str:
        text = body.replace(SOH, "|")
        message_of(self.version, text)
        return f"{number}: {text.replace(self.time, 'T')}"


class Sent:
    """Where the session layer would be."""

    def __init__(self) -> None:
        self.bodies: list[tuple[int, str]] = []

    def send(self, session: int, bodies: Sequence[str]) -> None:
        self.bodies += [(session, body) for body in bodies]

    def log_out(self, session: int, reason: str) -> None:
        raise AssertionError(f"nobody is logged out here: {session}, {reason}")

    def allow_logon(self, session: int) -> None:
        raise AssertionError(f"nobody was logged out here: {session}")

    def restore(self, session: int, next_in: int, next_out: int) -> None:
        raise AssertionError(f"no session begins anew here: {session}")
