"""What an engine's snapshot says, for whoever must begin where the records before it are gone.

    "TWSTATE2"  definitions  sequencer  risk  matcher      each an 8-byte length and its bytes

Read off the bytes that services/engine/core.hpp, services/risk/snapshot.hpp and services/matcher/snapshot.hpp draw.
Only what stands is in them, and how it came about is not: no trades, no fills, no prices of fills, no client's names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tapewire import messages as m
from tapewire import snapshots
from tapewire.definitions import Definitions
from tapewire.errors import WireError
from tapewire.snapshots import Snapshot

MAGIC: Final = b"TWSTATE2"
SEQUENCER: Final = b"TWSEQ_01"
RISK: Final = b"TWRISK02"
MATCHER: Final = b"TWMATCH2"
_POST_ONLY, _SLIDE, _HIDDEN, _HAS_EXTRA, _TO_SELL = 1, 2, 4, 8, 16
_LOW: Final = (1 << 32) - 1
SESSION_BITS: Final = 16
"""Above them a session's number has its producer, services/engine/authority.hpp."""
_MAX_BPS: Final = 10_000


class LiveOrder(NamedTuple):
    """One that is in a book or waits. Prices and quantities are mantissas."""

    order_id: int
    account: int
    instrument: int
    session: int
    side: m.Side
    ord_type: m.OrdType
    time_in_force: m.TimeInForce
    self_trade: m.SelfTrade
    self_trade_group: int
    price: int
    """Of its level; of one that waits its limit or protection price."""
    stop_px: int
    """0 unless it waits for it."""
    qty: int
    """OrderQty; what has traded of it is `qty - leaves`."""
    leaves: int
    display_qty: int
    shown: int
    expire_time: int
    post_only: bool
    slide: bool
    hidden: bool
    waiting: bool

    def as_command(self) -> m.NewOrder:
        """What its NewOrder asked for, as far as it is known."""
        return m.NewOrder(
            source=self.session >> SESSION_BITS,
            instrument=self.instrument,
            account=self.account,
            session=self.session,
            order_id=self.order_id,
            side=self.side,
            ord_type=self.ord_type,
            time_in_force=self.time_in_force,
            price=self.price,
            stop_px=self.stop_px,
            qty=self.qty,
            display_qty=self.display_qty,
            expire_time=self.expire_time,
            post_only=self.post_only,
            slide=self.slide,
            hidden=self.hidden,
            self_trade=self.self_trade,
            self_trade_group=self.self_trade_group,
        )


class BookRules(NamedTuple):
    """An instrument's status and what its prices are held to."""

    status: m.InstrumentStatus
    reason: m.StatusReason
    resume_time: int
    """UTC ns, 0: none."""
    limit_state: m.LimitState
    lower_price: int
    upper_price: int
    """Of the price band; 0: there is none."""
    auction: tuple[int, int, int, m.Side]
    """Price, quantity, imbalance and its side, as indicated last; zeros outside a call."""


@dataclass(frozen=True)
class EngineState:
    seq: int
    """The last record that is in it: all commands up to it are whole."""
    ts: int
    """Of that record, UTC ns."""
    definitions: Definitions
    rules: dict[int, BookRules]
    """By instrument; those that are delisted have none."""
    orders: list[LiveOrder]
    """By rising OrderID."""
    positions: dict[tuple[int, int], int]
    """Net, by account and instrument, where something stands or is open."""
    killed: list[int]
    """Accounts whose kill switch is engaged; 0: all."""
    cl_ord_ids: dict[tuple[int, int], int]
    """The last of each producer (its source) and account."""
    next_match_id: int


def begins(tape: Path, first_seq: int, up_to: int) -> Iterator[EngineState | ValueError]:
    """States to begin from on a tape whose first record is `first_seq`, the newest first, none behind record `up_to`.

    One that cannot be taken up comes as the error that says why.
    """
    for snapshot in snapshots.newest(tape, up_to):
        if isinstance(snapshot, ValueError):
            yield snapshot
        elif snapshot.seq >= first_seq - 1:
            try:
                yield decode(snapshot)
            except WireError as error:
                yield ValueError(f"{tape}: {error}")


def decode(snapshot: Snapshot) -> EngineState:
    """Raises WireError for bytes that are no state of this version."""
    try:
        sequencer, risk, matcher = _sections(snapshot.state)
        if sequencer[:8] != SEQUENCER:
            raise ValueError(f"its sequencer's section begins {sequencer[:8]!r}, expected {SEQUENCER!r}")
        next_seq, ts, _ = struct.unpack_from("<3q", sequencer, 8)
        if next_seq != snapshot.seq + 1:
            raise ValueError(f"it is the state behind record {next_seq - 1}")
        definitions = Definitions.of_state(snapshot.state)
        killed, positions, cl_ord_ids = _risk(_Words(risk, RISK))
        next_match_id, rules, orders = _matcher(_Words(matcher, MATCHER))
    except (struct.error, ValueError) as error:
        raise WireError(f"snapshot of record {snapshot.seq}: not the state of an engine: {error}") from error
    return EngineState(snapshot.seq, ts, definitions, rules, orders, positions, killed, cl_ord_ids, next_match_id)


