"""The gateway between its session layer and the tapes.

    session layer ── received ─▶ submission ─▶ gateway tape ─▶ ring ─▶ engine
                  ◀── send ──── outbox ◀── reporting ◀── orders tape      (sending: gateway tape, then the socket)

Two threads meet here: the session layer's, which brings messages, and the agent's, which reads the orders tape.
`lock` guards all state and the gateway tape; nothing is sent while it is held, for the session layer has a lock of its
own that `sending` is called under.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from services.gateway.decisions import Decisions
from services.gateway.hours import is_open, opened_at
from services.gateway.inbound import Desk
from services.gateway.market_data import MarketData
from services.gateway.orders import Orders
from services.gateway.outbox import Outbox, Outgoing
from services.gateway.queries import Queries
from services.gateway.reporting import Reporting
from services.gateway.reports import FIX42, Reports
from services.gateway.sent import read_sent
from services.gateway.session import ALL_PARTS, ORDER_TYPES, RESENDS, Open, Sessions, field_of, without_secrets
from services.gateway.submission import Submission
from services.gateway.tape import GatewayTape
from tapewire import messages as m
from tapewire import trace_context
from tapewire.config.gateway import Gateway as GatewaySettings
from tapewire.fix.message import readable
from tapewire.house import HouseMarket
from tapewire.logs import Logger
from tapewire.ring import RingProducer

GROUP = 256
"""Messages that are made durable together at most."""
MAX_RESEND = GatewaySettings().max_resend


class Gateway:
    """See the module."""

    def __init__(
        self,
        sessions: Sessions,
        orders: Orders,
        tape: GatewayTape,
        ring: RingProducer,
        shard: int,
        name: str,
        log: Logger,
        house: HouseMarket | None = None,
        clock: Callable[[], int] = time.time_ns,
        max_resend: int = MAX_RESEND,
    ) -> None:
        """`house`: books that stand where `orders` does. `max_resend`: as in the configuration."""
        self.max_resend = max_resend
        self.lock = threading.Lock()
        self.sessions, self.orders, self.tape, self.log, self.clock = sessions, orders, tape, log, clock
        self.outbox = Outbox(GROUP if tape.durable else 1)
        self.reports = {number: Reports(one.terms.version, shard) for number, one in sessions.by_number.items()}
        follows = any(one.terms.kind == "market-data" for one in sessions.by_number.values())
        self.market = MarketData(orders.instruments, house) if follows else None
        desk = Desk(orders, {})
        self._queries = Queries(desk, self.reports)
        decisions = Decisions(name, desk, self.reports, self._queries, self.market)
        self.submission = Submission(sessions, desk, decisions, tape, ring, self.outbox, clock)
        self.reporting = Reporting(
            *(sessions, orders, self.reports, self._queries, self.market, self.outbox),
            *(self.submission.answered, self._epoch_began),
        )
        self.lost: dict[int, int] = {}
        """Sessions whose orders will be cancelled, by when (UTC ns)."""
        self.leaving: dict[int, str] = {}
        """Sessions that the agent is to log out, and why."""
        self.ending = False
        """Whoever is gone need not come back."""
        self._gone: set[int] = set()
        self._scheduled = {number: one for number, one in sessions.by_number.items() if one.terms.hours}
        self._told: set[int] = set()

    # What the session layer tells.

    def logging_on(self, session: int, raw: bytes, expected: int, begins_anew: bool) -> tuple[int, int] | None:
        now = self.clock()
        lost = None
        with self.lock:
            one = self.sessions.by_number[session]
            if begins_anew:
                self.tape.changed(session, m.FixSessionState.reset, 1, 1)
                one.begin_anew(now)
                expected = 1
            elif expected < one.next_in:
                expected, lost = one.next_in, (one.next_in, one.next_out)
            message = readable(raw)
            one.log_on(message.fields)
            if one.terms.kind == "drop-copy" and 8016 in message:
                self.reporting.replaying[session] = message[8016]
            # A Logon is taken even when what came before it is still missing.
            one.next_in = expected + 1 if message.seq == expected else expected
            self.tape.received(session, message.seq, one.next_in, 0, "A", without_secrets(raw), now)
        return lost

    def may_resend(self, session: int, begin: int, end: int) -> bool:
        most, count = self.max_resend, end - begin
        with self.lock:
            one = self.sessions.by_number[session]
            if one.terms.kind == "market-data" or one.may_resend(count, most, self.clock()):
                return True
        self.leaving[session] = (
            f"{count} messages are asked for again; expected at most {most} at a time and {RESENDS * most} a minute. "
            f"Ask for less (7, 16), or begin anew (141=Y)"
        )
        return False

    def sent_before(self, session: int, begin: int, end: int) -> Iterable[tuple[int, str]]:
        with self.lock:
            one = self.sessions.by_number[session]
            from_seq = one.sent.seq_before(begin)
        if not from_seq or one.terms.kind == "market-data":
            return ()  # prices of the past are worth nothing, and the session's subscriptions ended with its connection
        return read_sent(self.tape.path, session, begin, end, from_seq)

    def logged_on(self, session: int) -> None:
        with self.lock:
            one = self.sessions.by_number[session]
            one.logged_on = True
            now = self.clock()
            if self.lost.pop(session, now + 1) <= now:  # back too late, and before the agent noticed
                self.submission.cancel_session(session, now)
            self.tape.changed(session, m.FixSessionState.logged_on, one.next_in, one.next_out)
        self.log.info("logged on", session=one.terms.name)

    def logged_out(self, session: int, next_in: int, next_out: int) -> None:
        with self.lock:
            one = self.sessions.by_number[session]
            one.logged_on = False
            # A Logon with 141=Y sets the session layer's numbers to 1 before anybody has looked at it, also one that is
            # then refused: without a reset of ours they only rise, and the next Logon puts them right.
            one.next_in = next_in = max(one.next_in, next_in)
            one.next_out = next_out = max(one.next_out, next_out)
            self._queries.gone(session)
            if self.market is not None:
                self.market.gone(session)
            self.tape.changed(session, m.FixSessionState.logged_out, next_in, next_out)
            self._gone.add(session)
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

    def sending(self, session: int, messages: Sequence[tuple[int, str, str]]) -> None:
        outs = self.outbox.on_its_way(messages[0][1]) or [Outgoing(session, "")]
        with self.lock:
            now = self.clock()
            is_data = self.sessions.by_number[session].terms.kind == "market-data"
            for (seq, kind, raw), out in zip(messages, outs, strict=True):
                kept = "" if is_data and kind in "WX" else raw
                at = self.tape.sent(session, seq, out.orders_seq, out.answers, out.part, kind, kept)
                self.sessions.sent(session, seq, at, out.orders_seq, out.part, now)
                self.sessions.open.pop(out.answers, None)
        self.tape.secure()

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
            is_within = message.type == "XLQ" or one.within_limit(now)
            try:
                if is_within and (message.type in ORDER_TYPES or one.may_ask(now)):
                    self.submission.take(one, message, asked, next_in, now)
                else:
                    self.submission.take_beyond_limit(one, message, asked, next_in, now)
                    if one.abuses:
                        self.leaving[session] = "far too many messages; see XLQ for your limits"
            except Exception as error:
                # It ends the gateway: whoever asks why finds the message that it was about.
                with trace_context.logged(trace_context.parse(field_of(text, trace_context.FIX_TAG))):
                    self.log.error("message_failed", session=one.terms.name, seq=message.seq, error=repr(error))
                raise
        self.outbox.drain()

    # What the agent does.

    def fold(self, raws: list[bytes]) -> None:
        """Takes the next records of the orders tape: what they report goes to the outbox."""
        with self.lock:
            self.reporting.fold(raws)

    def _epoch_began(self, epoch: m.EpochStarted) -> None:
        """What was reported before, of records that have its number or a higher one, was of records that were lost with
        the tape's tail: those that have their numbers now are reported, too."""
        for number, one in self.sessions.by_number.items():
            if one.reported[0] >= epoch.seq and one.reported_ns < epoch.ts:
                self.log.warning("reports of lost records", session=one.terms.name, first_lost=epoch.seq)
                last = epoch.seq - 1
                self.tape.changed(number, m.FixSessionState.known, one.next_in, one.next_out, last)
                one.reported, one.reported_ns = (last, ALL_PARTS), epoch.ts

    def settle(self) -> None:
        """All that can be read of the orders tape was folded."""
        with self.lock:
            self.reporting.settle()

    def tick(self) -> int:
        """What is due by the clock or by the ring's room; returns how much was done."""
        now = self.clock()
        with self.lock:
            done = self.submission.fill_ring()
            for session in [number for number, due in self.lost.items() if due <= now]:
                del self.lost[session]
                self.submission.cancel_session(session, now)
                done += 1
            done += self.submission.retry_queued(now)
        self.keep_hours(now)
        if (sender := self.outbox.sender) is not None:
            while self.leaving:
                sender.log_out(*self.leaving.popitem())
            while self._gone and not self.ending:
                sender.allow_logon(self._gone.pop())
        return done

    def keep_hours(self, now: int) -> None:
        """Logs out who is on beyond its hours, and lets numbers begin at 1 with each opening. What happens while a
        session is closed it is told under its new numbers: under the old ones nobody would ask for it again."""
        for number, one in self._scheduled.items():
            hours = one.terms.hours
            is_closed = not is_open(hours, now)
            if one.logged_on:
                if (is_closed or one.begun_ns < opened_at(hours, now)) and number not in self._told:
                    self._told.add(number)
                    self.leaving[number] = f"this session is open {hours} UTC"
                continue
            self._told.discard(number)
            if is_closed:
                self.outbox.hold(number)
            elif one.begun_ns < opened_at(hours, now):
                with self.lock:
                    self.tape.changed(number, m.FixSessionState.reset, 1, 1, reason=f"open {hours} UTC")
                    one.begin_anew(now)
                if self.outbox.sender is not None:
                    self.outbox.sender.restore(number, 1, 1)
                self.outbox.release(number)

    @property
    def has_clients(self) -> bool:
        """Whether anybody is."""
        return any(one.logged_on for one in self.sessions.by_number.values())

    def announce(self, headline: str, text: str) -> None:
        """News (B) for everybody who is logged on."""
        for number, one in self.sessions.by_number.items():
            if one.logged_on:
                self.outbox.add(number, f"35=B\x01148={headline}\x0161=1\x0133=1\x0158={text}\x01")
