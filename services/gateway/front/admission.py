"""Who may come in: every decision of the front, without sockets and without a clock. Times are UTC ns.

connect(address)  ──▶  open, or which bound refused it
attempt(logon)    ──▶  the session whose credential must now be checked, or a Refusal
conclude(proven)  ──▶  in, or a Refusal
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from services.gateway.front.throttle import Throttle
from services.gateway.hours import is_open
from tapewire.config import Gateway, GatewaySession
from tapewire.errors import FixError
from tapewire.fix.auth import (
    DEFAULT_WINDOW_MS,
    MAX_WINDOW_MS,
    MS,
    Credential,
    Ed25519Key,
    HmacKey,
    Password,
    Replays,
    read_secret,
)
from tapewire.fix.dictionary import load
from tapewire.fix.message import Message
from tapewire.fix.timestamps import Stamp, to_ns

NS: Final = 10**9
DAY_NS: Final = 86_400 * NS
MOST_KEPT: Final = 64
"""Characters of a name that somebody claims."""
MIN_HEARTBEAT: Final = 5
MAX_HEARTBEAT: Final = 60
WRONG: Final = "Logon refused: CompIDs, Username or credentials are not right"
COUNTERS: Final = (
    "connected", "refused_address", "refused_connections", "refused_half_open", "evicted", "timed_out", "tls_failed",
    "not_a_logon", "garbled", "oversize", "throttled_address", "throttled_session", "busy", "invalid_logon",
    "clock_skew", "out_of_hours", "already_on", "wrong", "replayed", "backend_down", "draining", "left", "logged_on",
    "slow_reader", "too_far_ahead", "paced",
)  # fmt: skip
"""What is counted, one for each way a connection can go; of those that logged on, what ended them by force; and how
often one was read more slowly."""


class Refusal(NamedTuple):
    """`counter` is one of COUNTERS; `text` goes into 58."""

    counter: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A session that a Logon is for, and what it must prove."""

    session: GatewaySession
    credential: Credential


