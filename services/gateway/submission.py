"""From a message to the ring: its record on the gateway's tape, then its command, in the order of their numbers.

taken ──▶ gateway tape ──▶ ring                    a command at once
              └─▶ open, until another request is answered ──▶ gateway tape ──▶ ring
              └─▶ outbox                           an answer without the engine
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from services.gateway import inbound
from services.gateway.decisions import Decision, Decisions
from services.gateway.happened import Request
from services.gateway.inbound import Desk
from services.gateway.outbox import Outbox
from services.gateway.session import ANSWER_BYTES, Open, Session, Sessions, request_of
from services.gateway.tape import GatewayTape
from tapewire.fix.message import Message, readable
from tapewire.ring import RingProducer

MAX_WAITING: Final = 10_000
"""Requests of one session that may wait for their turn."""


class Submission:
    """The gateway's lock is held whenever something here is called."""

    def __init__(
        self,
        sessions: Sessions,
        desk: Desk,
        decisions: Decisions,
        tape: GatewayTape,
        ring: RingProducer,
        outbox: Outbox,
        clock: Callable[[], int],
    ) -> None:
        self.held = False
        """While it is not yet known what became of an earlier process's commands, nothing goes into the ring."""
        self._sessions, self._desk, self._decisions, self._tape = sessions, desk, decisions, tape
        self._ring, self._outbox, self._clock = ring, outbox, clock
        self._backlog: deque[bytes] = deque()
        self._unsecured: deque[bytes] = deque()
        self.unsecured = threading.Event()
        """Set when commands wait for their records to be durable: see `secured`."""
        self._waiting: dict[tuple[int, str], list[int]] = {}
        self._pending: dict[int, tuple[int, str]] = {}

    def take(self, one: Session, message: Message, asked: Open, next_in: int, now: int) -> None:
        """A message within its session's limit. `now`: UTC ns."""
        number = self._sessions.last_cl_ord_id + 1
        decision = self._decisions.decide(one, message, number, now, asked.repeated, self._tape.next_seq)
        cl_ord_id = number if decision.command else 0
        seq = self._tape.received(asked.session, next_in - 1, next_in, cl_ord_id, message.type, asked.raw, now)
        if decision.command:
            self._submit(number, request_of(asked.session, seq, asked.raw), decision.command)
        else:
            self._answer(seq, asked, decision)

    def take_beyond_limit(self, one: Session, message: Message, asked: Open, next_in: int, now: int) -> None:
        """More than the session may send in its interval: it waits, or is refused."""
        seq = self._tape.received(one.terms.number, message.seq, next_in, 0, message.type, asked.raw, now)
        if one.terms.on_excess == "queue" and len(one.queued) < MAX_WAITING:
            self._sessions.open[seq] = asked
            one.queued.append(seq)
        else:
            self._outbox.add(asked.session, self._decisions.beyond_limit(one, message), answers=seq)

    def retry(self, seq: int) -> None:
        """Decides again about a request that waited, or that was open when the gateway ended."""
        asked = self._sessions.open[seq]
        one, message = self._sessions.by_number[asked.session], readable(asked.raw.encode("latin-1"))
        number = self._sessions.last_cl_ord_id + 1
        decision = self._decisions.decide(one, message, number, self._clock(), asked.repeated, seq)
        if decision.command:
            del self._sessions.open[seq]
            self._tape.submitted(asked.session, number, seq)
            self._submit(number, request_of(asked.session, seq, asked.raw), decision.command)
        else:
            self._answer(seq, asked, decision)

    def retry_queued(self, now: int) -> int:
        """Requests whose turn has come again; returns how many."""
        done = 0
        for one in self._sessions.by_number.values():
            while one.queued and (seq := one.next_queued(now)):
                self.retry(seq)
                done += 1
        return done

    def answered(self, numbers: list[int]) -> None:
        """The engine has answered these commands: what waited for them is decided about."""
        for number in numbers:
            key = self._pending.pop(number, None)
            if key is not None:
                del self._desk.pending[key]
                for seq in self._waiting.pop(key, ()):
                    self.retry(seq)

    def cancel_session(self, session: int, now: int) -> None:
        """The gateway's own command: the session was lost."""
        number = self._sessions.last_cl_ord_id + 1
        self._tape.submitted(session, number, 0)
        command = inbound.cancel_session(self._sessions.by_number[session], number, now)
        self._submit(number, Request(session, 0), command)

    def expect(self, number: int, request: Request) -> None:
        """A command that the orders tape may still answer."""
        if request.text:
            key = (request.session, request.text)
            self._desk.pending[key] = number
            self._pending[number] = key

    def release(self) -> tuple[int, int]:
        """What an earlier process left: the engine has taken all that was in the ring, and its answers are folded. So
        what is still not on the orders tape never got there. Returns how much was submitted and decided about again."""
        sessions, requests = self._sessions, self._desk.orders.requests
        again = sorted((number for number in sessions.commands if number in requests), reverse=True)
        for number in again:
            self._submit_again(number)
        sessions.commands.clear()
        self.held = False
        still_open = list(sessions.open)
        for seq in still_open:
            self.retry(seq)
        return len(again), len(still_open)

    def _submit_again(self, number: int) -> None:
        """From its request, under its number. Nothing else is in the ring with a higher one yet."""
        asked, request = self._sessions.commands[number], self._desk.orders.requests[number]
        one, message = self._sessions.by_number[asked.session], readable(asked.raw.encode("latin-1"))
        # Under its own name it would wait for itself.
        self._desk.pending.pop((asked.session, request.text), None)
        decision = self._decisions.decide(one, message, number, self._clock(), False, request.received)
        if decision.command:
            self.expect(number, request)
            self._backlog.appendleft(decision.command)
        else:
            self._pending.pop(number, None)
            del self._desk.orders.requests[number]
            self._answer(request.received, asked, decision)

    def fill_ring(self) -> int:
        """Puts what waits for room into the ring; returns how many."""
        done = 0
        while self._backlog and not self.held and self._ring.write(self._backlog[0]):
            self._backlog.popleft()
            done += 1
        return done

    def _submit(self, number: int, request: Request, command: bytes) -> None:
        """Its record is on the gateway tape."""
        self._sessions.last_cl_ord_id = number
        self._desk.orders.requests[number] = request
        self.expect(number, request)
        if self._tape.durable:
            self._unsecured.append(command)
            self.unsecured.set()
        else:
            self._enter(command)

    def count_unsecured(self) -> int:
        """Commands whose records are on the tape, but may not be durable."""
        self.unsecured.clear()
        return len(self._unsecured)

    def secured(self, count: int) -> None:
        """The records of so many of them are."""
        for _ in range(count):
            self._enter(self._unsecured.popleft())

    def _enter(self, command: bytes) -> None:
        if self.held or self._backlog or not self._ring.write(command):
            self._backlog.append(command)

    def _answer(self, seq: int, asked: Open, decision: Decision) -> None:
        if decision.waits_for:
            self._sessions.open[seq] = asked
            self._waiting.setdefault((asked.session, decision.waits_for), []).append(seq)
        self._sessions.by_number[asked.session].charge(sum(1 + len(body) // ANSWER_BYTES for body in decision.replies))
        last = len(decision.replies)
        for at, body in enumerate(decision.replies, start=1):
            self._outbox.add(asked.session, body, answers=seq if at == last else 0)
