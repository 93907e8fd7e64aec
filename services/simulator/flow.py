"""Seeded order flow of one instrument: a fair value that walks, and orders that arrive, cancel and trade around it.

    fair value ──walks──▶ resting orders are placed around it (adds), withdrawn (cancels), taken (trades)
                          an order left behind by the fair value is taken at once, so the book follows

Times between arrivals are exponential. Everything is drawn from one generator in the order of the events, so a seed
gives the same events however often, and at whatever times, step() is called.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from services.simulator.instruments import Instrument

BID, ASK = 0, 1
SECOND_NS = 1_000_000_000
START_LEVELS = 150  # a side, when the market opens
MIN_LEVELS = 60  # a side; below it orders only arrive
MAX_LEVELS = 400  # a side; above it the farthest order leaves
MAX_SWEEP = 3  # levels that one taker may exhaust
TAKES, ADDS = 4, 54  # of a hundred arrivals; the rest are cancels
MAX_LAG_NS = SECOND_NS  # a process that was stopped for longer skips the rest


class Change(NamedTuple):
    """A level's new total quantity; 0 removes it."""

    side: int
    price: int
    qty: int


class Fill(NamedTuple):
    trade_id: int
    price: int
    qty: int
    maker_side: int
    maker_order: int
    taker_order: int
    market: bool  # the taker sent a market order


class Event(NamedTuple):
    """What one arrival did. Each change has an update id of its own: first_id … last_id, one after the other."""

    ts: int
    first_id: int
    last_id: int
    changes: tuple[Change, ...]
    fills: tuple[Fill, ...]


class Book:
    """Price levels of one instrument, integers, sorted by price on both sides."""

    __slots__ = ("levels", "prices")

    def __init__(self) -> None:
        self.levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.prices: tuple[list[int], list[int]] = ([], [])

    def set(self, side: int, price: int, qty: int) -> None:
        """Sets a level's total quantity; 0 removes it. Removing what is not there changes nothing."""
        levels, prices = self.levels[side], self.prices[side]
        if qty:
            if price not in levels:
                insort(prices, price)
            levels[price] = qty
        elif price in levels:
            del levels[price]
            del prices[bisect_left(prices, price)]

    def best(self, side: int) -> int:
        """The best price of a side, or 0 if it is empty."""
        prices = self.prices[side]
        if not prices:
            return 0
        return prices[-1] if side == BID else prices[0]

    def top(self, side: int, count: int) -> list[tuple[int, int]]:
        """Up to `count` levels (price, quantity), best first."""
        levels, prices = self.levels[side], self.prices[side]
        chosen = prices[: -count - 1 : -1] if side == BID else prices[:count]
        return [(price, levels[price]) for price in chosen]

    def clear(self) -> None:
        for side in (BID, ASK):
            self.levels[side].clear()
            self.prices[side].clear()

    @property
    def crossed(self) -> bool:
        bid, ask = self.best(BID), self.best(ASK)
        return bool(bid and ask and bid >= ask)


