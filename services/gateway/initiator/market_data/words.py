"""What a market-data session says, in words that no dialect owns. Numbers are text: only an instrument knows its
exponents."""

from __future__ import annotations

from typing import NamedTuple

from tapewire import messages as m

Levels = list[tuple[str, str]]
"""(price, the level's whole quantity; "0" removes it)."""


class Listed(NamedTuple):
    """How an instrument is traded."""

    symbol: str
    tick_size: str
    lot_size: str
    max_qty: str


class Whole(NamedTuple):
    """A book as it stands, which begins a subscription."""

    request: str
    last_id: int
    bids: Levels
    asks: Levels


class Changes(NamedTuple):
    """Changes of a book that belong together, or a part of them."""

    request: str
    first_id: int
    last_id: int
    """They lead from `first_id` - 1 to it."""
    whole: bool
    """Whether nothing more belongs to them."""
    bids: Levels
    asks: Levels
    ts: int
    """UTC ns; 0: not said."""


class Traded(NamedTuple):
    trade_id: int
    price: str
    qty: str
    aggressor: m.Side
    ts: int


class Trades(NamedTuple):
    request: str
    trades: list[Traded]


class Refused(NamedTuple):
    """A request that the venue does not carry out."""

    request: str
    """Its id; empty: see `seq`."""
    seq: int
    """MsgSeqNum of the message that was refused as a whole; 0: see `request`."""
    unknown: bool
    """Whether the venue does not know the instrument."""
    reason: str


Told = list[Listed] | Whole | Changes | Trades | Refused
