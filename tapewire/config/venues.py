"""`[[venues]]`: the markets outside that the router may send orders to, and how each is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tapewire.config.gateway import CompId, Host, Port
from tapewire.config.section import Section
from tapewire.errors import ConfigError

VenueKind = Literal["fix", "house"]
DialectName = Literal["broker", "binance", "coinbase", "kraken"]
VenueVersion = Literal["FIX.4.2", "FIX.4.4"]
VenueName = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,14}\Z", extra={"allowed": "1 to 15 of a-z, 0-9, - and _"})
]
SessionKind = Literal["market-data", "drop-copy"]
Prefix = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{1,6}\Z", extra={"allowed": "1 to 6 letters and digits"})]
Hour = Annotated[
    str,
    Meta(
        pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?\Z",
        extra={"allowed": 'a time of day in UTC such as "22:00", or "" for never'},
    ),
]
Fee = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
Step = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]

DIALECTS: dict[str, tuple[str, str]] = {
    "broker": ("FIX.4.4", ""),
    "binance": ("FIX.4.4", "SPOT"),
    "coinbase": ("FIXT.1.1", "Coinbase"),
    "kraken": ("FIX.4.4", "KRAKEN-TRD"),
}
"""BeginString and the venue's CompID; of a broker both are settings."""


class Market(Section, frozen=True, kw_only=True):
    """`[[venues.markets]]`: one of our instruments as it is traded there. Steps are mantissas at its exponents."""

    ticker: Annotated[str, Meta(min_length=1, max_length=31)]
    """Ours: that of an [[instrument]] or of a feed."""
    symbol: Annotated[str, Meta(min_length=1, max_length=63)]
    """The venue's (55)."""
    maker_fee: Fee = 0
    taker_fee: Fee = 0
    """In 1/100 of a basis point of the notional; negative is received."""
    tick_size: Step = 0
    lot_size: Step = 0
    """0: the instrument's own."""
    min_qty: Step = 0
    max_qty: Step = 0
    """0: none."""


class OtherSession(Section, frozen=True, kw_only=True):
    """`[[venues.sessions]]`: a session to the same venue beside that for orders. What is left out is the venue's."""

    kind: SessionKind
    """market-data: its books and trades; drop-copy: what becomes of all orders of the account, told a second time."""
    host: Host
    port: Port
    comp_id: CompId
    """Ours there (49); another one for each session."""
    target_comp_id: str = ""
    server_name: str = ""
    """The name asked for (SNI) and verified. Empty: host."""
    username: str = ""
    secret_file: Path = Path()
    """For a key of its own, which need not be allowed to trade."""
    heartbeat: Annotated[int, Meta(ge=0, le=300)] = 0
    feed: str = ""
    """Of market data: the [feed.<name>] with venue = "fix" that it tells; its tickers are asked for."""
    delay: Annotated[float, Meta(ge=0.0, le=60.0)] = 2.0
    """Of a drop copy: seconds after which it has surely told what happened."""


