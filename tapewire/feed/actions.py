"""What a session asks of its shell, and the normalised updates it emits. Both are plain values in one list.

    Send, FetchRest, Close, Replace, Connect, Wait       for the shell
    Trade, Quote, BookDelta, BookSnapshot,
    InstrumentDefined, FeedChanged                       for the publisher

Prices and quantities are mantissas at the instrument's exponents; times are UTC ns, 0 where the venue gives none;
`instrument` is the dense index within the feed, from 1 (0: the feed as a whole).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send this text frame."""

    text: str


class FetchRest(msgspec.Struct, frozen=True, gc=False):
    """GET this path of the venue's REST service; the answer comes back as `on_rest(request_id, ...)`."""

    request_id: int
    path: str


class Close(msgspec.Struct, frozen=True, gc=False):
    """Close the connection; `on_closed` follows."""

    reason: str


class Replace(msgspec.Struct, frozen=True, gc=False):
    """Open a second connection, let both feed the session for a while, then drop the older: nothing is missed."""

    reason: str


class Connect(msgspec.Struct, frozen=True, gc=False):
    """Open a connection to `session.address(url)`, no earlier than `at`."""

    at: int


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Call `on_timer` no later than `until`. Earlier requests stand."""

    until: int


class Trade(msgspec.Struct, gc=False):
    instrument: int
    trade_id: int
    price: int
    qty: int
    aggressor: int
    quality: int
    ts_event: int
    origin_seq: int


class Quote(msgspec.Struct, gc=False):
    instrument: int
    bid_price: int
    bid_qty: int
    ask_price: int
    ask_qty: int
    book_seq: int
    quality: int
    ts_event: int
    origin_seq: int


class BookDelta(msgspec.Struct, gc=False):
    instrument: int
    levels: list[tuple[int, int, int, int]]
    book_seq: int
    quality: int
    ts_event: int
    origin_seq: int


class BookSnapshot(msgspec.Struct, gc=False):
    instrument: int
    levels: list[tuple[int, int, int, int]]
    book_seq: int
    quality: int
    ts_event: int
    origin_seq: int


class InstrumentDefined(msgspec.Struct, gc=False, kw_only=True):
    """Comes before anything else of its instrument, and again when the venue changes it."""

    instrument: int
    ticker: str
    price_exponent: int
    qty_exponent: int
    tick_size: int = 1
    lot_size: int = 1
    max_qty: int = 0
    min_price: int = 0
    max_price: int = 0
    status: int = 1


class FeedChanged(msgspec.Struct, gc=False, kw_only=True):
    """The feed (instrument 0) or one instrument changed its state; counts are since the session began."""

    instrument: int
    state: int
    quality: int
    gaps: int
    resyncs: int
    reason: str


Update = Trade | Quote | BookDelta | BookSnapshot | InstrumentDefined | FeedChanged
Action = Send | FetchRest | Close | Replace | Connect | Wait | Update
Actions = Sequence[Action]
NOTHING: Actions = ()
