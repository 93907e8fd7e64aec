"""`[api]`, `[[api.keys]]`, `[[api.users]]`: HTTP and WebSocket, who may call, how they prove it, what they may do."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from tapewire.config.gateway import Host, Port, is_loopback
from tapewire.config.section import Section
from tapewire.config.sinks import KeyPrefix, RedisUrl
from tapewire.config.stream import Stream
from tapewire.errors import ConfigError

Scope = Literal["read", "trade", "risk", "admin"]
CallerName = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}\Z", extra={"allowed": "1 to 31 of a-z, 0-9, - and _"})
]
CallerNumber = Annotated[int, Meta(ge=1, le=65_534)]
Accounts = tuple[Annotated[int, Meta(ge=1, le=(1 << 20) - 1, extra={"allowed": "the number of an account"})], ...]
Origin = Annotated[
    str,
    Meta(pattern=r"^https?://[!-.0-~]+\Z", extra={"allowed": 'an origin such as "https://desk.example.com"'}),
]
Rate = Annotated[float, Meta(ge=0.1, le=1_000_000.0)]
Burst = Annotated[int, Meta(ge=1, le=1_000_000)]
MOST_ON_THE_BUS_S = 25
"""Of `answer_timeout`: some seconds below ANSWERED_WITHIN_S of tapewire/bus/permissions.py."""
Seconds = Annotated[float, Meta(ge=0.05, le=3600.0)]


class ApiKey(Section, frozen=True, kw_only=True):
    """`[[api.keys]]`: a program that signs its requests. `tapewire api key` prints what its credentials need."""

    name: CallerName
    """In logs and on the tape: also the value of the header Tapewire-Key."""
    number: CallerNumber
    """What orders on the tape carry as their session: never give it to another key or user."""
    auth: Literal["hmac", "ed25519"] = "ed25519"
    secret_file: Path = Path()
    """For auth = "hmac": a file of mode 0600 with the secret in base64."""
    public_key: str = ""
    """For auth = "ed25519": the client's public key, 32 bytes in base64."""
    scopes: Annotated[tuple[Scope, ...], Meta(max_length=4)] = ("read",)
    """read: markets, and what concerns its accounts. trade: orders for its accounts. risk: limits and kill switches of
    every account. admin: statuses of instruments. risk and admin see every account, and the tape."""
    accounts: Accounts = ()
    """Accounts it may see, and trade for with the scope trade."""
    rate: Rate = 50.0
    """Requests a second."""
    burst: Burst = 100
    """So many at once, before `rate` counts."""
    origins: tuple[Origin, ...] = ()
    """Pages of these origins may use it from a browser; none: no page may."""


class ApiUser(Section, frozen=True, kw_only=True):
    """`[[api.users]]`: a person at the dashboard. `tapewire api user` prints what its password needs."""

    name: CallerName
    number: CallerNumber
    """As of a key; keys and users share these numbers."""
    password_hash: str
    """scrypt$..."""
    scopes: Annotated[tuple[Scope, ...], Meta(max_length=4)] = ("read",)
    accounts: Accounts = ()
    rate: Rate = 100.0
    burst: Burst = 400


