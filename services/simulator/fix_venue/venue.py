"""A venue without sockets: connections, sessions, the desk, what is told, and misbehaviour. Time is an argument.

bytes ──▶ Link ──▶ Session ──▶ Desk ──commands──▶ engine
                                                    │ tape
bytes ◀── Link ◀── Session ◀── Teller ◀── Orders ◀──┘
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from services.simulator.fix_venue import control
from services.simulator.fix_venue.copies import Copies
from services.simulator.fix_venue.desk import Desk, House
from services.simulator.fix_venue.dialect import Dialect, Endpoint
from services.simulator.fix_venue.faults import SECOND_NS, Faults, number
from services.simulator.fix_venue.market_sessions import BOOK_NS, MarketSessions
from services.simulator.fix_venue.orders import Orders
from services.simulator.fix_venue.session import Close, Session
from services.simulator.fix_venue.teller import Teller
from services.simulator.fix_venue.terms import Client, Refused
from tapewire import messages as m
from tapewire.errors import FixError
from tapewire.fix.framing import Framer
from tapewire.fix.message import Message, Reason, fields_of

MAX_MESSAGE: Final = 16 << 10
POLL_LIMIT: Final = 1024
MAX_POLLS: Final = 64  # in one step
LOGON_WAIT_NS: Final = 10 * SECOND_NS
NEWS_EVERY_NS: Final = 10 * SECOND_NS


class Link:
    """One connection. What is to be sent lies in a queue, each item with the time it is due (UTC ns)."""

    def __init__(self, now: int, endpoint: Endpoint = "orders") -> None:
        self.endpoint = endpoint
        self.session: Session | None = None
        self.client: Client | None = None
        self.queue: deque[tuple[int, bytes | Close]] = deque()
        self.since = now
        self.closed = False
        self.cancels = False
        """Whether the session's orders are cancelled with the connection."""
        self.framer = Framer(MAX_MESSAGE)

    @property
    def name(self) -> str:
        """The client's CompID, or the session's own at the other endpoints."""
        if self.endpoint != "orders":
            return self.session.theirs if self.session is not None else ""
        return self.client.comp_id if self.client is not None else ""


