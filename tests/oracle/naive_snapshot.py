"""The naive matcher's state as the bytes of a TWMATCH2 snapshot, and back.

Little endian, 8-byte words, in the order written below; services/matcher/snapshot.hpp draws the same a second time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tapewire import messages as m
from tests.oracle.naive_state import BUY, SELL, Instrument, Order, State, levels_of

MAGIC = b"TWMATCH2"
POST_ONLY, SLIDE, HIDDEN, EXTRA, SELLS = 1, 2, 4, 8, 16


def write(state: State) -> bytes:
    words = [state.next_match_id, state.last_order_id, state.clock, len(state.amended)]
    for match_id, (price, qty) in sorted(state.amended.items()):
        words += [match_id, price, qty]
    words.append(len(state.instruments))
    for _, i in sorted(state.instruments.items()):
        words += instrument_words(i)
    return MAGIC + struct.pack(f"<{len(words)}Q", *words)


def instrument_words(i: Instrument) -> list[int]:
    words = [i.id, i.tick, i.lot, i.max_qty, i.min_price, i.max_price, i.status]
    words += [i.reference_price, i.static_reference, i.last]
    words += [i.static_bps | i.dynamic_bps << 32, i.limit_state_ms | i.pause_ms << 32]
    words += [i.limit_state | i.status_reason << 32, i.limit_due % 2**64, i.resume_time % 2**64, *i.indicated]
    for side in (BUY, SELL):
        words += queue_words(levels_of(i.side(side)), waiting=False)
    for side in (BUY, SELL):
        stops: dict[int, list[Order]] = {}
        for order in i.stops(side):
            stops.setdefault(order.stop_px, []).append(order)
        words += queue_words(list(stops.items()), waiting=True)
    words.append(len(i.at_close()))
    for order in i.at_close():
        words += order_words(order, waiting=True, flags=SELLS * (order.side == SELL))
    return words


def queue_words(levels: list[tuple[int, list[Order]]], waiting: bool) -> list[int]:
    words = [len(levels)]
    for price, queue in levels:
        words += [price, len(queue)]
        for order in queue:
            words += order_words(order, waiting)
    return words


def order_words(o: Order, waiting: bool, flags: int = 0) -> list[int]:
    extra = waiting or o.display_qty != 0 or o.time_in_force == m.TimeInForce.gtd
    flags |= POST_ONLY * o.post_only + SLIDE * o.slide + HIDDEN * o.hidden + EXTRA * extra
    terms = o.account | o.time_in_force << 32 | o.ord_type << 40 | o.self_trade << 48 | flags << 56
    words = [o.id, o.leaves, o.qty, terms, o.session | o.self_trade_group << 32]
    if extra:
        words += [o.price, o.stop_px, o.display_qty, 0 if waiting else o.shown, o.expire_time % 2**64]
    return words


def read(snapshot: bytes, state: State) -> None:
    """Fills an empty state. The bytes are trusted: which of them are refused is the compiled matcher's matter."""
    Reader(snapshot).read(state)


class Reader:
    """Takes words off the front of a snapshot."""

    def __init__(self, snapshot: bytes) -> None:
        if snapshot[:8] != MAGIC:
            raise ValueError(f"not a matcher snapshot of version 2: it begins {snapshot[:8]!r}")
        words = struct.unpack(f"<{len(snapshot) // 8 - 1}q", snapshot[8:])
        self.words: Iterator[int] = iter(words)
        self.arrivals = 0

    def take(self, n: int) -> list[int]:
        return [next(self.words) for _ in range(n)]

    def one(self) -> int:
        return next(self.words)

    def read(self, state: State) -> None:
        state.next_match_id, state.last_order_id, state.clock = self.take(3)
        for _ in range(self.one()):
            match_id, price, qty = self.take(3)
            state.amended[match_id] = (price, qty)
        for _ in range(self.one()):
            i = self.instrument()
            state.instruments[i.id] = i
        state.arrivals = self.arrivals

    def instrument(self) -> Instrument:
        id, tick, lot, max_qty, min_price, max_price, status = self.take(7)
        i = Instrument(id, tick, lot, max_qty, min_price, max_price, m.InstrumentStatus(status))
        i.reference_price, i.static_reference, i.last, bps, times, states, i.limit_due, i.resume_time = self.take(8)
        i.static_bps, i.dynamic_bps = bps & 0xFFFFFFFF, bps >> 32
        i.limit_state_ms, i.pause_ms = times & 0xFFFFFFFF, times >> 32 & 0xFFFFFFFF
        i.limit_state = m.LimitState(states & 0xFFFFFFFF)
        i.status_reason = m.StatusReason(states >> 32)
        price, qty, imbalance, side = self.take(4)
        i.indicated = (price, qty, imbalance, m.Side(side))
        for side_ in (BUY, SELL):
            for _ in range(self.one()):
                at, count = self.take(2)
                i.book += [self.order(i, side_, at) for _ in range(count)]
        for side_ in (BUY, SELL):
            for _ in range(self.one()):
                at, count = self.take(2)
                i.waiting += [self.order(i, side_, at) for _ in range(count)]
        i.waiting += [self.order(i, BUY, 0) for _ in range(self.one())]
        i.set_band()
        return i

    def order(self, i: Instrument, side: m.Side, at: int) -> Order:
        id, leaves, qty, terms, whose = self.take(5)
        flags = terms >> 56 & 0xFF
        price, stop_px, display_qty, shown, expire_time = self.take(5) if flags & EXTRA else (at, 0, 0, 0, 0)
        self.arrivals += 1
        return Order(
            id,
            terms & 0xFFFFFFFF,
            i.id,
            SELL if flags & SELLS else side,
            m.OrdType(terms >> 40 & 0xFF),
            m.TimeInForce(terms >> 32 & 0xFF),
            price,
            qty,
            leaves,
            stop_px=stop_px,
            display_qty=display_qty,
            part=shown if display_qty else 0,
            expire_time=expire_time,
            session=whose & 0xFFFFFFFF,
            self_trade=m.SelfTrade(terms >> 48 & 0xFF),
            self_trade_group=whose >> 32 & 0xFFFFFFFF,
            hidden=bool(flags & HIDDEN),
            post_only=bool(flags & POST_ONLY),
            slide=bool(flags & SLIDE),
            arrived=self.arrivals,
        )
