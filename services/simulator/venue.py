"""What all simulated venues share: connections, subscriptions, fan-out, faults. Pure: bytes and times in, actions out.

    market ──Published──▶ venue ──▶ session.out ──▶ (shell: socket)
                            ▲          ▲
             REST, /_sim/ ──┘          └── text, ping, pong from the client

The shell calls step() every few milliseconds and empties session.out after every call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Container, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import orjson

from services.simulator.faults import FAULTS, FaultRequestError, Faults, Published, number
from services.simulator.flow import SECOND_NS
from services.simulator.limits import PerClient

MAX_DELAYED = 50_000  # frames held back by the fault `slow`, per connection; beyond it they leave early
ABNORMAL = 1006  # as a close code: drop the connection without a closing handshake
JSON_TYPE = ("Content-Type", "application/json")

Key = tuple[str, ...]


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (JSON_TYPE,)


class Ping(NamedTuple):
    payload: bytes


class Close(NamedTuple):
    code: int
    reason: str


Action = bytes | Ping | Close


class Market(Protocol):
    """Where a venue's data comes from: generated, or a recording."""

    tickers: Collection[str]
    patient: bool  # may stand still for a while when readers are slow

    def advance(self, now_ns: int, wanted: Container[Key], silent: Collection[str]) -> list[Published]:
        """What happened up to `now_ns`, encoded for the keys that are wanted; tickers in `silent` stand still."""
        ...

    def opening(self, key: Key, now_ns: int) -> list[bytes]:
        """What a new subscriber to `key` gets first."""
        ...

    def book_json(self, ticker: str) -> dict[str, Any]:
        """The whole book, for tests: prices and quantities as the venue prints them."""
        ...

    def status(self) -> dict[str, Any]: ...


class Session(ABC):
    """One connection."""

    def __init__(self, venue: Venue, now_ns: int) -> None:
        self.venue = venue
        self.opened_ns = now_ns
        self.address = ""
        self.keys: dict[Key, None] = {}  # a dict, because sets have no order to rely on
        self.out: list[Action] = []
        self.closed = False
        self.close_at = 0
        self._delayed: deque[tuple[int, Action]] = deque()

    @abstractmethod
    def on_text(self, raw: str | bytes, now_ns: int) -> None:
        """A data frame from the client."""

    @abstractmethod
    def on_tick(self, now_ns: int) -> None:
        """Time passed: heartbeats, deadlines."""

    def on_open(self, now_ns: int) -> None:
        """The connection is up."""
        return

    def on_ping(self, now_ns: int) -> None:
        """A ping frame from the client (the shell has answered it)."""
        return

    def on_pong(self, payload: bytes, now_ns: int) -> None:
        """A pong frame from the client."""
        return

    def deliver(self, item: Published, payload: bytes, now_ns: int) -> None:
        self.send(payload, now_ns)

    def send(self, action: Action, now_ns: int) -> None:
        delay = self.venue.faults.delay(now_ns)
        if (delay or self._delayed) and len(self._delayed) < MAX_DELAYED:
            self._delayed.append((now_ns + delay, action))
        else:
            self.out.append(action)

    def close(self, code: int, reason: str) -> None:
        """Ends the connection; nothing is sent after it."""
        if not self.closed:
            self.closed = True
            self.out.append(Close(code, reason))

    def tick(self, now_ns: int) -> None:
        while self._delayed and self._delayed[0][0] <= now_ns:
            self.out.append(self._delayed.popleft()[1])
        if self.close_at and now_ns >= self.close_at:
            self.close(1001, "server shutdown")
        if not self.closed:
            self.on_tick(now_ns)


