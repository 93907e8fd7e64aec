"""Between the session layer and the venue's tape: journals, reads what the venue says, and keeps how it stands.

down ──our Logon──▶ down ──logged on──▶ reconciling ──every open order answered for──▶ ready
  ▲                                          │                                           │
  └──────────── connection lost, Logout, silence after TestRequest, questions unanswered ┘
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from services.gateway.initiator.child import BY_COPY, BY_ORDER_ENTRY, Child
from services.gateway.initiator.dialects.base import Dialect, Head
from services.gateway.initiator.numbers import Numbers
from services.gateway.initiator.orders import Orders
from services.gateway.initiator.reconciliation import Reconciliation
from services.gateway.initiator.tape import VenueTape
from services.gateway.initiator.watch import Watch
from services.gateway.initiator.words import Command, Kind, Report, Said, Told
from services.gateway.session import field_of, without_secrets
from tapewire import messages as m
from tapewire import trace_context
from tapewire.errors import FixError
from tapewire.fix.message import fields_of
from tapewire.logs import Logger

ADMIN = frozenset("01235A4")
_RECONCILED = (Kind.restated, Kind.unknown, Kind.cancelled, Kind.expired, Kind.rejected)


class Carried(NamedTuple):
    """What the message that is being sent does."""

    body: str
    seq: int = 0
    """Of the command on the router's tape that it carries out; 0: a question."""
    part: int = 0
    """1: the second half of an amendment by cancel and new order."""
    command: Command | None = None


class Copy(Protocol):
    """What order entry asks of the drop copy."""

    def follows(self, since: int) -> bool:
        """Whether it has been there all the time since then (UTC ns), so that it tells whatever happened."""

    def said(self, child: Child, exec_id: str, ts: int, new: bool) -> None:
        """An execution of `ts` (UTC ns) was told, by it or by order entry. `new`: for the first time."""


