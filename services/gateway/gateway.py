"""The gateway between its session layer and the tapes.

    session layer ── received ─▶ gateway tape ─▶ ring ─▶ engine
                  ◀── send ──── outbox ◀── reports ◀── orders tape        (sending: gateway tape, then the socket)

Two threads meet here: the session layer's, which brings messages, and the agent's, which reads the orders tape.
`lock` guards all state and the gateway tape; nothing is sent while it is held, for the session layer has a lock of its
own that `sending` is called under. Whoever puts something into the outbox tries to empty it; one does at a time, so
that messages leave in the order in which they were made.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.gateway import inbound
from services.gateway.copies import DropCopies
from services.gateway.happened import Completed, Exec, Happened, Refused, Request
from services.gateway.inbound import Desk, MissingField, Refusal, Waits
from services.gateway.market_data import MarketData
from services.gateway.orders import Orders
from services.gateway.queries import Queries
from services.gateway.reports import FIX42, Reports
from services.gateway.session import (
    ADMIN_TYPES,
    ORDER_TYPES,
    Open,
    Session,
    Sessions,
    field_of,
    request_of,
    without_secrets,
)
from services.gateway.tape import GatewayTape
from tapewire import messages as m
from tapewire.errors import FixError
from tapewire.fix.message import Message, readable
from tapewire.logs import Logger
from tapewire.ring import RingProducer

MAX_BACKLOG = 65_536
"""Commands that may wait for room in the ring; beyond it requests are refused."""
MAX_WAITING = 10_000
"""Requests of one session that may wait for their turn."""


class Sender(Protocol):
    def send(self, session: int, body: str) -> None: ...

    def log_out(self, session: int, reason: str) -> None: ...


@dataclass(slots=True)
class Outgoing:
    session: int
    body: str
    orders_seq: int = 0
    part: int = 0
    answers: int = 0


class Gateway:
    """See the module. `wake` is called when the agent has something to do besides the tape."""

    def __init__(
        self,
        sessions: Sessions,
        orders: Orders,
        tape: GatewayTape,
        ring: RingProducer,
        shard: int,
        name: str,
        log: Logger,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.lock = threading.Lock()
        self.sessions, self.orders, self.tape, self.log, self.clock = sessions, orders, tape, log, clock
        self.name = name
        self.outbox: deque[Outgoing] = deque()
        self.sender: Sender | None = None
        self.desk = Desk(orders, {})
        self.reports = {number: Reports(one.terms.version, shard) for number, one in sessions.by_number.items()}
        self.copies = DropCopies(sessions)
        self.queries = Queries(self.desk, self.reports)
        follows = any(one.terms.kind == "market-data" for one in sessions.by_number.values())
        self.market = MarketData(orders.instruments) if follows else None
        self.lost: dict[int, int] = {}
        """Sessions whose orders will be cancelled, by when (UTC ns)."""
        self.held = False
        """While it is not yet known what became of an earlier process's commands, nothing goes into the ring."""
        self.leaving: dict[int, str] = {}
        """Sessions that the agent is to log out, and why."""
        self.replaying: dict[int, str] = {}
        """Drop copies that ask for reports of the past, and behind which ExecID; live ones wait meanwhile."""
        self._ring, self._backlog = ring, deque[bytes]()
        self._sending = threading.Lock()
        self._current: Outgoing | None = None
        self._sends = 0  # the thread that empties the outbox
        self._waiting: dict[tuple[int, str], list[int]] = {}
        self._pending: dict[int, tuple[int, str]] = {}

    # What the session layer tells.

    def logging_on(self, session: int, raw: bytes, expected: int, begins_anew: bool) -> tuple[int, int] | None:
        now = self.clock()
        lost = None
        with self.lock:
            one = self.sessions.by_number[session]
            if begins_anew:
                self.tape.changed(session, m.FixSessionState.reset, 1, 1)
                one.next_in = one.next_out = 1
                one.kept.clear()
                expected = 1
            elif expected < one.next_in:
                expected, lost = one.next_in, (one.next_in, one.next_out)
            message = readable(raw)
            one.log_on(message.fields)
            if one.terms.kind == "drop-copy" and 8016 in message:
                self.replaying[session] = message[8016]
            # A Logon is taken even when what came before it is still missing.
            one.next_in = expected + 1 if message.seq == expected else expected
            self.tape.received(session, message.seq, one.next_in, 0, "A", without_secrets(raw), now)
        return lost

    def kept(self, session: int) -> list[tuple[int, str]]:
        with self.lock:
            return list(self.sessions.by_number[session].kept)

    def logged_on(self, session: int) -> None:
        with self.lock:
            one = self.sessions.by_number[session]
            one.logged_on = True
            now = self.clock()
            if self.lost.pop(session, now + 1) <= now:  # back too late, and before the agent noticed
                self.cancel_session(session, now)
            self.tape.changed(session, m.FixSessionState.logged_on, one.next_in, one.next_out)
        self.log.info("logged on", session=one.terms.name)

    def logged_out(self, session: int, next_in: int, next_out: int) -> None:
        with self.lock:
            one = self.sessions.by_number[session]
            one.logged_on, one.next_in, one.next_out = False, next_in, next_out
            self.queries.gone(session)
            if self.market is not None:
                self.market.gone(session)
            self.tape.changed(session, m.FixSessionState.logged_out, next_in, next_out)
            if one.cancels:
                self.lost[session] = self.clock() + int(one.grace_s * 1e9)
        self.log.info("logged out", session=one.terms.name, next_in=next_in, next_out=next_out)

    def more_fields(self, session: int, kind: str) -> list[tuple[int, str]]:
        one = self.sessions.by_number[session]
        found = [] if one.terms.version == FIX42 else [(789, str(one.next_in))]
        if kind == "A" and one.terms.kind == "orders":
            found += [(8013, "Y" if one.cancels else "N"), (8014, str(int(one.grace_s)))]
        return found

    def processed(self, session: int) -> int:
        return self.sessions.by_number[session].next_in - 1

    def sending(self, session: int, raw: str, seq: int, kind: str) -> None:
        out = self._current
        if out is None or self._sends != threading.get_ident() or not out.body.startswith(f"35={kind}\x01"):
            out = Outgoing(session, "")  # the session layer's own
        with self.lock:
            one = self.sessions.by_number[session]
            one.next_out = max(one.next_out, seq + 1)
            one.reported = max(one.reported, (out.orders_seq, out.part))
            kept = "" if one.terms.kind == "market-data" and kind in "WX" else raw
            self.tape.sent(session, seq, out.orders_seq, out.answers, out.part, kind, kept)
            if kept and kind not in ADMIN_TYPES:
                one.kept.append((seq, kept))
            self.sessions.open.pop(out.answers, None)

    def administered(self, session: int, raw: bytes, next_in: int) -> None:
        message = readable(raw)
        with self.lock:
            self.sessions.by_number[session].next_in = next_in
            text = raw.decode("latin-1")
            self.tape.received(session, message.seq, next_in, 0, message.type, text, self.clock())

    def received(self, session: int, raw: bytes) -> None:
        now = self.clock()
        message = readable(raw)
        next_in = message.seq + 1
        with self.lock:
            one = self.sessions.by_number[session]
            one.next_in = next_in
            text = raw.decode("latin-1")
            repeated = message.type in ORDER_TYPES and not one.take_name(field_of(text, 11), now)
            asked = Open(session, text, repeated)
            if message.type != "XLQ" and not one.within_limit(now):
                self._beyond_limit(one, message, asked, next_in, now)
            else:
                self._take(one, message, asked, next_in, now)
        self.drain()

    def _take(self, one: Session, message: Message, asked: Open, next_in: int, now: int) -> None:
        number = self.sessions.last_cl_ord_id + 1
        command, replies, waits_for = self._decide(one, message, number, now, asked.repeated, self.tape.next_seq)
        cl_ord_id = number if command else 0
        seq = self.tape.received(asked.session, message.seq, next_in, cl_ord_id, message.type, asked.raw, now)
        if command:
            self._submit(number, request_of(asked.session, seq, asked.raw), command)
        else:
            self._answer(seq, asked, replies, waits_for)

    def _beyond_limit(self, one: Session, message: Message, asked: Open, next_in: int, now: int) -> None:
        """More than the session may send in its interval."""
        seq = self.tape.received(one.terms.number, message.seq, next_in, 0, message.type, asked.raw, now)
        if one.abuses:
            self.leaving[one.terms.number] = "far too many messages; see XLQ for your limits"
        if one.terms.on_excess == "queue" and len(one.queued) < MAX_WAITING:
            self.sessions.open[seq] = asked
            one.queued.append(seq)
            return
        text = f"more than {one.terms.messages} messages in {one.terms.interval} s"
        reports = self.reports[one.terms.number]
        ref = message.get(11) or message.get(262) or message.get(320)
        self._answer(seq, asked, [reports.business_reject(message.seq, message.type, 8, text, ref)], "")

    # What is decided.

    def _decide(
        self, one: Session, message: Message, number: int, now: int, repeated: bool, received: int
    ) -> tuple[bytes, list[str], str]:
        """A command, or the bodies of its answers, or the ClOrdID of the request that it has to wait for."""
        reports, kind, seq = self.reports[one.terms.number], message.type, message.seq
        try:
            inbound.check_content(one, message)
            if kind == "V":
                return b"", self._market_data_request(one, message), ""
            if kind not in ORDER_TYPES:
                return b"", self.queries.answer(one, message, now), ""
            if one.terms.kind != "orders":
                return b"", [reports.business_reject(seq, kind, 6, f"not on a session of kind {one.terms.kind}")], ""
            inbound.check_name(message)
            if repeated:
                raise Refusal("ClOrdID (11) was used today", m.RejectReason.stale_cl_ord_id)
            return inbound.command(self.desk, one, message, number, now), [], ""
        except Waits as waits:
            return b"", [], waits.orig
        except Refusal as refusal:
            inbound.add_order(self.desk, one, message, refusal)
            return b"", [reports.refuse(message, refusal, f"{self.name}-{received}", now)], ""
        except MissingField as missing:
            return b"", [reports.business_reject(seq, kind, 5, str(missing), message.get(11))], ""
        except FixError as error:
            return b"", [reports.reject(seq, kind, error.reason, error.tag, str(error))], ""

    def _market_data_request(self, one: Session, message: Message) -> list[str]:
        if self.market is None:
            return [f"35=Y\x01262={message[262]}\x01281=3\x0158=no session here is for market data\x01"]
        return self.market.request(one, message)

    def _submit(self, number: int, request: Request, command: bytes) -> None:
        """Its record is on the gateway tape."""
        self.sessions.last_cl_ord_id = number
        self.orders.requests[number] = request
        self.expect(number, request)
        self.put(command)

    def expect(self, number: int, request: Request) -> None:
        """A command of an earlier process that the orders tape may still answer."""
        if request.text:
            key = (request.session, request.text)
            self.desk.pending[key] = number
            self._pending[number] = key

    def submit_again(self, number: int) -> None:
        """A command of an earlier process that never reached the ring, from its request. Nothing else may be in the
        ring with a higher number yet."""
        asked, request = self.sessions.commands[number], self.orders.requests[number]
        one, message = self.sessions.by_number[asked.session], readable(asked.raw.encode("latin-1"))
        # Under its own name it would wait for itself.
        self.desk.pending.pop((asked.session, request.text), None)
        command, replies, _ = self._decide(one, message, number, self.clock(), False, request.received)
        if command:
            self.expect(number, request)
            self._backlog.appendleft(command)
        else:
            self._pending.pop(number, None)
            del self.orders.requests[number]
            self._answer(request.received, asked, replies, "")

    def put(self, command: bytes) -> None:
        """Into the ring, or, while that is full or held, behind what waits for it."""
        if self.held or self._backlog or not self._ring.write(command):
            self._backlog.append(command)

    def _answer(self, seq: int, asked: Open, replies: list[str], waits_for: str) -> None:
        if waits_for:
            self.sessions.open[seq] = asked
            self._waiting.setdefault((asked.session, waits_for), []).append(seq)
        for at, body in enumerate(replies, start=1):
            self.outbox.append(Outgoing(asked.session, body, answers=seq if at == len(replies) else 0))

    def retry(self, seq: int) -> None:
        """Decides again about a request that waited, or that was open when the gateway ended."""
        asked = self.sessions.open[seq]
        one, message = self.sessions.by_number[asked.session], readable(asked.raw.encode("latin-1"))
        number = self.sessions.last_cl_ord_id + 1
        command, replies, waits_for = self._decide(one, message, number, self.clock(), asked.repeated, seq)
        if command:
            del self.sessions.open[seq]
            self.tape.submitted(asked.session, number, seq)
            self._submit(number, request_of(asked.session, seq, asked.raw), command)
        else:
            self._answer(seq, asked, replies, waits_for)

    # What the agent does.

    def fold(self, raws: list[bytes]) -> None:
        """Takes the next records of the orders tape: what they report goes to the outbox."""
        with self.lock:
            for raw in raws:
                record = m.decode(raw)
                happened = self.orders.fold(record)
                if happened:
                    self._report(record.seq, happened)
                if self.orders.changed is not None:
                    self.tell(self.queries.changed(self.orders.changed, record.ts))
                if self.orders.answered:
                    self._answered()
                if self.market is not None:
                    self.tell(self.market.fold(raw))

    def settle(self) -> None:
        """All that can be read of the orders tape was folded."""
        if self.market is not None:
            with self.lock:
                self.tell(self.market.settle())

    def tell(self, bodies: list[tuple[int, str]]) -> None:
        for session, body in bodies:
            self.outbox.append(Outgoing(session, body))

    def _answered(self) -> None:
        for number in self.orders.answered:
            key = self._pending.pop(number, None)
            if key is not None:
                del self.desk.pending[key]
                for seq in self._waiting.pop(key, ()):
                    self.retry(seq)
        self.orders.answered.clear()

    def _report(self, seq: int, happened: list[Happened]) -> None:
        parts: dict[int, int] = {}
        for one in happened:
            for number, copied_from in self._recipients(one):
                session = self.sessions.by_number.get(number)
                if session is None or number in self.replaying:
                    continue
                part = parts[number] = parts.get(number, -1) + 1
                if (seq, part) > session.reported:
                    self.outbox.append(Outgoing(number, self._body(number, one, copied_from), seq, part))

    def _recipients(self, one: Happened) -> list[tuple[int, str]]:
        """Session numbers, and for drop copies whose order it is."""
        if isinstance(one, Completed):
            return [(one.request.session, "")] if one.request is not None and one.request.received else []
        if isinstance(one, Refused):
            session = one.requester or (one.order.session if one.order is not None else 0)
            return [(session, "")]
        found = [(one.order.session, "")] if one.order.session else []
        if one.requester and one.requester != one.order.session:
            found.append((one.requester, ""))
        return found + self.copies.of(one.order)

    def _body(self, number: int, one: Happened, copied_from: str) -> str:
        reports = self.reports[number]
        if isinstance(one, Exec):
            return reports.execution(one, copied_from)
        if isinstance(one, Refused):
            return reports.refused_cancel(one)
        return reports.mass_cancel(one, self.orders.instruments.by_number.get(one.command.instrument))

    def tick(self) -> int:
        """What is due by the clock or by the ring's room; returns how much was done."""
        done, now = 0, self.clock()
        with self.lock:
            while self._backlog and not self.held and self._ring.write(self._backlog[0]):
                self._backlog.popleft()
                done += 1
            for session in [number for number, due in self.lost.items() if due <= now]:
                del self.lost[session]
                self.cancel_session(session, now)
                done += 1
            for one in self.sessions.by_number.values():
                while one.queued and (seq := one.next_queued(now)):
                    self.retry(seq)
                    done += 1
        while self.leaving and self.sender is not None:
            self.sender.log_out(*self.leaving.popitem())
        return done

    def cancel_session(self, session: int, now: int) -> None:
        number = self.sessions.last_cl_ord_id + 1
        self.tape.submitted(session, number, 0)
        self._submit(number, Request(session, 0), inbound.cancel_session(self.sessions.by_number[session], number, now))

    def announce(self, headline: str, text: str) -> None:
        """News (B) for everybody who is logged on."""
        for number, one in self.sessions.by_number.items():
            if one.logged_on:
                self.outbox.append(Outgoing(number, f"35=B\x01148={headline}\x0161=1\x0133=1\x0158={text}\x01"))

    def drain(self) -> None:
        """Sends what is in the outbox, unless another thread is at it: that one then sends this, too."""
        outbox, sender = self.outbox, self.sender
        while outbox and sender is not None and self._sending.acquire(blocking=False):
            try:
                self._sends = threading.get_ident()
                while outbox:
                    out = self._current = outbox.popleft()
                    sender.send(out.session, out.body)
            finally:
                self._current = None
                self._sending.release()
