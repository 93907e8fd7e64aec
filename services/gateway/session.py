"""What a gateway knows of its sessions: folded from its own tape, and kept by the same functions while it runs. Pure.

FixReceived        the number expected next; a request that is open until a command or an answer follows
FixSubmitted       a command for a request that had to wait
FixSent            the number given next; what may be asked for again; how far the orders tape is reported
FixSessionChanged  logged on, gone, begun anew
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from services.gateway.happened import Request
from services.gateway.sent import SentIndex
from tapewire import messages as m
from tapewire import trace_context
from tapewire.config.gateway import GatewaySession
from tapewire.errors import ConfigError
from tapewire.fix.message import SOH, fields_of

ABUSE_FACTOR = 10
"""Times its limit in one interval: a session that sends more is logged out."""
DAY_NS = 86_400 * 10**9
ORDER_TYPES = frozenset("DFGq")
"""Types that become commands, under a ClOrdID of the client's."""
_ANSWERED_TYPES = frozenset({"D", "F", "G", "q", "H", "AF", "x", "XLQ"})
"""Requests that are answered even if the gateway ended in between. Subscriptions end with the connection."""


RESEND_NS = 60 * 10**9
RESENDS = 2
"""Times the largest ResendRequest, that a session is sent again in RESEND_NS."""
MIN_ANSWERS = 1_000
"""What a session is answered in an interval, however few messages it may send."""
ANSWER_BYTES = 1_024
"""Of an answer that count as one more message."""
ALL_PARTS = 1 << 16
"""More than one record has reports to one session."""
_CONFIRMING = {"A": 789, "5": 789, "2": 7, "0": 369, "1": 369}
"""Session messages, and the field that says what the client has."""


@dataclass(slots=True)
class Session:
    """One session of the configuration."""

    terms: GatewaySession
    next_in: int = 1
    next_out: int = 1
    logged_on: bool = False
    known: bool = False
    """Whether the tape has seen it before."""
    reported: tuple[int, int] = (0, 0)
    """How far the orders tape was reported to it: seq, and place among that record's reports."""
    reported_ns: int = 0
    """When that was (UTC ns)."""
    confirmed: int = 0
    """The client has said that it has everything up to this number."""
    begun_ns: int = 0
    """When its numbers last began at 1 (UTC ns)."""
    sent: SentIndex = field(default_factory=SentIndex)
    """Where on the tape what was sent is found."""
    day: int = 0
    names: set[str] = field(default_factory=set)
    """ClOrdIDs that were taken on `day` (days since 1970, UTC)."""
    cancels: bool = False
    """Whether its orders are cancelled when it is lost, as the last Logon said."""
    grace_s: float = 0.0
    messages: int = 0
    """In the current interval of its throttle, which began at `interval_ns`."""
    interval_ns: int = 0
    answers: int = 0
    """What its requests have cost in that interval, in messages sent."""
    resent: int = 0
    """Numbers that were gone through for ResendRequests since `resent_ns` (UTC ns)."""
    resent_ns: int = 0
    queued: deque[int] = field(default_factory=deque)
    """Requests beyond it that wait for the next interval, by seq on the gateway's tape."""

    def take_name(self, text: str, ts: int) -> bool:
        """False if this ClOrdID was taken today already. `ts`: UTC ns."""
        day = ts // DAY_NS
        if day != self.day:
            self.day = day
            self.names.clear()
        if text in self.names:
            return False
        self.names.add(text)
        return True

    def within_limit(self, ts: int) -> bool:
        """Counts an application message; False if it is one too many in this interval, or others wait before it."""
        self._begin_interval(ts)
        self.messages += 1
        return self.messages <= self.terms.messages and not self.queued

    def may_ask(self, ts: int) -> bool:
        """False if what it asked for in this interval was answered by as much as it may have. Orders are not asked
        about: a client that has asked too much can still cancel. `ts`: UTC ns."""
        self._begin_interval(ts)
        return self.answers < max(self.terms.messages, MIN_ANSWERS)

    def may_resend(self, count: int, most: int, ts: int) -> bool:
        """Counts messages that are to be sent again; False if they are too many at once, or of late. `ts`: UTC ns."""
        if ts - self.resent_ns >= RESEND_NS:
            self.resent, self.resent_ns = 0, ts
        if count > most or self.resent + count > RESENDS * most:
            return False
        self.resent += count
        return True

    def charge(self, cost: int) -> None:
        """An answer has cost as much as that many messages."""
        self.answers += cost

    def _begin_interval(self, ts: int) -> None:
        if ts - self.interval_ns >= self.terms.interval * 1e9:
            self.interval_ns, self.messages, self.answers = ts, len(self.queued), 0

    def next_queued(self, ts: int) -> int:
        """The request whose turn has come; 0: none. `ts`: UTC ns."""
        if not self.queued:
            return 0
        if ts - self.interval_ns >= self.terms.interval * 1e9:
            self.interval_ns, self.messages, self.answers = ts, 0, 0
        if self.messages >= self.terms.messages or not self.may_ask(ts):
            return 0
        self.messages += 1
        return self.queued.popleft()

    @property
    def abuses(self) -> bool:
        """Whether it goes on sending far beyond what it may."""
        return self.messages > ABUSE_FACTOR * self.terms.messages

    def begin_anew(self, ts: int) -> None:
        """Its numbers are 1 again. `ts`: UTC ns."""
        self.next_in = self.next_out = 1
        self.sent, self.confirmed, self.begun_ns = SentIndex(), 0, ts

    def confirm(self, kind: str, raw: str) -> None:
        """Takes what a message says about what its sender has of ours."""
        tag = _CONFIRMING.get(kind)
        if tag is not None and (text := field_of(raw, tag)).isdecimal():
            before = 1 if tag != 369 else 0  # the others name the number that is expected next
            self.confirmed = max(self.confirmed, min(int(text[:18]) - before, self.next_out - 1))

    def log_on(self, fields: dict[int, str]) -> None:
        """Takes what the client's Logon says about lost connections."""
        self.cancels = fields.get(8013, "Y" if self.terms.cancel_on_disconnect else "N") == "Y"
        self.grace_s = min(float(fields.get(8014, self.terms.cancel_grace)), self.terms.cancel_grace)


