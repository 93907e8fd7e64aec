"""`[[venues]]`: the markets outside that the router may send orders to, and how each is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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


_NEEDS = {
    "broker": (),
    "binance": ("username", "secret_file"),
    "coinbase": ("username", "secret_file", "passphrase_file"),
    "kraken": ("username", "secret_file"),
}
_EMPTY = ("", Path())


def check_venues(venues: tuple[Venue, ...]) -> None:
    """What the types alone cannot say. Raises ConfigError."""
    seen: dict[int, int] = {}
    for at, one in enumerate(venues):
        path = f"venues[{at}]"
        if (other := seen.setdefault(one.number, at)) != at:
            raise ConfigError(f"{path}.number: is that of venues[{other}], too; expected one of its own")
        _check_markets(one, path)
        if one.kind == "fix":
            _check(one, path)


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


def _check_markets(one: Venue, path: str) -> None:
    for key in ("ticker", "symbol"):
        seen: set[str] = set()
        for at, market in enumerate(one.markets):
            if (value := getattr(market, key)) in seen:
                raise ConfigError(f"{path}.markets[{at}].{key}: {value!r} is there twice; expected each once")
            seen.add(value)
