"""The state of a Views as bytes, and back: msgpack, in an order that the fold alone decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tapewire import messages as m
from tapewire.errors import WireError
from tapewire.views.bars import Bars
from tapewire.views.changes import Fill, Kill
from tapewire.views.holding import Holding
from tapewire.views.orders import holding_key

if TYPE_CHECKING:
    from tapewire.views.views import Views

STATE_VERSION = 1


class State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    house: bytes
    ts: int
    counts: list[int]
    holdings: list[list[Any]]
    orders: list[Any]
    fills: list[tuple[int, tuple[int, int, str, bytes]]]
    trades: list[tuple[int, list[bytes]]]
    bars: list[tuple[int, list[Any]]]
    limits: list[bytes]
    kills: list[tuple[int, tuple[int, int, str]]]
    amendable: int


def encode(views: Views) -> bytes:
    return msgspec.msgpack.encode(
        State(
            STATE_VERSION,
            views.house.state(),
            views.ts,
            views.counts,
            [holding.kept() for _, holding in sorted(views.holdings.items())],
            views.orders.kept(),
            [(owner, (fill.seq, fill.role, fill.text, fill.raw)) for owner, fill in views.fills.all()],
            [(instrument, list(trades)) for instrument, trades in sorted(views.trades.items())],
            [(instrument, bars.kept()) for instrument, bars in sorted(views.bars.items())],
            [bytes(limits) for _, limits in sorted(views.limits.items())],
            [(account, (kill.seq, kill.ts, kill.reason)) for account, kill in sorted(views.kills.items())],
            views.amendable,
        )
    )


def decode(state: bytes) -> State:
    """Raises WireError for bytes that are no state of this version."""
    try:
        known = msgspec.msgpack.decode(state, type=State)
    except msgspec.DecodeError as error:
        raise WireError(f"not the state of views: {error}") from error
    if known.version != STATE_VERSION:
        raise WireError(f"state of views: version {known.version}, expected {STATE_VERSION}")
    return known


def restore(views: Views, known: State) -> None:
    """Makes a new `views` what the one was that was kept. Raises WireError for what cannot be."""
    try:
        views.ts, views.amendable = known.ts, known.amendable
        views.counts[: len(known.counts)] = known.counts
        for one in known.holdings:
            holding = Holding.restored(one)
            views.holdings[holding_key(holding.account, holding.instrument)] = holding
            views.holdings_of.setdefault(holding.account, []).append(holding)
        views.orders.restore(known.orders, views.holdings)
        for owner, fill in known.fills:
            views.fills.add(owner, Fill(*fill))
        for instrument, trades in known.trades:
            views.trades_of(instrument).extend(trades)
        for instrument, bars in known.bars:
            views.bars[instrument] = Bars()
            views.bars[instrument].restore(bars)
        for raw in known.limits:
            limits = m.AccountLimits.decode(raw)
            views.limits[limits.account] = limits
        views.kills = {account: Kill(*kill) for account, kill in known.kills}
    except (LookupError, TypeError, ValueError, AssertionError) as error:
        raise WireError(f"not the state of views: {error}") from error