class Open(NamedTuple):
    """A request that is neither a command nor answered yet."""

    session: int
    raw: str
    repeated: bool
    """Its ClOrdID was taken before."""


class Sessions:
    """All sessions, by number, and the requests that the gateway owes an answer."""

    def __init__(self, terms: tuple[GatewaySession, ...]) -> None:
        self.terms = terms
        self.by_number = {one.number: Session(one, cancels=one.cancel_on_disconnect) for one in terms}
        for session in self.by_number.values():
            session.grace_s = session.terms.cancel_grace
        self.open: dict[int, Open] = {}
        """By seq on the gateway's tape."""
        self.requests: dict[int, Request] = {}
        """By command number, for the fold of the orders tape to pick up."""
        self.commands: dict[int, Open] = {}
        """By command number, filled by the fold alone: what the orders tape may not show yet."""
        self._numbers: dict[int, int] = {}  # by seq of the request, the number of its command
        self.last_cl_ord_id = 0
        self.strangers: set[int] = set()
        """Numbers on the tape of sessions that the configuration does not name any more."""
        self.departed: dict[int, Session] = {}
        """Such sessions as they stood in the last snapshot, for the day they come back."""

    def fold(self, record: m.Message) -> None:
        """Takes the next record of the gateway's tape, at its start."""
        if isinstance(record, m.FixReceived):
            self.received(record)
        elif isinstance(record, m.FixSent):
            self.sent(record.session, record.msg_seq_num, record.seq, record.orders_seq, record.part, record.ts)
            self.open.pop(record.answers, None)
            if (number := self._numbers.pop(record.answers, 0)) != 0:
                self.commands.pop(number, None)
                self.requests.pop(number, None)
        elif isinstance(record, m.FixSubmitted):
            self.last_cl_ord_id = record.cl_ord_id
            if (one := self.open.pop(record.received, None)) is not None:
                self.owe(record.cl_ord_id, request_of(one.session, record.received, one.raw), one)
        elif isinstance(record, m.FixSessionChanged):
            self.changed(record)

    def received(self, record: m.FixReceived) -> None:
        session = self.by_number.get(record.session)
        if session is None:
            self.strangers.add(record.session)
            self.departed.pop(record.session, None)
            return
        session.next_in = record.next_in
        session.confirm(record.msg_type, record.raw)
        if record.msg_type == "A":
            session.log_on(fields_of(record.raw.encode("latin-1")).fields)
        repeated = record.msg_type in ORDER_TYPES and not session.take_name(field_of(record.raw, 11), record.ts)
        if record.cl_ord_id:
            self.last_cl_ord_id = record.cl_ord_id
            request = request_of(record.session, record.seq, record.raw)
            self.owe(record.cl_ord_id, request, Open(record.session, record.raw, repeated))
        elif record.msg_type in _ANSWERED_TYPES:
            self.open[record.seq] = Open(record.session, record.raw, repeated)

    def owe(self, cl_ord_id: int, request: Request, one: Open) -> None:
        """A command that the orders tape may not show yet."""
        self.requests[cl_ord_id], self.commands[cl_ord_id] = request, one
        self._numbers[request.received] = cl_ord_id

    def sent(self, number: int, msg_seq_num: int, seq: int, orders_seq: int, part: int, ts: int) -> None:
        """A message went to session `number`: record `seq` of the tape. `ts`: UTC ns."""
        session = self.by_number.get(number)
        if session is None:
            return
        session.next_out = max(session.next_out, msg_seq_num + 1)
        if orders_seq and (orders_seq, part) > session.reported:
            session.reported, session.reported_ns = (orders_seq, part), ts
        session.sent.add(msg_seq_num, seq)

    def changed(self, record: m.FixSessionChanged) -> None:
        session = self.by_number.get(record.session)
        if session is None:
            return
        session.next_in, session.next_out, session.known = record.next_in, record.next_out, True
        if record.state == m.FixSessionState.known:
            session.reported, session.reported_ns = (record.orders_seq, ALL_PARTS), record.ts
        elif record.state == m.FixSessionState.reset:
            session.begin_anew(record.ts)
        else:
            session.logged_on = record.state == m.FixSessionState.logged_on

    def departed_terms(self, number: int) -> GatewaySession:
        """What stands in for the terms of a session that the configuration does not name."""
        return GatewaySession(name=f"departed-{number}", number=number, comp_id=f"DEPARTED-{number}", username="-")

    def check(self) -> None:
        """Raises ConfigError if the configuration no longer names a session that is owed something."""
        owed = {record.session for record in (*self.open.values(), *self.commands.values())} & self.strangers
        if owed:
            raise ConfigError(
                f"gateway.sessions: the numbers {sorted(owed)} are on the gateway's tape and owed answers, but no "
                f"session has them; expected them to stay in the configuration"
            )