class Venue(Section, frozen=True, kw_only=True):
    """`[[venues]]`: one venue. Times in seconds. docs/venues.md says what each dialect needs."""

    name: VenueName
    """In records, logs and counters; its tape is `venue.<name>`."""
    number: Annotated[int, Meta(ge=1, le=63)]
    """What records carry as its number: never give it to another venue."""
    kind: VenueKind = "fix"
    """house: our own engine, which the router reaches itself; then only name, number and markets are looked at."""
    dialect: DialectName = "broker"
    version: VenueVersion = "FIX.4.4"
    """Of a broker; the other dialects speak one."""
    host: Host = "127.0.0.1"
    port: Port = 9880
    tls: bool = True
    """Off: for a venue on this machine, or behind a leased line."""
    server_name: str = ""
    """The name asked for (SNI) and verified. Empty: host."""
    ca_file: Path = Path()
    """PEM of the authority that signed its certificate. Left out: those the system trusts."""
    comp_id: CompId = "TAPEWIRE"
    """Ours there (49). Coinbase's is the API key, so `username` is taken in its place."""
    target_comp_id: str = ""
    """The venue's (56). Left out: what the dialect has; a broker has none."""
    username: str = ""
    """553: a user, or the id of an API key."""
    secret_file: Path = Path()
    """A file of mode 0600: password (broker), private key in PEM (binance), API secret in base64 (coinbase, kraken)."""
    passphrase_file: Path = Path()
    """The same for coinbase's passphrase."""
    account: str = ""
    """Account (1) of orders; left out where empty."""
    heartbeat: Annotated[int, Meta(ge=1, le=300)] = 30
    """HeartBtInt; dialects bound it."""
    reset_on_logon: bool = False
    """Of a broker and kraken: both numbers begin at 1 with each logon. binance and coinbase always do."""
    rollover: Hour = ""
    """Of a broker: when both numbers begin at 1 again each day."""
    receive_window: Annotated[int, Meta(ge=1, le=60_000)] = 5_000
    """ms within which binance must take a message, or refuse it."""
    cancel_on_disconnect: bool = False
    """Whether the venue is asked to cancel our orders when the connection is lost, where it can be asked."""
    id_prefix: Prefix = "tw"
    """Begins our ClOrdIDs; kraken's are numbers, so there it must be one. Another one for each data folder."""
    messages: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Application messages sent in `interval`; 0: the dialect's limit."""
    interval: Annotated[float, Meta(ge=0.05, le=3600.0)] = 1.0
    max_waiting: Annotated[int, Meta(ge=1, le=65_536)] = 1024
    """Commands of the router that wait for the limit; the others stay on its tape until there is room."""
    max_wait: Annotated[float, Meta(ge=0.05, le=3600.0)] = 5.0
    """How old an order or amendment may be when it is sent; older ones are refused, cancels never."""
    answer_timeout: Annotated[float, Meta(ge=0.05, le=600.0)] = 5.0
    """After which an order without an answer is asked for, and a question asked again."""
    reconnect: Annotated[int, Meta(ge=1, le=3600)] = 5
    """Between two attempts to connect."""
    drain_timeout: Annotated[float, Meta(ge=0.05, le=600.0)] = 5.0
    """How long the logout may take at the end."""
    markets: Annotated[tuple[Market, ...], Meta(max_length=4096)] = ()
    sessions: Annotated[tuple[OtherSession, ...], Meta(max_length=2)] = ()

    def session(self, kind: SessionKind) -> OtherSession | None:
        return next((one for one in self.sessions if one.kind == kind), None)

    def reached_by(self, one: OtherSession) -> Venue:
        """This venue as that session reaches it."""
        return msgspec.structs.replace(
            self,
            host=one.host,
            port=one.port,
            comp_id=one.comp_id,
            target_comp_id=one.target_comp_id or self.target_comp_id,
            server_name=one.server_name or one.host,
            username=one.username or self.username,
            secret_file=one.secret_file if one.secret_file != Path() else self.secret_file,
            heartbeat=one.heartbeat or self.heartbeat,
        )

    def replaced(self, **keys: object) -> Venue:
        """The same with these keys otherwise."""
        return msgspec.structs.replace(self, **keys)

    @property
    def begin_string(self) -> str:
        return self.version if self.dialect == "broker" else DIALECTS[self.dialect][0]

    @property
    def sender(self) -> str:
        """Our CompID."""
        return self.username if self.dialect == "coinbase" else self.comp_id

    @property
    def target(self) -> str:
        """The venue's CompID."""
        return self.target_comp_id or DIALECTS[self.dialect][1]

    @property
    def sni(self) -> str:
        return self.server_name or self.host


