"""The sections of the configuration: every key with its unit, range and default.

Read by `tapewire.config.load`. Times are seconds unless the name says otherwise, sizes are bytes. Money is written as
decimal text in quotes ("0.01", in the instrument's own units) or as a whole number, and held as an integer mantissa.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tapewire import messages as m
from tapewire.config.api import Api
from tapewire.config.gateway import Gateway
from tapewire.config.health import Health
from tapewire.config.latest import Latest
from tapewire.config.monitor import Monitor
from tapewire.config.relay import Relay
from tapewire.config.retention import Retention
from tapewire.config.router import Router
from tapewire.config.section import Section
from tapewire.config.sinks import Sinks
from tapewire.config.venues import Venue as OutsideVenue
from tapewire.folders import Folders

Durability = Literal["memory", "disk"]
EngineDurability = Literal["memory", "disk", "replicated"]
Idle = Literal["spin", "yield", "futex"]
Venue = Literal["binance", "coinbase", "kraken", "fix"]
Role = Literal["operator", "trader"]
OpeningStatus = Literal["trading", "halted", "closed", "opening_auction", "closing_auction", "halt_auction"]
Topology = Literal["fused", "split"]
SelfTrade = Literal["allow", "cancel_newest", "cancel_oldest", "cancel_both", "decrement_and_cancel"]

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}\Z", extra={"allowed": "1 to 31 of a-z, 0-9, - and _"})]
Ticker = Annotated[str, Meta(pattern=r"^[!-~]{1,31}\Z", extra={"allowed": "1 to 31 printable ASCII characters"})]
Url = Annotated[str, Meta(pattern=r"^([a-z]+://.+)?\Z", extra={"allowed": 'a URL such as "wss://host/path"'})]
RingBytes = Annotated[int, Meta(ge=4096, le=1 << 30, extra={"power_of_two": True})]
SegmentBytes = Annotated[int, Meta(ge=1 << 16, le=1 << 30, extra={"power_of_two": True})]
Batch = Annotated[int, Meta(ge=1, le=4096)]
Exponent = Annotated[int, Meta(ge=-18, le=18)]
Seconds = Annotated[float, Meta(ge=0.05, le=3600.0)]
Amount = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
AccountNumber = Annotated[int, Meta(ge=1, le=(1 << 20) - 1)]
BandBps = Annotated[int, Meta(ge=0, le=10_000)]
Milliseconds = Annotated[int, Meta(ge=0, le=86_400_000)]
Price = Annotated[int, Meta(ge=0, extra={"decimal": "price_exponent"})]
Qty = Annotated[int, Meta(ge=0, extra={"decimal": "qty_exponent"})]


class Nats(Section, frozen=True, kw_only=True):
    """`[nats]`: the bus."""

    url: Url = "nats://127.0.0.1:4222"
    """Where the server is. (`tapewire demo` starts one of its own, and writes its address into its settings.)"""
    connect_timeout: Seconds = 2.0
    """How long the first connection may take, seconds."""
    drain_timeout: Seconds = 3.0
    """How long pending messages may take to be handled at the end, seconds."""
    max_pending: Annotated[int, Meta(ge=1, le=1 << 22)] = 65_536
    """Messages a subscription may have waiting before new ones are dropped and counted."""
    max_outgoing: Annotated[int, Meta(ge=1 << 16, le=1 << 30)] = 8 << 20
    """Bytes that may wait for the socket (or for a reconnection) before publishing is refused."""
    keys: Path = Path()
    """The folder that `tapewire bus keys` made: `<user>.creds` or `<user>.nk` in it, mode 0600. Left out: none."""
    user: str = ""
    """The user whose key it is. Empty: the service's own name, as `journal` or `connector-binance`."""
    ca: Path = Path()
    """With TLS: PEM of who vouches for the server. Left out: the system's, for a URL that begins with `tls://`."""
    certificate: Path = Path()
    """PEM with our own chain, where the server asks for one."""
    private_key: Path = Path()
    """PEM with its key."""


class Producer(Section, frozen=True, kw_only=True):
    """One of `[engine] producers`: who may send commands, by an inbound ring of its own."""

    name: Name
    """Of the ring."""
    role: Role = "trader"
    """trader: orders, replaces, cancels. operator: everything."""
    accounts: tuple[AccountNumber, ...] = ()
    """Those a trader may act for; left out: every account."""