class VenueSession:
    """The handler of the session layer. Callbacks come on its thread, all else on the agent's; the lock is never held
    while something is sent."""

    def __init__(
        self,
        dialect: Dialect,
        orders: Orders,
        numbers: Numbers,
        tape: VenueTape,
        clock: Callable[[], int],
        log: Logger,
    ) -> None:
        self.dialect, self.orders, self.numbers, self.tape = dialect, orders, numbers, tape
        self.clock, self.log = clock, log
        self.lock = threading.RLock()
        self.timeout_ns = int(dialect.venue.answer_timeout * 1e9)
        self.watch = Watch(self.timeout_ns)
        self.on = False
        self.state = m.VenueState.down
        self.reconciliation: Reconciliation | None = None
        self.legs: deque[int] = deque()
        """Children whose cancel is confirmed and whose new order is due."""
        self.leaving = ""
        """Why the session is to be logged out; the agent does."""
        self.copy: Copy | None = None
        """The drop copy, where there is one."""
        self.on_ns = 0
        """When order entry logged on last (UTC ns); 0: not since the process began."""
        self._heard_ns = self._lost_ns = 0
        """When it was heard last, and was before it was lost: what happened since then it may not have told."""
        self._doubtful: set[int] = set()
        """Children of which something was due when the connection was lost."""
        self._before: dict[int, set[str]] = {}
        """Requests that were open at the logon, by child."""
        self._reason = ""
        self._said: str | None = None
        self._current: tuple[int, Carried] | None = None
        """Thread that sends, and what."""

    @property
    def ready(self) -> bool:
        return self.state == m.VenueState.ready

    def describe(self) -> str:
        """Its state, and why, in words."""
        return f"{self.state.name}{f', {self._said}' if self._said else ''}"

    def logging_on(self, begins_anew: bool) -> tuple[int, int]:
        with self.lock:
            numbers = self.numbers
            rolled = numbers.rolled_over(self.clock(), self.dialect.rollover)
            if begins_anew or rolled:
                numbers.next_in = numbers.next_out = 1
                self.orders.numbers_begin_anew()
                why = "the venue's day is over" if rolled and not begins_anew else "with each logon"
                self.tape.session(m.FixSessionState.reset, 1, 1, why)
            return numbers.next_in, numbers.next_out

    def logon_fields(self, seq: str, sender: str, target: str, sending_time: str) -> list[tuple[int, str]]:
        return self.dialect.logon(Head(seq, sender, target, sending_time, self.clock() // 1_000_000))

    def header_fields(self, kind: str) -> list[tuple[int, str]]:
        return self.dialect.header(kind)

    def logged_on(self) -> None:
        with self.lock:
            numbers = self.numbers
            self.on = numbers.logged_on = True
            self.tape.session(m.FixSessionState.logged_on, numbers.next_in, numbers.next_out)
            children = self.orders.open | self._doubtful | self.watch.clear()
            children &= self.orders.children.keys()
            self._before = {n: set(self.orders.children[n].requests) for n in children}
            followed = frozenset(filter(self._followed, children))
            self.reconciliation = Reconciliation(self.dialect.asks, children, self.timeout_ns, followed)
            self.on_ns = self.clock()
            self._become(m.VenueState.reconciling, "")
        self.log.info("logged on", open=len(children), followed=len(followed))

    def _followed(self, number: int) -> bool:
        """Whether the drop copy can tell how an order stands, where asking is to cancel: nothing of ours is on its way,
        and it has been there since before order entry was heard last."""
        child, copy = self.orders.children[number], self.copy
        if copy is None or self.dialect.asks != "cancel" or not self._lost_ns or not copy.follows(self._lost_ns):
            return False
        quiet = not (child.requests or child.moving is not None or child.behind or child.doubt is not None)
        return quiet and child.acknowledged

    def logged_out(self) -> None:
        with self.lock:
            if self.on:  # else it is an attempt that failed
                self._lost_ns = self._heard_ns
            self.on = self.numbers.logged_on = False
            numbers, reason = self.numbers, self.leaving or self._reason or "the connection is lost"
            self.leaving = ""
            self.reconciliation = None
            self._doubtful |= self.watch.clear()
            self.tape.session(m.FixSessionState.logged_out, numbers.next_in, numbers.next_out, reason)
            self._become(m.VenueState.down, reason)
            self._reason = ""
        self.log.warning("logged out", reason=reason, next_in=numbers.next_in, next_out=numbers.next_out)

    def trouble(self, reason: str) -> None:
        """The venue cannot be reached."""
        with self.lock:
            if not self.on:
                self._become(m.VenueState.down, reason)
        self.log.warning("no connection", reason=reason)

    def _become(self, state: m.VenueState, reason: str, restated: int = 0) -> None:
        if (state, reason) != (self.state, self._said):
            self.tape.venue(state, len(self.orders.open), restated, reason)
        self.state, self._said = state, reason

    def administered(self, raw: bytes, next_in: int) -> None:
        message = fields_of(raw)
        with self.lock:
            self.numbers.next_in = next_in
            text = without_secrets(raw) if message.type == "A" else raw.decode("latin-1")
            now = self.clock()
            self.numbers.last_ts = self._heard_ns = now
            seq = self.tape.received(message.seq, next_in, message.type, text, now)
            if message.type == "5":
                self._reason = message.get(58, "the venue logged us out")
            elif message.type == "3":
                self._read(raw, seq)

    def received(self, raw: bytes) -> None:
        message = fields_of(raw)
        with self.lock:
            now = self.clock()
            self.numbers.next_in, self.numbers.last_ts, self._heard_ns = message.seq + 1, now, now
            seq = self.tape.received(message.seq, message.seq + 1, message.type, raw.decode("latin-1"), now)
            if message.type == "B":
                self.log.warning("the venue says", headline=message.get(148), text=message.get(58))
            self._read(raw, seq)

    def _read(self, raw: bytes, seq: int, copied: bool = False) -> None:
        report = self.read(raw)
        if report is None:
            return
        out = self.take(report, copied)
        self.tape.reported(out, seq)
        self._heard(report, out)
        if self.copy is not None and report.kind == Kind.executed:
            child = self.orders.children.get(self.orders.find(report))
            if child is not None:
                new = any(isinstance(one, Told) and one.kind == Kind.executed for one in out)
                self.copy.said(child, report.exec_id, report.ts, new)

    def take(self, report: Report, copied: bool) -> list[Said]:
        """What a message adds; `copied`: it came by the drop copy."""
        out = self.orders.take(report)
        for one in out if copied else ():
            if isinstance(one, Told):
                one.origin = m.ReportOrigin.drop_copy
        if report.kind == Kind.executed and (number := self.orders.find(report)):
            self.orders.children[number].executions[report.exec_id].told_by |= BY_COPY if copied else BY_ORDER_ENTRY
        return out

    def copied(self, raw: bytes, seq: int) -> None:
        """An ExecutionReport of the drop copy, which is record `seq`. The lock is held."""
        self._read(raw, seq, copied=True)

    def read(self, raw: bytes) -> Report | None:
        """What a message says of an order; None also of one that is broken: it is on the tape, and in the log."""
        try:
            return self.dialect.read(fields_of(raw))
        except FixError as error:
            text = raw.decode("latin-1")
            with trace_context.logged(trace_context.parse(field_of(text, trace_context.FIX_TAG))):
                self.log.error("not understood", error=str(error), raw=text.replace("\x01", "|"))
            return None

    def _heard(self, report: Report, said: list[Said]) -> None:
        """What follows from a report besides what it says: whose turn is next, who is waited for."""
        now, orders = self.clock(), self.orders
        out = [one for one in said if isinstance(one, Told)]
        child = orders.children.get(orders.find(report))
        if child is not None:
            if child.between and child.child_id not in self.legs:
                self.legs.append(child.child_id)
            self.watch.look(child, now)
            refused = any(one.kind in (Kind.cancel_rejected, Kind.replace_rejected) for one in out)
            if refused and self.dialect.knows_not(report):
                self.watch.suspect(child)
        going = self.reconciliation
        if going is None:
            return
        going.restated += any(one.kind in _RECONCILED and one.child_id for one in out)
        if report.whole and (was := orders.what_was(report.ref)) is not None and was.kind == "AF":
            going.refused_mass()
        else:
            going.heard(child, report, orders.is_question(report.name))
        if going.done:
            self._reconciled(going)

    def look_done(self) -> None:
        """There may have been nothing to ask."""
        with self.lock:
            if self.reconciliation is not None and self.reconciliation.done:
                self._reconciled(self.reconciliation)

    def _reconciled(self, going: Reconciliation) -> None:
        """Every order is answered for. A request of before that nobody answered was lost with the connection."""
        for number, names in self._before.items():
            child = self.orders.children.get(number)
            if child is not None and names & child.requests.keys():
                for kind in {one.amends for name, one in child.requests.items() if name in names}:
                    self._lost(child, Kind.replace_rejected if kind else Kind.cancel_rejected)
            if child is not None and child.moving is not None and child.live:
                self._lost(child, Kind.replace_rejected)
        self._before.clear()
        self._doubtful.clear()
        self.reconciliation = None
        self._become(m.VenueState.ready, going.found, going.restated)
        self.log.info("ready", open=len(self.orders.open), restated=going.restated)

    def _lost(self, child: Child, kind: Kind) -> None:
        self.tell(child.told(kind, reason="not carried out: the connection was lost", origin=m.ReportOrigin.reconciled))
        going = self.reconciliation
        if going is not None:
            going.restated += 1

    def tell(self, *told: Said) -> None:
        """Says something that no message says."""
        with self.lock:
            for record in self.tape.reported(list(told), 0):
                self.orders.own(record)

    def sending(self, raw: str, seq: int, kind: str) -> None:
        carried = Carried("")
        if self._current is not None and self._current[0] == threading.get_ident() and kind not in ADMIN:
            carried, self._current = self._current[1], None
        with self.lock:
            now = self.clock()
            self.numbers.next_out, self.numbers.last_ts = max(self.numbers.next_out, seq + 1), now
            kept = without_secrets(raw.encode("latin-1")) if kind == "A" else raw
            self.tape.sent(seq, carried.seq, carried.part, kind, kept)
            if kind == "2" and not self.dialect.resends:
                self.leaving = "a message of the venue is missing, and it sends none again"
            if kind not in ADMIN:
                self.took(carried, seq, kind, raw)

    def took(self, carried: Carried, seq: int, kind: str, raw: str) -> None:
        """A message of ours is on the tape."""
        orders, name = self.orders, field_of(raw, 11)
        orders.sent(seq, kind, name)
        if carried.part:
            self.watch.look(orders.reentered(name), self.clock())
        elif isinstance(carried.command, m.NewChild):
            orders.entered(carried.command, carried.seq)
        elif carried.command is not None:
            orders.requested(carried.command, carried.seq, kind)
        if carried.command is not None:
            self.watch.look(orders.children[carried.command.child_id], self.clock())

    def send(self, send: Callable[[str], None], carried: Carried) -> bool:
        """By the session layer, without the lock. False: it could not be sent, and is not on the tape."""
        self._current = (threading.get_ident(), carried)
        send(carried.body)
        sent, self._current = self._current is None, None
        return sent