def _sections(state: bytes) -> list[bytes]:
    """All but the definitions'."""
    if state[:8] != MAGIC:
        raise ValueError(f"it begins {state[:8]!r}, expected {MAGIC!r}")
    at, found = 8, list[bytes]()
    while at < len(state):
        (length,) = struct.unpack_from("<Q", state, at)
        found.append(state[at + 8 : at + 8 + length])
        at += 8 + length
    if at != len(state) or len(found) != 4:
        raise ValueError(f"{len(found)} sections and {len(state)} bytes, which are not four whole ones")
    return found[1:]


class _Words:
    """8-byte words, one after the other."""

    def __init__(self, raw: bytes, magic: bytes) -> None:
        if raw[:8] != magic:
            raise ValueError(f"a section begins {raw[:8]!r}, expected {magic!r}")
        self._raw, self._at = raw, 8

    def take(self, words: struct.Struct) -> tuple[int, ...]:
        found = words.unpack_from(self._raw, self._at)
        self._at += words.size
        return found

    def one(self) -> int:
        return self.take(_ONE)[0]

    def ended(self) -> bool:
        return self._at == len(self._raw)


_ONE, _TWO, _THREE, _FOUR, _FIVE, _SIX, _SEVEN, _EIGHT = (struct.Struct(f"<{words}q") for words in range(1, 9))


def _risk(words: _Words) -> tuple[list[int], dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Kill switches, positions and the last ClOrdIDs."""
    killed = [0] if words.one() else []
    for _ in range(words.one()):
        words.take(_EIGHT)  # instruments
    for _ in range(words.one()):
        account, _, _, _, flags, _ = words.take(_SIX)
        if flags & 1:
            killed.append(account)
    positions = {}
    for _ in range(words.one()):
        key, position, _, _ = words.take(_FOUR)
        positions[key >> 32, key & _LOW] = position
    cl_ord_ids = {}
    for _ in range(words.one()):
        key, last = words.take(_TWO)
        cl_ord_ids[(key >> 32) - 1, key & _LOW] = last
    for _ in range(words.one()):
        words.take(_SIX)  # live orders, which the matcher has too
    if not words.ended():
        raise ValueError("bytes behind risk's section")
    return killed, positions, cl_ord_ids


def _matcher(words: _Words) -> tuple[int, dict[int, BookRules], list[LiveOrder]]:
    """The next match, books and what is in them."""
    next_match_id, _, _ = words.take(_THREE)  # the last order, how far the clock has come
    for _ in range(words.one()):
        words.take(_THREE)  # trades busted or corrected
    rules, orders = dict[int, BookRules](), list[LiveOrder]()
    for _ in range(words.one()):
        _book(words, rules, orders)
    if not words.ended():
        raise ValueError("bytes behind the matcher's section")
    orders.sort()
    return next_match_id, rules, orders


def _book(words: _Words, rules: dict[int, BookRules], orders: list[LiveOrder]) -> None:
    instrument, tick, _, _, _, _, status = words.take(_SEVEN)
    _, static_reference, last, bands, _ = words.take(_FIVE)
    states, _, resume_time = words.take(_THREE)
    price, qty, imbalance, imbalance_side = words.take(_FOUR)
    lower, upper = _band(tick, ((static_reference, bands & _LOW), (last, bands >> 32)))
    rules[instrument] = BookRules(
        status=m.InstrumentStatus(status),
        reason=m.StatusReason(states >> 32),
        resume_time=resume_time,
        limit_state=m.LimitState(states & _LOW),
        lower_price=lower,
        upper_price=upper,
        auction=(price, qty, imbalance, m.Side(imbalance_side)),
    )
    for waiting in (False, True):
        for side in (m.Side.buy, m.Side.sell):
            for _ in range(words.one()):
                level, count = words.take(_TWO)
                orders += [_order(words, instrument, side, level, waiting) for _ in range(count)]
    orders += [_order(words, instrument, m.Side.buy, 0, waiting=True) for _ in range(words.one())]


def _order(words: _Words, instrument: int, side: m.Side, level: int, waiting: bool) -> LiveOrder:
    order_id, leaves, qty, terms, owners = words.take(_FIVE)
    flags = terms >> 56
    price, stop_px, display_qty, expire_time = level, 0, 0, 0
    shown = 0 if waiting or flags & _HIDDEN else leaves
    if flags & _HAS_EXTRA:
        price, stop_px, display_qty, shown, expire_time = words.take(_FIVE)
    return LiveOrder(
        *(order_id, terms & _LOW, instrument, owners & _LOW, m.Side.sell if flags & _TO_SELL else side),
        *(m.OrdType(terms >> 40 & 0xFF), m.TimeInForce(terms >> 32 & 0xFF), m.SelfTrade(terms >> 48 & 0xFF)),
        *(owners >> 32 & _LOW, price, stop_px, qty, leaves, display_qty, shown, expire_time),
        *(bool(flags & _POST_ONLY), bool(flags & _SLIDE), bool(flags & _HIDDEN), waiting),
    )


def _band(tick: int, around: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """The lowest and highest price, as Matcher::edges has them (services/matcher/bands.hpp); zeros: no band."""
    bands = []
    for reference, bps in around:
        if reference and bps:
            width = reference * bps // _MAX_BPS
            bands.append((max(-((width - reference) // tick), 1), max((reference + width) // tick, 1)))
    if not bands:
        return 0, 0
    upper = min(most for _, most in bands)
    return min(max(least for least, _ in bands), upper) * tick, upper * tick