class Admission:
    """State: connections that have not logged on, sessions that are on, recent attempts, accepted Logons."""

    def __init__(self, gateway: Gateway, replays: Replays | None = None) -> None:
        """Reads secret files. `replays`: Logons that were accepted before. Raises CredentialError naming what is wrong
        with a secret."""
        self.gateway = gateway
        self.counts: Counter[str] = Counter()
        self.half_open: OrderedDict[int, str] = OrderedDict()
        """Connection to where it comes from (`origin_of`), the oldest first."""
        self.live: dict[str, int] = {}
        """Name of a session that is on, to its connection."""
        self.connections = 0
        self.draining = False
        self._allowed = _networks(gateway.allow)
        self._per_address: Counter[str] = Counter()
        self._strangers: OrderedDict[int, None] = OrderedDict()
        """Of the half-open ones those from where nobody has logged on yet."""
        interval = int(gateway.logon_interval * NS)
        self._attempts = Throttle(gateway.logon_attempts, interval)
        self._failures = Throttle(gateway.logon_attempts, interval)
        self._phantoms = Throttle(gateway.logon_attempts, interval)
        """Failures for sessions that there are not, so that they look like those that there are."""
        self._known: dict[str, str] = {}
        """Name of a session to where it logged on from last."""
        self._replays = Replays() if replays is None else replays
        self._stamp = Stamp()
        self._next = 0
        self._sessions: dict[tuple[str, str, str], GatewaySession] = {
            (one.version, one.comp_id, gateway.target_of(one)): one for one in gateway.sessions
        }
        self._credentials = {one.name: credential_of(one) for one in gateway.sessions}
        self._networks = {one.name: _networks(one.allow) for one in gateway.sessions}

    # -- connections

    def connect(self, address: str) -> tuple[int, int]:
        """A new connection: its number, or 0 if it is to be closed at once; and one that must go for it, or 0."""
        if not _within(address, self._allowed):
            return self._refused("refused_address")
        if self.draining:
            return self._refused("draining")
        if self.connections >= self.gateway.max_connections and len(self.half_open) == 0:
            return self._refused("refused_connections")
        origin = origin_of(address)
        if self._per_address[origin] >= self.gateway.max_half_open_per_address:
            return self._refused("refused_half_open")
        oldest = 0
        full = self.connections >= self.gateway.max_connections
        if full or len(self.half_open) >= self.gateway.max_half_open:
            # The oldest has had the longest time to log on: who floods us loses to who means it. Where a session has
            # come from before is not where a flood comes from: those stay, however long TLS takes them.
            oldest = next(iter(self._strangers or self.half_open))
            self.counts["evicted"] += 1
            self.close(oldest)
        self._next += 1
        self.connections += 1
        self.counts["connected"] += 1
        self.half_open[self._next] = origin
        if origin not in self._known.values():
            self._strangers[self._next] = None
        self._per_address[origin] += 1
        return self._next, oldest

    def close(self, connection: int) -> None:
        """The connection is gone, or is being closed. Harmless if it was told before."""
        if connection in self.half_open:
            self._leave(connection)
            self.connections -= 1
            return
        for name, live in self.live.items():
            if live == connection:
                del self.live[name]
                self.connections -= 1
                return

    # -- logons

    def attempt(self, logon: Message, address: str, now: int) -> Candidate | Refusal:
        """What a Logon is for. Everything is checked here that needs no secret, cheapest first."""
        origin = origin_of(address)
        wait = self._attempts.wait(origin, now)
        self._attempts.count(origin, now)
        if wait:
            return self._too_many("throttled_address", wait)
        if self.draining:
            return self._refusal("draining", "Logon refused: shutting down")
        try:
            load(logon[8]).check(logon)
            sent, heartbeat = to_ns(logon[52]), logon.integer(108)
            window = logon.integer(8015) if 8015 in logon else DEFAULT_WINDOW_MS
        except FixError as error:
            return self._refusal("invalid_logon", f"Logon refused: {error}")
        except KeyError:
            return self._refusal("invalid_logon", "Logon refused: expected FIX.4.2, FIX.4.4 or FIXT.1.1 in 8")
        if logon.get(464) == "Y":
            return self._refusal("invalid_logon", "Logon refused: this is no test system (464=Y)")
        if not MIN_HEARTBEAT <= heartbeat <= MAX_HEARTBEAT:
            text = f"Logon refused: HeartBtInt (108) is {heartbeat}; expected {MIN_HEARTBEAT} to {MAX_HEARTBEAT}"
            return self._refusal("invalid_logon", text)
        if not 1 <= window <= MAX_WINDOW_MS:
            text = f"Logon refused: RecvWindow (8015) is {window}; expected 1 to {MAX_WINDOW_MS} ms"
            return self._refusal("invalid_logon", text)
        if abs(now - sent) > window * MS:
            off, side = abs(now - sent) // MS, "behind" if sent < now else "ahead of"
            text = (
                f"Logon refused: SendingTime (52) is {off} ms {side} our time {self._stamp.millis(now)}; "
                f"allowed: {window} ms"
            )
            return self._refusal("clock_skew", text)
        session = self._sessions.get((logon[8], logon[49], logon[56]))
        if session is None or session.username != logon.get(553) or not _within(address, self._networks[session.name]):
            claimed = (logon[8], logon[49][:MOST_KEPT], logon[56][:MOST_KEPT], logon.get(553)[:MOST_KEPT])
            if wait := self._phantoms.wait(claimed, now):
                return self._too_many("throttled_session", wait)
            self._phantoms.count(claimed, now)
            return self._refusal("wrong", WRONG)
        if self._known.get(session.name) != origin and (wait := self._failures.wait(session.name, now)):
            return self._too_many("throttled_session", wait)
        return Candidate(session, self._credentials[session.name])

    def conclude(
        self, candidate: Candidate, logon: Message, connection: int, address: str, now: int, *, proven: bool
    ) -> Refusal | None:
        """None: it is on from now. `proven`: what the credential said. `now`: as given to `attempt`."""
        session = candidate.session
        if not proven:
            self._failures.count(session.name, now)
            return self._refusal("wrong", WRONG)
        # From here on it is known to be the client: what else there is to say may be said.
        if connection not in self.half_open:
            return self._refusal("left", "Logon refused: it came too late")
        if not is_open(session.hours, now):
            return self._refusal("out_of_hours", f"Logon refused: this session is open {session.hours} UTC")
        if session.name in self.live:
            return self._refusal("already_on", "Logon refused: this session is logged on already")
        if not self._replays.take(logon, now):
            return self._refusal("replayed", "Logon refused: the same Logon was used before; sign a new one")
        self._known[session.name] = origin_of(address)
        self._leave(connection)
        self.live[session.name] = connection
        self.counts["logged_on"] += 1
        return None

    def busy(self) -> Refusal:
        """Too many passwords wait to be checked."""
        return self._refusal("busy", "Logon refused: too many at once; try again in a second")

    # -- parts

    def _refused(self, counter: str) -> tuple[int, int]:
        self.counts[counter] += 1
        return 0, 0

    def _refusal(self, counter: str, text: str) -> Refusal:
        self.counts[counter] += 1
        return Refusal(counter, text)

    def _too_many(self, counter: str, wait: int) -> Refusal:
        most, interval = self.gateway.logon_attempts, self.gateway.logon_interval
        text = f"Logon refused: more than {most} in {interval:g} s; try again in {-(-wait // NS)} s"
        return self._refusal(counter, text)

    def _leave(self, connection: int) -> None:
        """It is no longer half-open."""
        origin = self.half_open.pop(connection)
        self._strangers.pop(connection, None)
        self._per_address[origin] -= 1
        if not self._per_address[origin]:
            del self._per_address[origin]


def origin_of(address: str) -> str:
    """Who is counted as one: an IPv4 address, also within IPv6, or a /64, which one customer is given all of."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((int(found) >> 64 << 64, 64)))


def credential_of(session: GatewaySession) -> Credential:
    """What a session must prove, from its configuration. Raises CredentialError."""
    match session.auth:
        case "password":
            return Password(session.password_hash)
        case "hmac":
            return HmacKey(read_secret(session.secret_file))
        case "ed25519":
            return Ed25519Key(session.public_key)


_Network = IPv4Network | IPv6Network


def _networks(texts: tuple[str, ...]) -> tuple[_Network, ...]:
    return tuple(ip_network(text) for text in texts)


def _within(address: str, networks: tuple[_Network, ...]) -> bool:
    """Whether an address is in one of the networks; if there are none, all are."""
    if not networks:
        return True
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
