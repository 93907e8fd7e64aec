"""The state of a Views as bytes, and back: msgpack, in an order that the fold alone decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tapewire import messages as m
from tapewire import snapshots
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
    live: list[Any]
    done: msgspec.Raw
    fills: msgspec.Raw
    """Lists in msgpack of their own, which a fold that shows neither need not take apart."""
    trades: list[tuple[int, list[bytes]]]
    bars: list[tuple[int, list[Any]]]
    limits: list[bytes]
    kills: list[tuple[int, tuple[int, int, str]]]
    amendable: int
    known_from: int = 0


_done: msgspec.msgpack.Decoder[list[Any]] = msgspec.msgpack.Decoder(list[Any])
_fills: msgspec.msgpack.Decoder[list[tuple[int, tuple[int, int, str, bytes]]]] = msgspec.msgpack.Decoder(
    list[tuple[int, tuple[int, int, str, bytes]]]
)


def encode(views: Views) -> bytes:
    live, done = views.orders.kept()
    return msgspec.msgpack.encode(
        State(
            STATE_VERSION,
            views.house.state(),
            views.ts,
            views.counts,
            [holding.kept() for _, holding in sorted(views.holdings.items())],
            live,
            msgspec.Raw(msgspec.msgpack.encode(done)),
            msgspec.Raw(msgspec.msgpack.encode([(owner, tuple(fill)) for owner, fill in views.fills.all()])),
            [(instrument, list(trades)) for instrument, trades in sorted(views.trades.items())],
            [(instrument, bars.kept()) for instrument, bars in sorted(views.bars.items())],
            [bytes(limits) for _, limits in sorted(views.limits.items())],
            [(account, (kill.seq, kill.ts, kill.reason)) for account, kill in sorted(views.kills.items())],
            views.amendable,
            views.known_from,
        )
    )


def decode(state: bytes) -> State:
    """Raises WireError for bytes that are no state of this version."""
    return snapshots.decode(state, State, STATE_VERSION, "views")


def restore(views: Views, known: State, lean: bool) -> None:
    """Makes a new `views` what the one was that was kept; a lean one has no done orders and fills. Raises WireError."""
    try:
        views.ts, views.amendable, views.known_from = known.ts, known.amendable, known.known_from
        views.counts[: len(known.counts)] = known.counts
        for one in known.holdings:
            holding = Holding.restored(one)
            views.holdings[holding_key(holding.account, holding.instrument)] = holding
            views.holdings_of.setdefault(holding.account, []).append(holding)
        done, fills = ([], []) if lean else (_done.decode(known.done), _fills.decode(known.fills))
        views.orders.restore(known.live, done, views.holdings)
        for owner, fill in fills:
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
    except (msgspec.DecodeError, LookupError, TypeError, ValueError, AssertionError) as error:
        raise WireError(f"not the state of views: {error}") from error