class Api(Section, frozen=True, kw_only=True):
    """`[api]`: the door for HTTP and WebSocket clients. Times in seconds."""

    host: Host = "127.0.0.1"
    port: Port = 8800
    """Of HTTP."""
    stream_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Of the WebSocket stream. 0: port + 1."""
    certificate: Path = Path()
    """PEM with the chain, for TLS. Left out: plain HTTP."""
    private_key: Path = Path()
    """PEM with its key."""
    number: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Its tape is `api.<number>`."""
    producer: CallerName = "api"
    """Its name in [engine] producers, with the role trader."""
    operator: CallerName = "api-operator"
    """The same with the role operator, for limits, kill switches and statuses."""
    router_client: CallerName = "api"
    """Its name in [router] clients, for parent orders."""
    origins: tuple[Origin, ...] = ()
    """Origins of pages that may write with a login session or connect to the stream, besides our own."""
    receive_window: Annotated[float, Meta(ge=0.05, le=60.0)] = 5.0
    """How far Tapewire-Timestamp may be from our clock, either way. So long is a nonce remembered, twice over."""
    max_nonces: Annotated[int, Meta(ge=16, le=1 << 20)] = 65_536
    """Nonces remembered of one key; beyond it, it is told to slow down."""
    max_body: Annotated[int, Meta(ge=256, le=1 << 24)] = 65_536
    """Bytes of one request's body."""
    max_head: Annotated[int, Meta(ge=1024, le=1 << 20)] = 16_384
    """Bytes of one request's line and headers."""
    head_timeout: Seconds = 10.0
    """From a connection, or the first byte of a request, to its last header."""
    body_timeout: Seconds = 10.0
    """From the last header to the last byte of the body."""
    idle_timeout: Seconds = 60.0
    """How long a connection may be kept without a request."""
    max_connections: Annotated[int, Meta(ge=1, le=65_536)] = 1024
    max_connections_per_address: Annotated[int, Meta(ge=1, le=65_536)] = 256
    max_open: Annotated[int, Meta(ge=1, le=65_536)] = 256
    """Requests of one key or user that may be under way at a time."""
    max_waiting: Annotated[int, Meta(ge=1, le=1 << 20)] = 8192
    """Commands that may wait for their record to be durable, or for room in the ring, before new ones are refused."""
    answer_timeout: Seconds = 2.0
    """How long a request waits for the engine's answer before it is told 202. With `bus_door` at most 25."""
    failures: Annotated[int, Meta(ge=1, le=100_000)] = 20
    """Failed logins, and failed signatures, from one address within `failures_interval`; then it must wait with logins.
    Good signatures are taken all the same."""
    failures_interval: Seconds = 60.0
    session_timeout: Annotated[float, Meta(ge=1.0, le=604_800.0)] = 43_200.0
    """How long a login lasts."""
    max_sessions: Annotated[int, Meta(ge=1, le=1 << 20)] = 1024
    """Logins at a time; beyond it the oldest ends."""
    remember: Annotated[int, Meta(ge=1, le=1 << 24)] = 200_000
    """ClOrdIDs that are remembered at most, so that a repeated request is answered what the first one became."""
    remember_for: Annotated[float, Meta(ge=60.0, le=2_592_000.0)] = 86_400.0
    """How far back a start reads the tapes for them, where there is no snapshot of them."""
    snapshot_every: Annotated[int, Meta(ge=100, le=1 << 40)] = 20_000
    """Records of the orders tape between two snapshots of what the API knows, taken by a process beside it: a start
    folds what is behind the newest, looking back what is behind the nearest."""
    trace_sampling: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.01
    """Share of the requests that come without a trace context whose trace is recorded."""
    bus: bool = True
    """Whether to connect to [nats], for venues' markets, health and parent orders; without it there is the house market
    alone."""
    bus_door: bool = False
    """Whether commands are taken on `<env>.orders.command.<account>`, too. The server says who may publish there."""
    cache: RedisUrl = ""
    """Where a Redis sink keeps what holds now, for reads that this process has no fold of. Left out: none is asked."""
    cache_password_file: Path = Path()
    """A file of mode 0600 with the password. Left out: none."""
    cache_prefix: KeyPrefix = "tapewire:"
    """[sinks.redis] prefix of that sink."""
    drain_timeout: Annotated[float, Meta(ge=0.05, le=600.0)] = 5.0
    """How long requests under way may take at the end."""
    stream: Stream = Stream()
    keys: Annotated[tuple[ApiKey, ...], Meta(max_length=4096)] = ()
    users: Annotated[tuple[ApiUser, ...], Meta(max_length=4096)] = ()

    @property
    def tls(self) -> bool:
        return self.certificate != Path()

    @property
    def stream_address(self) -> tuple[str, int]:
        """Host and port of the WebSocket stream."""
        return self.host, self.stream_port or self.port + 1


def check_api(api: Api, accounts: Collection[int]) -> None:
    """What the types alone cannot say. Raises ConfigError."""
    if (api.certificate == Path()) != (api.private_key == Path()):
        raise ConfigError("api.certificate: expected with api.private_key, both or none")
    if api.users and not api.tls and not is_loopback(api.host):
        raise ConfigError(
            "api.users: passwords would cross the network in clear; expected api.certificate for TLS, or api.host on "
            "loopback"
        )
    parts = urlsplit(api.cache)
    if parts.password or "password" in parts.query:
        raise ConfigError("api.cache: holds a password; expected it in cache_password_file, a file of mode 0600")
    if api.bus_door and api.answer_timeout > MOST_ON_THE_BUS_S:
        raise ConfigError(
            f"api.answer_timeout: holds {api.answer_timeout:g}; with api.bus_door expected at most {MOST_ON_THE_BUS_S} "
            f"s, as the bus's server lets no answer through later. Lower it, or set api.bus_door = false"
        )
    seen: dict[Hashable, str] = {}
    places = [(f"api.keys[{at}]", key) for at, key in enumerate(api.keys)]
    people = [(f"api.users[{at}]", user) for at, user in enumerate(api.users)]
    every: list[tuple[str, ApiKey | ApiUser]] = [*places, *people]
    for path, one in every:
        for what, key in (("name", one.name), ("number", one.number)):
            if (other := seen.setdefault((what, key), path)) != path:
                raise ConfigError(f"{path}.{what}: is that of {other}, too; expected one of its own")
        for account in one.accounts:
            if account not in accounts:
                raise ConfigError(
                    f"{path}.accounts: {account} is no [[account]]; there is {sorted(accounts) or 'none'}"
                )
        if "trade" in one.scopes and not one.accounts:
            raise ConfigError(f"{path}.accounts: missing; the scope trade needs the accounts it is for")
    for path, holder in places:
        _check_credential(path, holder)


def _check_credential(path: str, key: ApiKey) -> None:
    needs = {"hmac": "secret_file", "ed25519": "public_key"}
    for auth, name in needs.items():
        given = getattr(key, name) not in ("", Path())
        if given != (auth == key.auth):
            found = "is there" if given else "is missing"
            raise ConfigError(f'{path}.{name}: {found}, but auth is "{key.auth}"; it needs {needs[key.auth]} alone')
