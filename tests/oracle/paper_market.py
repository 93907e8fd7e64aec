"""A small market for algorithms: prices walk, others trade, resting children fill. Pure; the same seed, the same day.

Every record is a real message, folded by the router's own parts; our own executions are in the public trades once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from services.router.interfaces import Terms
from services.router.markets import Markets
from tapewire import messages as m
from tests.oracle.paper_desk import SECOND, STEPS_AT_ONCE, Desk

INSTRUMENT = 7
TICK, LOT = 5, 10


@dataclass
class Conditions:
    """How kind the market is."""

    seed: int = 1
    venues: int = 2
    every: int = SECOND
    """Between two moves of the market, ns."""
    latency: int = 0
    """Of venues, ns."""
    busy: float = 0.5
    """How often somebody trades."""
    walk: float = 0.3
    """How often the price moves."""
    misses: float = 0.0
    """How often an order to take finds nothing."""
    refusals: float = 0.0
    """How often an order to rest is refused."""
    depth: int = 400
    """Lots on a level, at most."""


@dataclass
class Day:
    """One parent on one day."""

    terms: Terms
    conditions: Conditions = field(default_factory=Conditions)
    profile: m.VolumeProfile | None = None
    amendments: dict[int, Callable[[Terms], Terms]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random, self._seq = random.Random(self.conditions.seed), count(1)
        self.markets, self.now, self.mid = Markets(), self.terms.start_time, 20_000
        self.desk: Desk | None = None
        self.tell(
            m.InstrumentDefinition(
                instrument=INSTRUMENT, ticker="PAPER", tick_size=TICK, lot_size=LOT, price_exponent=-2, qty_exponent=0
            )
        )
        for venue in range(1, self.conditions.venues + 1):
            self.tell(m.VenueChanged(venue=venue, state=m.VenueState.ready, name=f"v{venue}"))
            self.tell(
                m.MarketDefinition(
                    instrument=INSTRUMENT, venue=venue, taker_fee=300 * venue, maker_fee=-50 * venue,
                    tick_size=TICK, lot_size=LOT, min_qty=LOT, max_qty=0, name=f"v{venue}", ticker="PAPER",
                )
            )  # fmt: skip
        self.view = self.markets.view(INSTRUMENT)
        self.quote()
        self.trade(1, m.Side.buy, self.view.best_ask, LOT)
        self.desk = Desk(
            self.terms, self.markets, self.now, self.profile, self.conditions.latency, self.conditions.misses,
            self.conditions.refusals, self.conditions.seed, printed=self.trade, after_take=self.quote,
        )  # fmt: skip

    def tell(self, record: m.Message) -> None:
        change = self.markets.fold(record)
        assert change is None or not change.refused, change
        if self.desk is not None:
            self.desk.benchmarks.market(self.now, self.view, () if change is None else change.trades)

    def quote(self) -> None:
        """Each venue shows three levels a side, anew."""
        for venue in range(1, self.conditions.venues + 1):
            half = TICK * (1 + (venue + self.random.randrange(3)) // 2)
            levels = []
            for side, sign in ((m.Side.buy, -1), (m.Side.sell, 1)):
                for step in range(3):
                    price = self.mid + sign * (half + step * TICK)
                    levels.append(m.BookLevel(price, LOT * self.random.randint(1, self.conditions.depth), 1, side))
            self.tell(
                m.BookSnapshot(
                    seq=next(self._seq), ts=self.now, source=venue, instrument=INSTRUMENT, ticker="PAPER",
                    price_exponent=-2, quality=m.BookQuality.live, levels=levels,
                )
            )  # fmt: skip

    def trade(self, venue: int, aggressor: m.Side, price: int, qty: int) -> None:
        self.tell(
            m.Trade(
                seq=next(self._seq), ts=self.now, source=venue, instrument=INSTRUMENT, ticker="PAPER",
                price=price, qty=qty, price_exponent=-2, aggressor=aggressor, quality=m.BookQuality.live,
            )
        )  # fmt: skip

    def move(self, desk: Desk) -> None:
        """The price may walk, somebody may trade, and what rests may be met by either."""
        if self.random.random() < self.conditions.walk:
            self.mid = max(self.mid + self.random.choice((-TICK, TICK)), 100 * TICK)
        self.quote()
        buys = self.terms.side == m.Side.buy
        for child in desk.rests():
            other = self.view.best_ask if buys else self.view.best_bid
            if child.price >= other if buys else child.price <= other:
                desk.fill(child, child.leaves, child.price, m.Side.sell if buys else m.Side.buy)
        if self.random.random() < self.conditions.busy:
            venue = self.random.randint(1, self.conditions.venues)
            aggressor = self.random.choice((m.Side.buy, m.Side.sell))
            qty = LOT * self.random.randint(1, self.conditions.depth)
            price = self.view.best_ask if aggressor == m.Side.buy else self.view.best_bid
            for child in desk.rests():
                against = aggressor != self.terms.side and child.venue == venue and child.price == price
                part = min(child.leaves, LOT * self.random.randint(0, qty // LOT)) if against else 0
                if part:
                    desk.fill(child, part, child.price, aggressor)
                    qty -= part
            if qty:
                self.trade(venue, aggressor, price, qty)

    def run(self, until: int) -> Desk:
        """Lets the day go on until `until`, UTC ns."""
        desk = self.desk
        assert desk is not None
        desk.step()
        next_move = self.now + self.conditions.every
        begin, looks = self.now, 0
        while self.now < until:
            looks += 1
            assert looks < 100 * ((until - begin) // SECOND + STEPS_AT_ONCE), "time creeps"
            due = desk.algorithm.due()
            times = [next_move, until, *self.amendments, *([due] if due > self.now else [])]
            times += [desk.later[0][0]] if desk.later else []
            self.now = desk.now = min(times)
            if self.now in self.amendments:
                desk.amend(self.amendments.pop(self.now)(desk.terms))
            filled = len(desk.fills)
            if self.now >= next_move:
                self.move(desk)
                next_move = self.now + self.conditions.every
            answered, due = desk.answers(), desk.algorithm.due()
            if answered or len(desk.fills) > filled or due <= self.now or desk.algorithm.follows_market:
                desk.step()
        return desk