_SECRETS = ("95=", "96=", "554=")


def without_secrets(raw: bytes) -> str:
    """A Logon for the tape: the front's token and whatever else proves anything is left out."""
    return SOH.join(part for part in raw.decode("latin-1").split(SOH) if not part.startswith(_SECRETS))


def request_of(session: int, received: int, raw: str) -> Request:
    """What reports repeat of the message that a command is made of."""
    return Request(session, received, field_of(raw, 11), echo_of(raw))


def field_of(raw: str, tag: int) -> str:
    """The first value of a field; empty if it is not there. Without taking the message apart."""
    at = raw.find(f"{SOH}{tag}=")
    if at < 0:
        return ""
    begin = raw.index("=", at) + 1
    return raw[begin : raw.index(SOH, begin)]


_PARTY_TAGS = frozenset({"453", "448", "447", "452", "802", "523", "803"})


def echo_of(raw: str) -> str:
    """Fields of a NewOrderSingle that every report repeats: 528, the parties, and the trace context if it is one."""
    trace = field_of(raw, trace_context.FIX_TAG)
    if not trace or f"{SOH}35=D{SOH}" not in raw or trace_context.parse(trace) is None:
        return parties_of(raw)
    return f"{parties_of(raw)}{trace_context.FIX_TAG}={trace}{SOH}"


def parties_of(raw: str) -> str:
    """Who it is for: 528 of a NewOrderSingle, and the parties."""
    kept = ""
    if (capacity := field_of(raw, 528)) and f"{SOH}35=D{SOH}" in raw:
        kept = f"528={capacity}{SOH}"
    if (at := raw.find(f"{SOH}453=")) >= 0:
        for part in raw[at + 1 :].split(SOH):
            if part.partition("=")[0] not in _PARTY_TAGS:
                break
            kept += part + SOH
    return kept