class Engine(Section, frozen=True, kw_only=True):
    """`[engine]`: risk, journal and matcher of one shard."""

    shard: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Number of the shard; its tape is `orders.<shard>`."""
    durability: EngineDurability = "disk"
    """What an answer waits for. memory: the page cache (survives a killed process); disk: fdatasync; replicated: that,
    and that the tape's stream holds the record (see docs/replication.md)."""
    idle: Idle = "futex"
    """What the engine does between batches. spin needs a core of its own; futex sleeps."""
    max_batch: Batch = 1024
    """Commands drained, matched and synced together, 1 to 4096."""
    segment_bytes: SegmentBytes = 64 << 20
    """Size of a tape segment, bytes: a power of two."""
    snapshot_every: Annotated[int, Meta(ge=0, le=1 << 40)] = 1_000_000
    """Records between snapshots; 0: none."""
    producers: Annotated[tuple[Producer, ...], Meta(max_length=63)] = (
        Producer(name="operator", role="operator"),
        Producer(name="traders"),
    )
    """Up to 63 of `{ name, role, accounts }`. The tape refers to them by place: append, never reorder or remove."""
    ring_bytes: RingBytes = 1 << 20
    """Capacity of each inbound ring, bytes: a power of two."""
    core: Annotated[int, Meta(ge=-1, le=1023)] = -1
    """The CPU to pin the engine's thread to; -1: none."""
    topology: Topology = "fused"
    """fused: risk and matcher run in the engine. split: they are services of their own, asked over the bus."""
    answer_within: Seconds = 1.0
    """Of topology split: after so many seconds without an answer an ask is repeated."""


MARKET_DATA: Final = "md."
"""What the name of a feed's tape begins with."""


class Replica(Section, frozen=True, kw_only=True):
    """`[replica]`: tapes carried to other hosts, and taken over by them."""

    send: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """Tapes that this host writes and others copy, such as `orders.0`."""
    mirror: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """Tapes copied to this host; what it has taken over, or wrote last, it sends. Both hosts of a pair may say so."""
    stream_replicas: Literal[1, 3, 5] = 1
    """Servers of the NATS cluster that hold each stream; an acknowledgement is that of a majority of them."""
    max_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 40)] = 1 << 30
    """Bytes of each tape's stream: what is older is fetched from the host that sends it."""
    feed_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 40)] = 256 << 20
    """The same of the streams of market data (`md.*`), each on one server of the cluster."""
    takeover_after: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """A mirror takes the tape over after so many seconds without a sign of its writer; 0: only `tapewire promote` does.
    Only where the tape is `replicated`: of what else was answered, the mirror may not have all."""

    def stream_of(self, tape: str) -> tuple[int, int]:
        """Servers that hold a tape's stream, and its bytes. No answer waits for market data, and who missed some asks
        the host that has it: one server and less room are enough for much more data.
        """
        return (1, self.feed_bytes) if tape.startswith(MARKET_DATA) else (self.stream_replicas, self.max_bytes)


class Instrument(Section, frozen=True, kw_only=True):
    """`[[instrument]]`: one instrument of the house market. Prices and quantities are mantissas at its exponents."""

    ticker: Ticker
    price_exponent: Exponent
    """Prices are integers times 10^price_exponent. Left out: taken from tick_size ("0.01" gives -2)."""
    qty_exponent: Exponent
    """The same for quantities. Left out: taken from lot_size."""
    tick_size: Price
    """Every price is a multiple of it; above 0."""
    lot_size: Qty
    """Every quantity is a multiple of it; above 0."""
    reference_price: Price = 0
    """Where the collar starts from before the first trade; 0: none."""
    collar_bps: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Width of the price collar around the reference, in 1/10,000; 0: no collar."""
    max_qty: Qty = 0
    """Largest quantity of one order; 0: the platform's bound."""
    min_price: Price = 0
    max_price: Price = 0
    """Both inclusive; 0: the platform's bound."""
    static_band_bps: BandBps = 0
    """Price band around the reference price, then each auction's price, in 1/10,000; 0: none."""
    dynamic_band_bps: BandBps = 0
    """Price band around the last trade before an order, in 1/10,000; 0: none."""
    limit_state_ms: Milliseconds = 0
    """How long the best price may stand at a band's edge before the instrument pauses; 0: for ever."""
    pause_ms: Milliseconds = 0
    """How long such a pause collects orders before trading resumes; 0: until the operator says."""
    status: OpeningStatus = "trading"
    """In which it is first defined. From then on its status is the operator's and the market's affair."""

    def definition(self, instrument: int) -> m.InstrumentDefinition:
        """The operator's command that opens this instrument under the dense id `instrument` (from 1)."""
        return m.InstrumentDefinition(
            instrument=instrument,
            ticker=self.ticker,
            tick_size=self.tick_size,
            lot_size=self.lot_size,
            max_qty=self.max_qty,
            min_price=self.min_price,
            max_price=self.max_price,
            reference_price=self.reference_price,
            collar_bps=self.collar_bps,
            price_exponent=self.price_exponent,
            qty_exponent=self.qty_exponent,
            static_band_bps=self.static_band_bps,
            dynamic_band_bps=self.dynamic_band_bps,
            limit_state_ms=self.limit_state_ms,
            pause_ms=self.pause_ms,
            status=m.InstrumentStatus[self.status],
        )


