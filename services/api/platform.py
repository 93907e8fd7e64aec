"""JSON shapes about the platform: tape, latency, feeds, services, parent orders, sessions of the API. See types.py."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct

from services.api.types import Number, Text

Scope = Literal["read", "trade", "risk", "admin"]


class TapeRecord(Struct):
    seq: int
    ts: str
    type: str
    cause: int
    fields: dict[str, object]
    """The rest, rendered at the instrument's exponents."""


class TapeRecords(Struct):
    records: list[TapeRecord]
    next: Number = UNSET


class TapeState(Struct):
    first_seq: int
    written_seq: int
    released_seq: int
    durable_seq: int
    folded_seq: int
    """What this API has taken in."""
    oldest_as_of: int
    """The oldest seq that the time machine can show."""
    epoch: int
    lag: dict[str, int]
    """Records that each consumer has not read."""
    kept: dict[str, int]
    """Records behind the position from which each would go on after a restart (a snapshot, a stretch of the archive):
    far behind by design. Retention leaves them."""
    types: dict[str, int]
    """Records folded, by type."""
    rates: dict[str, float]
    """Records a second over the last ten, by type, and `all`."""
    known_from: Number = UNSET
    """This API began at the engine's snapshot of that record: what only the records before it say is not known."""


class Stage(Struct):
    p50: int
    p90: int
    p99: int
    p999: int
    max: int
    mean: float
    count: int
    """ns; since the stage's process began."""
    buckets: list[tuple[int, int]]
    """Upper bound (ns) and count of each bucket that holds something; since the same moment."""


class Latency(Struct):
    stages: dict[str, Stage]


class Feed(Struct):
    state: str
    quality: str
    gaps: int
    resyncs: int
    dropped: int
    rate: float
    """Messages a second over the last ten."""
    tickers: dict[str, str]
    """Quality of each book."""
    missed: int = 0
    """Changes of books that the bus did not bring to this API."""
    last_ts: Text = UNSET
    reason: Text = UNSET


class Feeds(Struct):
    feeds: dict[str, Feed]


class Service(Struct):
    state: str
    """As it said last; `silent` if that is more than five seconds ago."""
    detail: str
    pid: int
    ts: str


class Services(Struct):
    services: dict[str, Service]


class Parent(Struct):
    parent_id: int
    cl_ord_id: str
    account: int
    ticker: str
    side: str
    algorithm: str
    state: str
    qty: str
    cum_qty: str
    leaves_qty: str
    open_qty: str
    avg_price: str
    children: int
    seq: int
    ts: str
    limit_price: Text = UNSET
    start_time: Text = UNSET
    end_time: Text = UNSET
    reason: str = ""
    scheduled_qty: Text = UNSET
    market_qty: Text = UNSET
    participation_bps: Number = UNSET
    arrival: Text = UNSET
    vwap: Text = UNSET
    twap: Text = UNSET
    slippage_arrival: Text = UNSET
    slippage_vwap: Text = UNSET
    slippage_twap: Text = UNSET
    """Basis points as text with two places; positive is worse than the benchmark."""
    fees: Text = UNSET


class Parents(Struct):
    parents: list[Parent]


class Killed(Struct):
    """Answer to a kill switch. `flat_after_ns`: from the request's last byte until the last cancel was released."""

    seq: int
    ts: str
    cancelled: int
    flat_after_ns: int


class Ticket(Struct):
    """Good for one connection, within ten seconds."""

    url: str
    ticket: str
