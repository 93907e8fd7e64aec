"""What the naive matcher knows: orders, instruments, counters. Nothing is kept sorted, nothing is kept in sum.

A book is a Python list of orders; whoever needs them in an order sorts them. So each rule of priority stands in one
place: `Order.priority` (price, then displayed before hidden, then time) and `Order.stop_priority`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tapewire import messages as m

MAX_PRICE = MAX_QTY = 2**50
MAX_LEVEL_QTY = 2**62
MAX_ORDER_ID = 2**44 - 1
MAX_INSTRUMENTS = 2**20
MAX_LIVE_ORDERS = 2**26
MAX_REFRESHES = MAX_AMENDED = 2**20
MAX_PARTS = 1000
FOR_EVER = 2**63 - 1
"""The greatest time and the greatest quantity a message can tell; what would be more is said as this."""

BUY, SELL = m.Side.buy, m.Side.sell
Status = m.InstrumentStatus
CALLS = (Status.opening_auction, Status.closing_auction, Status.halt_auction)
"""Statuses in which orders are collected and nothing trades; the book may be crossed."""


class Refused(Exception):
    """A command is refused: why, and the two numbers that were compared."""

    def __init__(self, reason: m.RejectReason, value: int, limit: int = 0) -> None:
        super().__init__(reason.name, value, limit)
        self.reason, self.value, self.limit = reason, value, limit


def opposite(side: m.Side) -> m.Side:
    return SELL if side == BUY else BUY


def reaches(side: m.Side, price: int | None, other: int) -> bool:
    """Whether an order of `side` that goes as far as `price` (None: any) meets one of the other side at `other`."""
    return price is None or (price >= other if side == BUY else price <= other)


def up_to_tick(price: int, tick: int) -> int:
    return -(-price // tick) * tick


def down_to_tick(price: int, tick: int) -> int:
    return price // tick * tick


def parts(qty: int, display: int) -> int:
    """In how many parts an iceberg shows `qty`."""
    return -(-qty // display)


@dataclass
class Order:
    id: int
    account: int
    instrument: int
    side: m.Side
    ord_type: m.OrdType
    time_in_force: m.TimeInForce
    price: int
    """Limit, or protection price of a market or stop order that is not in the book; in the book where it stands."""
    qty: int
    leaves: int
    stop_px: int = 0
    """0 unless it waits for it."""
    display_qty: int = 0
    """0: no iceberg."""
    part: int = 0
    """What an iceberg shows now; 0 outside the book."""
    expire_time: int = 0
    session: int = 0
    self_trade: m.SelfTrade = m.SelfTrade.unspecified
    self_trade_group: int = 0
    hidden: bool = False
    post_only: bool = False
    slide: bool = False
    arrived: int = 0
    """Its place in time: a greater number stands further back."""

    @property
    def cum(self) -> int:
        return self.qty - self.leaves

    @property
    def shown(self) -> int:
        if self.hidden:
            return 0
        return self.part if self.display_qty else self.leaves

    @property
    def at_front(self) -> int:
        """What an incoming order can take of it before the next in the queue has its turn."""
        return self.part if self.display_qty else self.leaves

    @property
    def refreshes(self) -> int:
        return parts(self.leaves, self.display_qty) - 1 if self.display_qty else 0

    @property
    def priority(self) -> tuple[int, bool, int]:
        return (-self.price if self.side == BUY else self.price, self.hidden, self.arrived)

    @property
    def stop_priority(self) -> tuple[int, int]:
        return (self.stop_px if self.side == BUY else -self.stop_px, self.arrived)

    def show_next_part(self) -> None:
        self.part = min(self.display_qty, self.leaves)


@dataclass
class Instrument:
    id: int
    tick: int
    lot: int
    max_qty: int
    min_price: int
    max_price: int
    status: Status
    reference_price: int = 0
    """As defined; 0: none. The static reference begins with it and follows the auctions."""
    static_reference: int = 0
    static_bps: int = 0
    dynamic_bps: int = 0
    limit_state_ms: int = 0
    pause_ms: int = 0
    last: int = 0
    """Price of the last execution; 0: none yet."""
    limit_state: m.LimitState = m.LimitState.normal
    status_reason: m.StatusReason = m.StatusReason.unspecified
    limit_due: int = 0
    resume_time: int = 0
    indicated: tuple[int, int, int, m.Side] = (0, 0, 0, m.Side.unspecified)
    """Price, quantity, imbalance and its side, as last said in this call."""
    lower: int = 0
    upper: int = 0
    """The price band's edges in force; 0: none."""
    book: list[Order] = field(default_factory=list)
    waiting: list[Order] = field(default_factory=list)
    """Stops, and at-the-close orders before the closing auction."""

    @property
    def live(self) -> list[Order]:
        return self.book + self.waiting

    @property
    def trading(self) -> bool:
        return self.status == Status.trading

    @property
    def in_call(self) -> bool:
        return self.status in CALLS

    def side(self, side: m.Side) -> list[Order]:
        """The side's orders as they would be matched."""
        return sorted((o for o in self.book if o.side == side), key=lambda o: o.priority)

    def best(self, side: m.Side) -> int:
        """The best price at which an order stands, hidden or not; 0: none."""
        prices = [o.price for o in self.book if o.side == side]
        return (max(prices) if side == BUY else min(prices)) if prices else 0

    def stops(self, side: m.Side) -> list[Order]:
        return sorted((o for o in self.waiting if o.stop_px and o.side == side), key=lambda o: o.stop_priority)

    def at_close(self) -> list[Order]:
        return sorted((o for o in self.waiting if not o.stop_px), key=lambda o: o.arrived)

    def edge(self, side: m.Side) -> int | None:
        """How far an incoming order of `side` may trade."""
        return (self.upper if side == BUY else self.lower) or None

    def beyond(self, side: m.Side, price: int) -> bool:
        """Whether `price` is more aggressive than the band allows an order of `side` to be."""
        edge = self.edge(side)
        return edge is not None and (price > edge if side == BUY else price < edge)

    def set_band(self) -> None:
        """The narrower of the bands around the static reference and around the last execution."""
        self.lower = self.upper = 0
        bands = [(self.static_reference, self.static_bps), (self.last, self.dynamic_bps)]
        for reference, bps in bands:
            if not reference or not bps:
                continue
            width = reference * bps // 10_000
            upper = max(down_to_tick(reference + width, self.tick), self.tick)
            lower = max(up_to_tick(reference - width, self.tick), self.tick)
            self.upper = min(self.upper or upper, upper)
            self.lower = max(self.lower, lower)
        self.lower = min(self.lower, self.upper)

    def resting_price(self, side: m.Side, protection: int) -> int:
        """Where a market order stands in a call: as far as it would go, on a tick, within the instrument's prices."""
        lowest, highest = up_to_tick(self.min_price, self.tick), down_to_tick(self.max_price, self.tick)
        if protection == 0:
            return highest if side == BUY else lowest
        inwards = down_to_tick(protection, self.tick) if side == BUY else up_to_tick(protection, self.tick)
        return min(max(inwards, lowest), highest)