class Account(Section, frozen=True, kw_only=True):
    """`[[account]]`: an account that may trade, and its limits. They are mantissas: they span instruments."""

    account: AccountNumber
    """Its number; the key of `<env>.house.exec.<account>`."""
    max_order_qty: Amount = 0
    """Largest quantity of one order, at the instrument's qty_exponent; 0: the platform's bound."""
    max_notional: Amount = 0
    """Largest price x quantity of one order, at price_exponent + qty_exponent; 0: the platform's bound."""
    max_position: Annotated[int, Meta(ge=0, le=1 << 60)] = 0
    """Per instrument and direction, open orders counted as filled, at qty_exponent; 0: the platform's bound."""
    self_trade_group: Annotated[int, Meta(ge=0, le=(1 << 20) - 1)] = 0
    """Accounts of one group do not trade with each other, see self_trade; 0: the account is a group of its own."""
    self_trade: SelfTrade = "allow"
    """What its orders do on meeting one of their group, unless they say otherwise themselves."""

    def limits(self) -> m.AccountLimits:
        """The operator's command that opens this account."""
        return m.AccountLimits(
            account=self.account,
            max_order_qty=self.max_order_qty,
            max_notional=self.max_notional,
            max_position=self.max_position,
            self_trade_group=self.self_trade_group,
            self_trade=m.SelfTrade[self.self_trade],
        )


class Feed(Section, frozen=True, kw_only=True):
    """`[feed.<name>]`: one venue's market data. The name is the feed in subjects and tape names."""

    venue: Venue
    """Whose protocol it speaks. fix: a session of [[venues]] tells it, see [[venues.sessions]] in docs/venues.md."""
    tickers: Annotated[tuple[Ticker, ...], Meta(min_length=1, max_length=1024)]
    """As the venue writes them. Ids follow this order: append, never reorder."""
    url: Url = ""
    """WebSocket address. Left out: the venue's public one. Of fix: none."""
    rest_url: Url = ""
    """Base address for snapshots. Left out: the venue's public one."""
    depth: Annotated[int, Meta(ge=1, le=5000)] = 100
    """Levels of each side to keep. Kraken offers 10, 25, 100, 500 and 1000."""
    ring_bytes: RingBytes = 8 << 20
    """Capacity of the ring to the flusher, bytes: a power of two."""


class Flusher(Section, frozen=True, kw_only=True):
    """`[flusher]`: rings to market-data tapes, sealed segments to columnar files."""

    durability: Durability = "memory"
    """As for the engine: what a committed batch has reached."""
    idle: Idle = "futex"
    max_batch: Batch = 1024
    """Records appended per commit, at most."""
    segment_bytes: SegmentBytes = 64 << 20
    """Size of a tape segment, bytes: a power of two."""
    row_group_rows: Annotated[int, Meta(ge=1024, le=1 << 20)] = 16_384
    """Rows of a Parquet row group."""
    archive_records: Annotated[int, Meta(ge=1, le=1 << 22)] = 262_144
    """So many records of a tape are archived together, as soon as they are there: about one segment's worth."""
    archive_wait: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 300.0
    """The longest a record waits for the archive when fewer have come, seconds; 0: until there are enough."""
    archive: bool = True
    """Whether columnar files are made at all. Queries find on the tape what is not archived."""


class Publisher(Section, frozen=True, kw_only=True):
    """`[publisher]`: the journal's republisher of the orders tape."""

    max_batch: Batch = 256
    """Records taken off the tape at once."""
    raw: bool = True
    """Whether every record is also published unchanged on `<env>.orders.tape.<shard>`."""
    snapshot_every: Annotated[int, Meta(ge=0, le=1 << 40)] = 1_000_000
    """Records between two snapshots of the fold, which shorten a restart and let old segments go; 0: none."""
    health_interval: Seconds = 1.0
    """Between two ServiceHealth messages, seconds."""


class Config(Section, frozen=True, kw_only=True):
    """Everything that can be set. Top-level keys are `env`, `data` and `rings`; all else is in a section."""

    env: Name = "demo"
    """The first part of every subject; keeps environments on one bus apart."""
    data: Path = Path()
    """The data folder. Left out: `.tapewire/<env>`."""
    rings: Path = Path()
    """The folder of the rings, in memory. Left out: `/dev/shm/tapewire-<env>-<hash of data>`."""
    nats: Nats = Nats()
    engine: Engine = Engine()
    instruments: tuple[Instrument, ...] = msgspec.field(default=(), name="instrument")
    accounts: tuple[Account, ...] = msgspec.field(default=(), name="account")
    feeds: dict[str, Feed] = msgspec.field(default_factory=dict, name="feed")
    flusher: Flusher = Flusher()
    publisher: Publisher = Publisher()
    gateway: Gateway = Gateway()
    router: Router = Router()
    relay: Relay = Relay()
    api: Api = Api()
    monitor: Monitor = Monitor()
    replica: Replica = Replica()
    health: Health = Health()
    sinks: Sinks = Sinks()
    latest: Latest = Latest()
    retention: Retention = Retention()
    venues: tuple[OutsideVenue, ...] = ()

    @property
    def folders(self) -> Folders:
        """The paths under `data`; `folders.prepare(config.rings)` creates them."""
        return Folders(self.data)
