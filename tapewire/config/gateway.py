"""`[gateway]` and `[[gateway.sessions]]`: who may connect by FIX, how they prove it, and what they may do."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from tapewire.config.section import Section
from tapewire.errors import ConfigError

Kind = Literal["orders", "market-data", "drop-copy"]
Auth = Literal["password", "hmac", "ed25519"]
Version = Literal["FIX.4.2", "FIX.4.4", "FIXT.1.1"]
CompId = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}\Z", extra={"allowed": "1 to 32 of A-Z, a-z, 0-9, ., _ and -"})
]
Networks = tuple[Annotated[str, Meta(extra={"allowed": 'an address or network such as "10.0.0.0/8"'})], ...]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Host = Annotated[str, Meta(pattern=r"^[!-~]+\Z", extra={"allowed": 'an address to listen on, such as "0.0.0.0"'})]
Hours = Annotated[
    str,
    Meta(
        pattern=r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?\Z",
        extra={"allowed": 'UTC hours such as "07:00-16:30", or "" for always'},
    ),
]
SessionName = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}\Z", extra={"allowed": "1 to 31 of a-z, 0-9, - and _"})
]


class GatewaySession(Section, frozen=True, kw_only=True):
    """`[[gateway.sessions]]`: one FIX session of one client. `tapewire fix key` prints what its credentials need."""

    name: SessionName
    """In logs, counters and health."""
    number: Annotated[int, Meta(ge=1, le=65_535)]
    """What orders on the tape carry as their session: never give it to another client."""
    kind: Kind = "orders"
    version: Version = "FIX.4.4"
    comp_id: CompId
    """The client's CompID: its SenderCompID (49)."""
    target_comp_id: str = ""
    """Ours: its TargetCompID (56). Left out: gateway.comp_id."""
    username: Annotated[str, Meta(min_length=1, max_length=64, extra={"allowed": "1 to 64 characters"})]
    """Username (553): a user, or the id of an API key."""
    auth: Auth = "ed25519"
    password_hash: str = ""
    """For auth = "password": scrypt$..."""
    secret_file: Path = Path()
    """For auth = "hmac": a file of mode 0600 with the secret in base64."""
    public_key: str = ""
    """For auth = "ed25519": the client's public key, 32 bytes in base64."""
    allow: Networks = ()
    """Addresses it may come from. Empty: any that gateway.allow lets in."""
    accounts: tuple[
        Annotated[int, Meta(ge=1, le=(1 << 20) - 1, extra={"allowed": "the number of an account"})], ...
    ] = ()
    """Accounts it may use, the first where tag 1 is left out; of a drop copy: those that are copied."""
    cancel_on_disconnect: bool = False
    """Whether its live orders are cancelled when the connection is lost; 8013 in a Logon says otherwise for once."""
    cancel_grace: Annotated[float, Meta(ge=0.0, le=3600.0)] = 10.0
    """Seconds to come back within before that happens."""
    messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Application messages it may send in `interval`."""
    interval: Annotated[float, Meta(ge=0.05, le=3600.0)] = 10.0
    """Seconds."""
    on_excess: Literal["reject", "queue"] = "reject"
    """What happens to messages beyond that: refused (j, 380=8), or made to wait."""
    hours: Hours = ""
    """When it may be logged on, UTC; its numbers then begin at 1 with each opening, and what happens while it is closed
    it is told at the next. Empty: always, and they go on."""


class Gateway(Section, frozen=True, kw_only=True):
    """`[gateway]`: the FIX front door. Times in seconds."""

    host: Host = "127.0.0.1"
    """Where the front listens."""
    port: Port = 9880
    comp_id: CompId = "TAPEWIRE"
    """Our CompID."""
    certificate: Path = Path()
    """PEM with the chain, for TLS. Left out: plain TCP."""
    private_key: Path = Path()
    """PEM with its key."""
    server_name: str = ""
    """With TLS: the name a client must ask for (SNI). Empty: any or none."""
    backend_port: Port = 9881
    """Where the session layer listens on loopback, for the front alone."""
    allow: Networks = ()
    """Addresses that may connect at all; others are closed before TLS. Empty: all."""
    max_connections: Annotated[int, Meta(ge=1, le=65_536)] = 1024
    """Open connections, logged on or not."""
    max_half_open: Annotated[int, Meta(ge=1, le=65_536)] = 256
    """Connections that have not logged on yet; beyond it the oldest goes."""
    max_half_open_per_address: Annotated[int, Meta(ge=1, le=65_536)] = 16
    """The same from one address; beyond it the newest goes."""
    logon_timeout: Annotated[float, Meta(ge=0.05, le=60.0)] = 10.0
    """From the connection to the whole Logon, TLS included."""
    logon_attempts: Annotated[int, Meta(ge=1, le=10_000)] = 15
    """Logons from one address in `logon_interval`; failed ones for one session from addresses it never came from."""
    logon_interval: Annotated[float, Meta(ge=0.05, le=3600.0)] = 30.0
    refusal_delay: Annotated[float, Meta(ge=0.0, le=10.0)] = 1.0
    """From a Logon to its refusal, whatever the reason was."""
    max_message_bytes: Annotated[int, Meta(ge=1024, le=1 << 20)] = 16_384
    """Of one message a client sends."""
    max_message_rate: Annotated[int, Meta(ge=1, le=1_000_000)] = 2_000
    """Messages of any kind that are read of one client in a second, or twice its own limit if that is more; what is
    beyond waits in its socket."""
    max_resend: Annotated[int, Meta(ge=1, le=1 << 30)] = 50_000
    """Messages that one ResendRequest, or Logon with 789, is answered by at most, and twice as many in a minute; all
    others wait meanwhile, two seconds for so many. Beyond it is a Logout."""
    max_ahead_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 30)] = 4 << 20
    """That one client may send ahead of what was processed of it, for one of messages behind a number that is missing;
    beyond it is disconnected."""
    max_backlog_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 30)] = 8 << 20
    """That may wait for a client that reads slowly, before it is disconnected."""
    drain_timeout: Annotated[float, Meta(ge=0.05, le=600.0)] = 15.0
    """How long sessions may take to log out at the end."""
    snapshot_every: Annotated[int, Meta(ge=0, le=1 << 40)] = 500_000
    """Records of the gateway's and the orders tape from one snapshot to the next: what a start has to fold at most,
    about. 0: only at the end."""
    sessions: Annotated[tuple[GatewaySession, ...], Meta(max_length=4096)] = ()

    @property
    def tls(self) -> bool:
        return self.certificate != Path()

    def target_of(self, session: GatewaySession) -> str:
        """Our CompID towards that client."""
        return session.target_comp_id or self.comp_id


def check_gateway(gateway: Gateway, accounts: Collection[int]) -> None:
    """What the types alone cannot say. Raises ConfigError."""
    if (gateway.certificate == Path()) != (gateway.private_key == Path()):
        raise ConfigError("gateway.certificate: expected with gateway.private_key, both or none")
    _check_networks(gateway.allow, "gateway.allow")
    seen: dict[Hashable, int] = {}
    for at, one in enumerate(gateway.sessions):
        path = f"gateway.sessions[{at}]"
        _check_session(one, path, gateway, accounts)
        for what, key in (
            ("name", one.name),
            ("number", one.number),
            ("comp_id", (one.version, one.comp_id, gateway.target_of(one))),
        ):
            if (other := seen.setdefault((what, key), at)) != at:
                raise ConfigError(f"{path}.{what}: is that of gateway.sessions[{other}], too; expected one of its own")


def _check_session(one: GatewaySession, path: str, gateway: Gateway, accounts: Collection[int]) -> None:
    _check_networks(one.allow, f"{path}.allow")
    needs = {"password": "password_hash", "hmac": "secret_file", "ed25519": "public_key"}
    for auth, key in needs.items():
        given = getattr(one, key) not in ("", Path())
        if given != (auth == one.auth):
            found = "is there" if given else "is missing"
            raise ConfigError(f'{path}.{key}: {found}, but auth is "{one.auth}"; it needs {needs[one.auth]} alone')
    if one.auth == "password" and not gateway.tls and not is_loopback(gateway.host):
        raise ConfigError(
            f'{path}.auth: holds "password", which would cross the network in clear; expected gateway.certificate for '
            f'TLS, or "ed25519" or "hmac", or gateway.host on loopback'
        )
    if one.kind != "market-data" and not one.accounts:
        raise ConfigError(f"{path}.accounts: missing; a session of kind {one.kind} needs the accounts it is for")
    for account in one.accounts:
        if account not in accounts:
            raise ConfigError(f"{path}.accounts: {account} is no [[account]]; there is {sorted(accounts) or 'none'}")
    if one.hours and one.hours[:5] == one.hours[6:]:
        raise ConfigError(f'{path}.hours: begin and end are the same; for always, expected ""')


def _check_networks(networks: Networks, path: str) -> None:
    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise ConfigError(f'{path}: "{network}" is no address or network: {error}') from None


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
