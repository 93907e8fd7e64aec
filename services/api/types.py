"""JSON shapes of markets, orders and accounts: what HTTP answers, and what stands in the stream's messages.

Bodies that clients send are in requests.py, shapes about the platform itself in platform.py.

Money (prices, quantities, notionals, P&L) is decimal text at the instrument's exponents, never a number. Times (`ts`,
`..._time`) are UTC ns as text of digits. Sequence numbers, ids and accounts are integers below 2^53. Enumerants are
their names in the schema (`post_only`, `immediate_or_cancel`). A field that does not apply, or that nobody can know, is
left out (UNSET): nothing unknown is shown as zero.

`known_from` is there where this API was first started on a tape whose beginning was removed, and began at the engine's
snapshot of that record: fills, trades, bars and done orders of before are not known then.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

Text = str | UnsetType
Number = int | UnsetType

Side = Literal["buy", "sell"]
OrdType = Literal["limit", "market", "stop", "stop_limit"]
TimeInForce = Literal["day", "gtc", "ioc", "fok", "gtd", "at_open", "at_close"]
SelfTrade = Literal["allow", "cancel_newest", "cancel_oldest", "cancel_both", "decrement_and_cancel"]
Status = Literal["trading", "halted", "closed", "opening_auction", "closing_auction", "halt_auction", "delisted"]
StatusReason = Literal["requested", "schedule", "price_band", "news", "market_wide"]
Algorithm = Literal["sweep", "twap", "vwap", "pov", "iceberg", "shortfall"]
Interval = Literal["1s", "5s", "15s", "1m", "5m", "15m", "1h", "1d"]
OrderStatus = Literal["new", "partially_filled", "filled", "cancelled", "expired", "rejected"]

Level = tuple[str, str, int]
"""Price, shown quantity, orders that show something (0: the venue does not say)."""
Top = tuple[str, str]
"""Price and shown quantity of a side's best level; ("0", "0"): the side is empty."""
Bar = tuple[str, str, str, str, str, str, int]
"""Start (UTC ns), open, high, low, close, volume, trades."""


class Problem(Struct):
    """RFC 9457. `field` is the one that is wrong; `reason` a RejectReason; `value` and `limit` what it compared."""

    type: str
    title: str
    status: int
    detail: str
    field: Text = UNSET
    reason: Text = UNSET
    value: Text = UNSET
    limit: Text = UNSET
    received: Number = UNSET
    """Seq of the request's ApiReceived, if it is on the tape: where to look for what became of it."""


# -- markets


class Instrument(Struct):
    instrument: int
    ticker: str
    price_exponent: int
    qty_exponent: int
    tick_size: str
    lot_size: str
    status: str
    feeds: list[str]
    """Where a book of it can be had; `house` first."""
    max_qty: Text = UNSET
    min_price: Text = UNSET
    max_price: Text = UNSET
    reference_price: Text = UNSET
    collar_bps: Number = UNSET
    static_band_bps: Number = UNSET
    dynamic_band_bps: Number = UNSET
    limit_state_ms: Number = UNSET
    pause_ms: Number = UNSET


class Book(Struct):
    """The best `depth` levels of each side, best first. In an update only those that changed (quantity "0": gone)."""

    feed: str
    ticker: str
    book_seq: int
    quality: str
    seq: int
    ts: str
    bids: list[Level]
    asks: list[Level]
    source: Text = UNSET
    """`cache`: not from the fold of this process, but the best level alone, as Redis has it; left out otherwise."""
    as_of_seq: Number = UNSET
    """With a source: the record of its tape up to which that was taken."""


class Trade(Struct):
    feed: str
    ticker: str
    seq: int
    ts: str
    trade_id: int
    price: str
    qty: str
    aggressor: str
    """`buy`, `sell`, or `unspecified` in an auction."""
    kind: str = "trade"
    """`bust` or `correction` take back or replace the earlier trade of the same id; price and qty are then the trade's
    as it was busted, or as it is from now on."""


class Quote(Struct):
    feed: str
    ticker: str
    seq: int
    ts: str
    bid: Top
    ask: Top
    quality: str


class Auction(Struct):
    price: str
    qty: str
    imbalance_qty: str
    imbalance_side: str


class InstrumentStatus(Struct):
    ticker: str
    seq: int
    ts: str
    status: str
    reason: str
    limit_state: str
    resume_time: Text = UNSET
    lower_price: Text = UNSET
    upper_price: Text = UNSET
    """Of the price band, while the limit state is not normal."""
    auction: Auction | UnsetType = UNSET
    """Of a call: what it would trade if it ended now."""
    auction_price: Text = UNSET
    auction_qty: Text = UNSET
    """What the auction that ended with this status has traded."""


# -- orders


class OrderEvent(Struct):
    """One thing that happened to an order: the event's name in the schema, and what it says."""

    seq: int
    ts: str
    type: str
    cause: int
    price: Text = UNSET
    qty: Text = UNSET
    leaves_qty: Text = UNSET
    reason: Text = UNSET
    match_id: Number = UNSET
    value: Number = UNSET
    limit: Number = UNSET