class FixVenue:
    """One venue, its clients, and the engine it matches by."""

    def __init__(
        self,
        dialect: Dialect,
        clients: Sequence[Client],
        house: House,
        counter: int,
        *,
        copy_delay_ns: int = SECOND_NS,
        book_ns: int = BOOK_NS,
    ) -> None:
        """`counter`: see Desk. `copy_delay_ns`: how late a drop copy is; `book_ns`: between two changes of a book."""
        self.dialect, self.house = dialect, house
        self.clients = {client.comp_id: client for client in clients}
        self.sessions = {client.session: Session(dialect.rules, dialect.comp_id, client.comp_id) for client in clients}
        names = {client.session: client.comp_id for client in clients}
        self.faults, self.orders = Faults(), Orders(house.source)
        self.teller = Teller(dialect, self.faults, self.sessions, names)
        self.desk = Desk(dialect, self.orders, house, self.faults, self.teller, counter, self.sessions)
        self.copies = Copies(dialect, self.faults, copy_delay_ns)
        self.market = MarketSessions(dialect, self.faults, book_ns)
        self.others: dict[str, Session] = {}
        """The sessions at the other endpoints, by their CompID."""
        self.links: list[Link] = []
        self.watch: list[Callable[[m.Message], None]] = []
        """Also see every record of the tape: whoever else trades here, and who publishes its market."""
        self._live = False
        self._close_at = self._news_at = self._down_ns = 0

    # -- connections

    def names(self) -> list[str]:
        """Whom a fault may name."""
        return [*self.clients, *self.others]

    def connect(self, now: int, endpoint: Endpoint = "orders") -> Link | None:
        """A new connection, or None if it is refused."""
        if self.faults.lasts("refuse", "", now, "close"):
            return None
        link = Link(now, endpoint)
        self.links.append(link)
        return link

    def received(self, link: Link, data: bytes, now: int) -> None:
        """What came by a connection."""
        try:
            for raw in link.framer.feed(data):
                if link.closed:
                    return
                self._message(link, raw, now)
                self._collect(link, now)
        except FixError:  # longer than any message may be: the stream cannot be followed
            self._end(link, now)

    def lost(self, link: Link, now: int) -> None:
        """The connection is gone."""
        link.closed = True
        if link in self.links:
            self.links.remove(link)
        if link.session is not None:
            link.session.lost()
            link.session = None
            if link.cancels and link.client is not None and link.endpoint == "orders":
                self.desk.disconnected(link.client, now)

    def take(self, link: Link, now: int) -> list[bytes | Close]:
        """What is to be sent by now, in order."""
        due: list[bytes | Close] = []
        while link.queue and link.queue[0][0] <= now:
            due.append(link.queue.popleft()[1])
        return due

    # -- time

    def step(self, now: int) -> None:
        """Takes what the tape says, and moves whatever waits for time. Called many times a second."""
        self._follow(now)
        self.teller.on_time(now)
        self.copies.on_time(now)
        if self._live:
            self.market.on_time(now)
        self._maintain(now)
        for link in list(self.links):
            if link.session is None and not link.closed and now - link.since > LOGON_WAIT_NS:
                self._end(link, now)
            if link.session is not None:
                link.session.on_time(now)
            self._collect(link, now)

    def _follow(self, now: int) -> None:
        for _ in range(MAX_POLLS):
            records = self.house.poll(POLL_LIMIT)
            for record in records:
                told = self.orders.fold(record)
                self.market.saw(record, now, self._live)
                for watch in self.watch:
                    watch(record)
                for one in told:
                    # What was before this process is known to the orders, and told to whoever asks.
                    if self._live and one.session in self.sessions:
                        self.teller.tell(one, now)
                        self.desk.answered(one, now)
                        self.copies.tell(one, now)
            if len(records) < POLL_LIMIT:
                self._live = True
                return

    def _maintain(self, now: int) -> None:
        if not self._close_at:
            return
        if now >= self._close_at:
            for session in (*self.sessions.values(), *self.others.values()):
                session.log_out("maintenance", now)
            self.faults.refuse_until(now + self._down_ns)
            self._close_at = 0
        elif now >= self._news_at:
            self._news_at = now + NEWS_EVERY_NS
            for session in (*self.sessions.values(), *self.others.values()):
                if session.on:
                    session.send("B", self.dialect.news("the venue goes down for maintenance"), now)

    # -- what comes

    def _message(self, link: Link, raw: bytes, now: int) -> None:
        try:
            message = fields_of(raw)
            if link.session is None and link.endpoint == "orders":
                self._logon(link, message, now)
            elif link.session is None:
                self._other_logon(link, message, now)
            else:
                self._requests(link, link.session, message, now)
        except FixError as error:
            self._malformed(link, raw, error, now)

    def _requests(self, link: Link, session: Session, message: Message, now: int) -> None:
        for request in session.received(message, now):
            if not session.on:
                continue
            if link.endpoint == "market-data":
                self.market.ask(session, request, now)
            elif link.endpoint == "orders":
                self.desk.ask(self.clients[session.theirs], session, request, now)
            else:
                refused = Refused("a drop copy takes no requests", Reason.INVALID_MSG_TYPE, tag=35)
                session.send(*self.dialect.refusal(request, refused), now)

    def _malformed(self, link: Link, raw: bytes, error: FixError, now: int) -> None:
        """A message whose fields break the rules: refused if there is a session to refuse it in, and counted."""
        session = link.session
        if session is None:
            self._end(link, now)
            return
        kind = raw.partition(b"\x0135=")[2].partition(b"\x01")[0].decode("latin-1")
        number = raw.partition(b"\x0134=")[2].partition(b"\x01")[0].decode("latin-1")
        broken = Message(raw, {35: kind, 34: number if number.isdigit() else "0"}, False)
        session.reject(broken, error.tag, error.reason, str(error), now)
        if number == str(session.next_in):
            session.next_in += 1

    def _logon(self, link: Link, logon: Message, now: int) -> None:
        if logon.type != "A":
            self._end(link, now)
            return
        client = self.clients.get(logon.get(49))
        session = self.sessions[client.session] if client is not None else None
        why = self._why_not(logon, client, now)
        if session is not None and any(other.session is session for other in self.links):
            why, session = "there is a session of this SenderCompID already", None
        if why or client is None or session is None:
            asked = session or Session(self.dialect.rules, self.dialect.comp_id, logon.get(49, "?"))
            asked.refuse(why, now)
            self._queue(link, asked, now)
            return
        link.session, link.client = session, client
        link.cancels = self.dialect.cancels_on_disconnect(logon)
        for request in session.log_on(logon, now, self.dialect.logon_answer(logon)):
            self.desk.ask(client, session, request, now)

    def _other_logon(self, link: Link, logon: Message, now: int) -> None:
        """At the endpoints for market data and drop copy: any CompID that has no session, with a client's key."""
        if logon.type != "A":
            self._end(link, now)
            return
        name = logon.get(49)
        client = next((one for one in self.clients.values() if one.username == logon.get(553)), None)
        session = Session(self.dialect.rules, self.dialect.comp_id, name or "?")
        why = self._why_not(logon, client, now, link.endpoint)
        if not why and (name in self.clients or any(other.name == name for other in self.links)):
            why = "there is a session of this SenderCompID already"
        if why or client is None:
            session.refuse(why, now)
            self._queue(link, session, now)
            return
        link.session, link.client = session, client
        self.others[name] = session
        session.log_on(logon, now, self.dialect.logon_answer(logon))
        if link.endpoint == "drop-copy":
            self.copies.add(session, client.account)
        else:
            self.market.add(session)

    def _why_not(self, logon: Message, client: Client | None, now: int, endpoint: Endpoint = "orders") -> str:
        if self.faults.lasts("refuse", logon.get(49), now, "logout"):
            return "the venue does not take logons now"
        if logon.get(8) != self.dialect.rules.begin or logon.get(56) != self.dialect.comp_id:
            return f"expected BeginString {self.dialect.rules.begin} and TargetCompID {self.dialect.comp_id}"
        if client is None:
            return "unknown SenderCompID"
        try:
            if endpoint != "orders":
                return self.dialect.check_other_logon(logon, client, now, endpoint)
            return self.dialect.check_logon(logon, client, now)
        except FixError as error:
            return str(error)

    # -- what goes

    def _collect(self, link: Link, now: int) -> None:
        if link.session is not None:
            self._queue(link, link.session, now)

    def _queue(self, link: Link, session: Session, now: int) -> None:
        due = max(now, self.faults.lasts("silence", link.name, now, "all"))
        if self.faults.lasts("slow", link.name, now):
            due = max(due, now + self.faults.delay_ns)
        if link.queue:
            due = max(due, link.queue[-1][0])
        for item in session.out:
            if isinstance(item, Close):
                link.closed = True
                if item.abort:
                    link.queue.clear()  # what was on its way does not arrive
                    due = now
            link.queue.append((due, item))
        session.out.clear()

    def _end(self, link: Link, now: int) -> None:
        link.closed = True
        link.queue.append((now, Close()))

    # -- control

    def control(self, fault: str, query: Mapping[str, str], now: int) -> dict[str, Any]:
        """Carries out `POST /_sim/<fault>`; returns what is to be answered. Raises FaultRequestError."""
        control.carry_out(self, fault, query, now)
        for link in list(self.links):
            self._collect(link, now)
        return {"armed": self.faults.armed()}

    def disconnect(self, client: str) -> None:
        """Drops connections; `client` empty: all."""
        for link in self.links:
            if client in ("", link.name):
                if link.session is not None:
                    link.session.on = False
                link.closed = True
                link.queue.clear()
                link.queue.append((0, Close(abort=True)))

    def begin_maintenance(self, query: Mapping[str, str], now: int) -> None:
        """Raises FaultRequestError."""
        self._down_ns = number(query, "down", 5, 3600) * SECOND_NS
        self._close_at = now + number(query, "seconds", 2, 3600) * SECOND_NS
        self._news_at = now
        self.faults.strike("maintenance")