class Flow:
    """The market of one instrument. `rate` is arrivals a second."""

    def __init__(self, instrument: Instrument, seed: int, rate: float, start_ns: int) -> None:
        self.instrument = instrument
        self.book = Book()
        self.update_id = 1_000_000 + seed % 1_000_000
        self.trade_id = 5_000_000 + seed % 100_000
        self.last_fill: Fill | None = None
        self.last_fill_ts = start_ns
        self._order_id = 0
        self._random = Random(f"{instrument.symbol}/{seed}")
        self._gap_ns = SECOND_NS / rate
        self._next_ns = start_ns
        self._anchor = instrument.start_price // instrument.tick
        self._fair = self._anchor  # in ticks
        self._changes: list[Change] = []
        self._fills: list[Fill] = []
        self._open()
        self._schedule()

    def step(self, now_ns: int) -> Iterator[Event]:
        """All events up to `now_ns`, oldest first; at most those of the last MAX_LAG_NS.

        Lazy: when an event is handed out, the book is as that event left it.
        """
        self._next_ns = max(self._next_ns, now_ns - MAX_LAG_NS)
        while self._next_ns <= now_ns:
            event = self._arrival(self._next_ns)
            self._schedule()
            if event.changes:
                yield event

    def skip_to(self, now_ns: int) -> None:
        """Nothing happened until `now_ns`: the market stood still."""
        self._next_ns = max(self._next_ns, now_ns)

    def _schedule(self) -> None:
        self._next_ns += 1 + int(self._random.expovariate(1.0) * self._gap_ns)

    def _open(self) -> None:
        tick, spread = self.instrument.tick, 1 + self.instrument.width // 8
        for side, sign in ((BID, -1), (ASK, 1)):
            price = self._fair + sign * spread
            for _ in range(START_LEVELS):
                if price > 0:
                    self.book.set(side, price * tick, self._size())
                price += sign * (1 + self._random.randrange(1 + self.instrument.width // 4))

    def _arrival(self, ts: int) -> Event:
        self._walk()
        self._changes, self._fills = [], []
        first_id = self.update_id + 1
        if not self._arbitrage(ts):
            roll, side = self._random.randrange(100), self._random.randrange(2)
            levels = len(self.book.prices[side])
            if levels > MAX_LEVELS:
                prices = self.book.prices[side]
                self._set(side, prices[0] if side == BID else prices[-1], 0)
            elif roll < TAKES and levels > MIN_LEVELS:
                self._take(side, self._size() * (1 + self._random.randrange(3)), ts)
            elif roll < TAKES + ADDS or levels <= MIN_LEVELS:
                self._add(side)
            else:
                self._cancel(side)
        return Event(ts, first_id, self.update_id, tuple(self._changes), tuple(self._fills))

    def _walk(self) -> None:
        # Pulled back gently, so that a simulated week does not end at a price of zero.
        away = self._fair - self._anchor
        pull = -(away // 4096) if away >= 0 else -away // 4096
        reach = max(1, self.instrument.width // 8)
        self._fair = max(self._fair + pull + self._random.randint(-reach, reach), 2)

    def _size(self) -> int:
        # Sizes span three orders of magnitude, small ones the most common, as in the recordings.
        lots = self._random.randrange(1, 2 * self.instrument.typical_lots + 2) >> self._random.randrange(6)
        return max(1, lots) * self.instrument.lot

    def _set(self, side: int, price: int, qty: int) -> None:
        self.book.set(side, price, qty)
        self.update_id += 1
        self._changes.append(Change(side, price, qty))

    def _add(self, side: int) -> None:
        width = self.instrument.width
        distance = 1 + (self._random.randrange(2 * width + 1) >> self._random.randrange(3))
        if not self._random.randrange(8):
            distance += width * (2 + self._random.randrange(40))
        tick = self.instrument.tick
        if side == BID:
            ticks = min(self._fair - distance, self.book.best(ASK) // tick - 1)
        else:
            ticks = max(self._fair + distance, self.book.best(BID) // tick + 1)
        if ticks > 0:
            price = ticks * tick
            self._set(side, price, self.book.levels[side].get(price, 0) + self._size())

    def _cancel(self, side: int) -> None:
        prices = self.book.prices[side]
        rank = self._random.randrange(len(prices)) >> self._random.randrange(5)
        price = prices[-1 - rank] if side == BID else prices[rank]
        qty, lot = self.book.levels[side][price], self.instrument.lot
        left = qty * self._random.randrange(4) // 8 // lot * lot if self._random.randrange(2) else 0
        self._set(side, price, left)

    def _arbitrage(self, ts: int) -> bool:
        """Takes the best order that the fair value has left behind."""
        tick, width = self.instrument.tick, max(2, self.instrument.width // 2)
        for side, behind in (
            (ASK, self._fair - self.book.best(ASK) // tick),
            (BID, self.book.best(BID) // tick - self._fair),
        ):
            if behind > width + 1 and len(self.book.prices[side]) > MIN_LEVELS // 2:
                self._take(side, self._size() * 2, ts)
                return True
        return False

    def _take(self, maker_side: int, qty: int, ts: int) -> None:
        self._order_id += 1
        taker = self._order_id
        market = bool(self._random.randrange(2))
        for price, there in self.book.top(maker_side, MAX_SWEEP):
            taken = min(qty, there)
            self._set(maker_side, price, there - taken)
            self._order_id += 1
            self.trade_id += 1
            fill = Fill(self.trade_id, price, taken, maker_side, self._order_id, taker, market)
            self._fills.append(fill)
            self.last_fill, self.last_fill_ts = fill, ts
            qty -= taken
            if not qty:
                break