class Order(Struct, kw_only=True):
    order_id: int
    """0: it was refused before it got one."""
    cl_ord_id: Text = UNSET
    """Left out: not known, see `known_from`."""
    account: int
    ticker: str
    side: str
    type: str
    time_in_force: str
    status: str
    price: str
    qty: str
    cum_qty: str
    leaves_qty: str
    avg_price: Text = UNSET
    """Exact to 1/1,000 of the price's last place, rounded half up; "0" without fills. Left out: not known."""
    created_seq: Number = UNSET
    created_ts: Text = UNSET
    seq: int
    """The record that changed it last."""
    ts: Text = UNSET
    waiting: bool = False
    """For its stop price or the closing auction."""
    stop_price: Text = UNSET
    display_qty: Text = UNSET
    expire_time: Text = UNSET
    hidden: bool = False
    post_only: bool = False
    reason: Text = UNSET
    """Why it was rejected or cancelled."""
    value: Number = UNSET
    limit: Number = UNSET
    """Of a rejected one: the two numbers compared, mantissas."""
    origin: str = ""
    """The name of the producer that it came by: `api`, `fix`, ... or its number; empty: not known."""
    session: int = 0
    """Number of the API key, user or FIX session within its producer; 0: none."""
    event: OrderEvent | UnsetType = UNSET
    """The last one."""
    events: list[OrderEvent] | UnsetType = UNSET
    """Of one order asked for by its id: its life, the oldest left out first if they are too many."""
    events_dropped: Number = UNSET
    known_from: Number = UNSET
    """It stood at this record, and what it was before is not known: when it came, its ClOrdID, its events, the prices
    of what had traded of it."""


class Orders(Struct):
    orders: list[Order]
    seq: int
    """The tape's position that they stand at."""
    next: Number = UNSET
    """Ask on with `after` = this; left out at the end."""
    known_from: Number = UNSET


class Fill(Struct, kw_only=True):
    """One side of a match."""

    seq: int
    ts: str
    match_id: int
    order_id: int
    cl_ord_id: Text = UNSET
    """Left out: not known, as its order is older than what this API knows."""
    account: int
    ticker: str
    side: str
    price: str
    qty: str
    leaves_qty: str
    liquidity: str
    """`maker`, `taker` or `auction`."""
    kind: str = "fill"
    """`bust` and `correction` change the earlier fill of the same match and order."""
    old_price: Text = UNSET
    old_qty: Text = UNSET


class Fills(Struct):
    fills: list[Fill]
    seq: int
    next: Number = UNSET
    known_from: Number = UNSET


class Trades(Struct):
    trades: list[Trade]
    seq: int
    next: Number = UNSET
    known_from: Number = UNSET
    source: Text = UNSET
    """`cache`: not from the fold of this process, but the last one, as Redis has it; left out otherwise."""
    as_of_seq: Number = UNSET
    """With a source: the record of its tape up to which that was taken."""


class Bars(Struct):
    feed: str
    ticker: str
    interval: str
    bars: list[Bar]
    known_from: Number = UNSET


# -- accounts


class Position(Struct, kw_only=True):
    """Without `avg_price`, `realised`, `unrealised` and `mark` if it is from the cache."""

    account: int
    ticker: str
    seq: int
    ts: str
    net: str
    bought: Text = UNSET
    sold: Text = UNSET
    avg_price: Text = UNSET
    """Of what is open, average cost; exact to 1/1,000 of the price's last place, "0" when flat."""
    realised: Text = UNSET
    unrealised: Text = UNSET
    """Against `mark`; at the price's and quantity's exponents together."""
    mark: Text = UNSET
    """The middle of the book if both sides are there and it is live, else the last trade; "0": neither."""
    fills: Number = UNSET
    known_from: Number = UNSET
    """What was bought, sold and realised, in how many fills, is not known then, and left out; so is the average price
    of what was held at that record."""


class Positions(Struct):
    positions: list[Position]
    seq: int
    known_from: Number = UNSET
    source: Text = UNSET
    """`cache`: not from the fold of this process, but as Redis has it; left out otherwise."""
    as_of_seq: Number = UNSET
    """With a source: the record of its tape up to which that was taken."""


class Exposure(Struct):
    """What risk counts of one instrument: net position, and what is open on each side."""

    ticker: str
    net: str
    open_buy: str
    open_sell: str
    open_buy_notional: str
    open_sell_notional: str
    reach_long: str
    reach_short: str
    """Position if everything open on that side filled: what max_position is compared with."""
    max_position: str
    """"0": the platform's bound alone."""
    used: float
    """The larger reach as a share of max_position, 0 to 1 and above; for bars on a screen, not for decisions."""


class Limits(Struct):
    """Mantissas: one account trades instruments of different exponents by the same numbers. 0: the platform's bound."""

    max_order_qty: int
    max_notional: int
    max_position: int
    self_trade_group: int
    self_trade: str


class Risk(Struct):
    account: int
    seq: int
    killed: bool
    """By its own switch or by that of all accounts."""
    live_orders: int
    limits: Limits
    exposures: list[Exposure]
    kill_reason: Text = UNSET
    kill_ts: Text = UNSET


class RiskState(Struct):
    accounts: list[Risk]
    killed: bool
    """All accounts."""
    seq: int


class AsOf(Struct):
    """Everything the dashboard shows, as it was right after record `seq`."""

    seq: int
    ts: str
    instruments: list[Instrument]
    books: list[Book]
    statuses: list[InstrumentStatus]
    trades: list[Trade]
    orders: list[Order]
    positions: list[Position]
    risk: RiskState
    known_from: Number = UNSET