@dataclass
class State:
    max_live_orders: int = MAX_LIVE_ORDERS
    instruments: dict[int, Instrument] = field(default_factory=dict)
    next_match_id: int = 1
    last_order_id: int = 0
    clock: int = 0
    """The highest AdvanceClock.upTo."""
    amended: dict[int, tuple[int, int]] = field(default_factory=dict)
    """How corrected and busted trades stand: price and quantity by matchId; quantity 0 is busted."""
    arrivals: int = 0

    @property
    def live(self) -> list[Order]:
        return [order for id in sorted(self.instruments) for order in self.instruments[id].live]

    def find(self, order_id: int) -> Order | None:
        return next((o for i in self.instruments.values() for o in i.live if o.id == order_id), None)

    # What a reader may ask

    @property
    def live_orders(self) -> int:
        return len(self.live)

    def status(self, instrument: int) -> Status:
        return self.instruments[instrument].status

    def best(self, instrument: int) -> tuple[int, int, int, int]:
        """Best displayed bid, its displayed quantity, best displayed ask, its displayed quantity; zeros where none."""
        tops = []
        for side in (BUY, SELL):
            levels = self.depth(instrument, side, 1)
            tops += list(levels[0][:2]) if levels else [0, 0]
        bid, bid_qty, ask, ask_qty = tops
        return bid, bid_qty, ask, ask_qty

    def depth(self, instrument: int, side: m.Side, n: int) -> list[tuple[int, int, int]]:
        """Price, displayed quantity and number of displayed orders of the best `n` levels that show anything."""
        shown = [o for o in self.instruments[instrument].side(side) if o.shown]
        return [(price, sum(o.shown for o in queue), len(queue)) for price, queue in levels_of(shown)][:n]

    def next_due(self) -> int:
        """When the next order expires or the next timer ends; 0: nothing is due ever."""
        times = [o.expire_time for o in self.live]
        times += [time for i in self.instruments.values() for time in (i.limit_due, i.resume_time)]
        return min((time for time in times if time), default=0)


def levels_of(queue: Iterable[Order]) -> list[tuple[int, list[Order]]]:
    """Orders in matching order, by price."""
    levels: dict[int, list[Order]] = {}
    for order in queue:
        levels.setdefault(order.price, []).append(order)
    return list(levels.items())