class Venue(ABC):
    """One venue: its market and everybody connected to it."""

    name: ClassVar[str]
    extra_faults: ClassVar[tuple[str, ...]] = ()
    gap_kind: ClassVar[str] = "book"

    def __init__(self, market: Market, connects: PerClient) -> None:
        self.market = market
        self.faults = Faults(self.extra_faults, self.gap_kind)
        self.sessions: dict[Session, None] = {}
        self.subscribers: dict[Key, dict[Session, None]] = {}
        self._connects = connects
        self.sent = 0

    @abstractmethod
    def accept(self, path: str, query: Mapping[str, str], now_ns: int) -> Session | Answer:
        """A session for a WebSocket path, or the answer that refuses it."""

    @abstractmethod
    def rest(self, path: str, query: Mapping[str, str], address: str, now_ns: int) -> Answer | None:
        """A REST answer; None: no such path."""

    @abstractmethod
    def announce_shutdown(self, now_ns: int) -> None:
        """Tells every session, in the venue's way, that it will be disconnected."""

    def connect(self, path: str, query: Mapping[str, str], address: str, now_ns: int) -> Session | Answer:
        """A client wants a WebSocket."""
        if self.faults.refuses(now_ns):
            return Answer(503, b"refused on request", ())
        if not self._connects.of(address).take(now_ns):
            return Answer(429, b"too many connection attempts", (("Retry-After", "60"),))
        accepted = self.accept(path, query, now_ns)
        if isinstance(accepted, Session):
            accepted.address = address
        return accepted

    def opened(self, session: Session, now_ns: int) -> None:
        self.sessions[session] = None
        session.on_open(now_ns)

    def gone(self, session: Session) -> None:
        """The connection ended, whoever ended it."""
        session.closed = True
        self.sessions.pop(session, None)
        for key in list(session.keys):
            self.unsubscribe(session, key)

    def subscribe(self, session: Session, key: Key, now_ns: int, *, opening: bool = True) -> None:
        session.keys[key] = None
        self.subscribers.setdefault(key, {})[session] = None
        frames = self.market.opening(key, now_ns)
        for payload in frames if opening else ():
            session.send(payload, now_ns)

    def unsubscribe(self, session: Session, key: Key) -> None:
        session.keys.pop(key, None)
        if (subscribers := self.subscribers.get(key)) is not None:
            subscribers.pop(session, None)
            if not subscribers:
                del self.subscribers[key]

    def step(self, now_ns: int, backlog: bool = False) -> None:
        """Moves the market on and hands out what happened. `backlog`: some client has much to read still."""
        silent: Collection[str] = self.faults.silent(now_ns)
        stand_still = ("",) if backlog and self.market.patient else silent
        for item in self.market.advance(now_ns, self.subscribers, stand_still):
            for payload in self.spoil(item):
                for session in self.subscribers.get(item.key, ()):
                    session.deliver(item, payload, now_ns)
                    self.sent += 1
        if "" not in silent:
            for session in list(self.sessions):
                session.tick(now_ns)

    def spoil(self, item: Published) -> list[bytes]:
        return self.faults.spoil(item)

    def control(self, fault: str, query: Mapping[str, str], now_ns: int) -> Answer:
        """POST /_sim/<fault>."""
        ticker = query.get("symbol", "")
        if fault not in self.faults.names:
            return _json(404, {"error": f"no fault {fault!r}", "faults": {n: FAULTS[n] for n in self.faults.names}})
        if ticker and ticker not in self.market.tickers:
            return _json(400, {"error": f"no symbol {ticker!r}", "symbols": list(self.market.tickers)})
        try:
            if fault == "disconnect":
                self._disconnect(ticker, number(query, "code", ABNORMAL, 4999))
            elif fault == "shutdown":
                self._shutdown(number(query, "seconds", 1, 3600), now_ns)
            else:
                self.faults.arm(fault, ticker, query, now_ns)
        except FaultRequestError as error:
            return _json(400, {"error": str(error)})
        return _json(200, {"venue": self.name, "fault": fault, "symbol": ticker or None, "armed": self.faults.armed()})

    def inspect(self, path: str, query: Mapping[str, str]) -> Answer | None:
        """GET /_sim/status and GET /_sim/book?symbol=, for tests and for people."""
        if path == "/_sim/status":
            return _json(
                200,
                {
                    **{"venue": self.name, "symbols": list(self.market.tickers), "connections": len(self.sessions)},
                    **{"sent": self.sent, "dropped": self.faults.dropped, "armed": self.faults.armed()},
                    "subscriptions": {"/".join(key): len(who) for key, who in self.subscribers.items()},
                    "market": self.market.status(),
                },
            )
        if path == "/_sim/book" and query.get("symbol", "") in self.market.tickers:
            return _json(200, self.market.book_json(query["symbol"]))
        return None

    def _disconnect(self, ticker: str, code: int) -> None:
        for session in self.sessions:
            if not ticker or any(self.ticker_of(key) == ticker for key in session.keys):
                session.close(code, "disconnected on request")

    def _shutdown(self, seconds: int, now_ns: int) -> None:
        self.announce_shutdown(now_ns)
        for session in self.sessions:
            session.close_at = now_ns + seconds * SECOND_NS

    @abstractmethod
    def ticker_of(self, key: Key) -> str:
        """The symbol that a subscription key is about, or ""."""


def _json(status: int, value: object) -> Answer:
    return Answer(status, orjson.dumps(value))