OFFERED: dict[str, frozenset[str]] = {"binance": frozenset({"market-data", "drop-copy"})}
"""By dialect: what sessions it speaks besides order entry."""
_NEEDS = {
    "broker": (),
    "binance": ("username", "secret_file"),
    "coinbase": ("username", "secret_file", "passphrase_file"),
    "kraken": ("username", "secret_file"),
}
_EMPTY = ("", Path())


def check_venues(venues: tuple[Venue, ...], feeds: set[str]) -> None:
    """What the types alone cannot say; `feeds`: those that are told by FIX. Raises ConfigError."""
    seen: dict[int, int] = {}
    untold = set(feeds)
    for at, one in enumerate(venues):
        path = f"venues[{at}]"
        if (other := seen.setdefault(one.number, at)) != at:
            raise ConfigError(f"{path}.number: is that of venues[{other}], too; expected one of its own")
        _check_markets(one, path)
        if one.kind == "fix":
            _check(one, path)
            _check_sessions(one, path, feeds, untold)
    if untold:
        name = min(untold)
        raise ConfigError(
            f"feed.{name}.venue: is fix, but no session of [[venues.sessions]] tells it; expected one of kind "
            f'"market-data" with feed = "{name}"'
        )


def _check(one: Venue, path: str) -> None:
    for key in _NEEDS[one.dialect]:
        if getattr(one, key) in _EMPTY:
            raise ConfigError(f'{path}.{key}: missing; dialect "{one.dialect}" cannot log on without it')
    if not one.target:
        raise ConfigError(f"{path}.target_comp_id: missing; expected the CompID that the broker gave itself")
    if one.secret_file != Path() and not one.username:
        raise ConfigError(f"{path}.username: missing, but there is a secret_file; expected both or none")
    if one.dialect == "kraken" and not one.id_prefix.isdigit():
        raise ConfigError(
            f'{path}.id_prefix: holds "{one.id_prefix}"; kraken takes numbers as ClOrdID, expected digits'
        )
    if one.dialect in ("binance", "coinbase") and one.rollover:
        raise ConfigError(f'{path}.rollover: expected "", as {one.dialect} begins anew at each logon')
    if one.dialect == "binance" and not 5 <= one.heartbeat <= 60:
        raise ConfigError(f"{path}.heartbeat: holds {one.heartbeat}; binance takes 5 to 60")


def _check_sessions(one: Venue, path: str, feeds: set[str], untold: set[str]) -> None:
    comp_ids, kinds = {one.comp_id}, set()
    for at, session in enumerate(one.sessions):
        where = f"{path}.sessions[{at}]"
        if session.kind not in OFFERED.get(one.dialect, ()):
            able = [name for name, offered in OFFERED.items() if session.kind in offered]
            raise ConfigError(f"{where}.kind: {one.dialect} has no {session.kind} session here; expected one of {able}")
        if session.kind in kinds or session.comp_id in comp_ids:
            key = "kind" if session.kind in kinds else "comp_id"
            raise ConfigError(f"{where}.{key}: another session of this venue has it, too; expected each once")
        kinds.add(session.kind)
        comp_ids.add(session.comp_id)
        if one.dialect == "binance" and session.heartbeat and not 5 <= session.heartbeat <= 60:
            raise ConfigError(f"{where}.heartbeat: holds {session.heartbeat}; binance takes 5 to 60")
        if session.kind == "market-data" and session.feed not in untold:
            why = "another session tells it" if session.feed in feeds else 'no [feed.<name>] with venue = "fix"'
            raise ConfigError(f"{where}.feed: {session.feed!r}: {why}; expected one of {sorted(untold)}")
        untold.discard(session.feed)


def _check_markets(one: Venue, path: str) -> None:
    for key in ("ticker", "symbol"):
        seen: set[str] = set()
        for at, market in enumerate(one.markets):
            if (value := getattr(market, key)) in seen:
                raise ConfigError(f"{path}.markets[{at}].{key}: {value!r} is there twice; expected each once")
            seen.add(value)
