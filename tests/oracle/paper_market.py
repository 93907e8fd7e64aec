"""A small market for algorithms: prices walk, others trade, resting children fill. Pure; the same seed, the same day.

Stands in for the router's core as plainly as can be, and asserts at each action what no algorithm may ever do.
Every record is a real message, folded by the router's own parts; our own executions are in the public trades once.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from services.router import routing
from services.router.algorithms import make, refuses
from services.router.benchmarks import Benchmarks
from services.router.interfaces import ChildView, Move, Progress, Pull, Rest, Slice, Take, Terms
from services.router.learned import Learned
from services.router.markets import Markets
from tapewire import messages as m

INSTRUMENT = 7
SECOND = 10**9
TICK, LOT = 5, 10
STEPS_AT_ONCE = 60
"""An algorithm that is asked more often than this without time going on runs in circles."""


@dataclass
class Child:
    id: int
    venue: int
    price: int
    qty: int
    resting: bool
    cum: int = 0
    live: bool = True
    pending: bool = True

    @property
    def leaves(self) -> int:
        return self.qty - self.cum


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
        self.random = random.Random(self.conditions.seed)
        self.markets, self.learned = Markets(), Learned()
        self.now, self.mid = self.terms.start_time, 20_000
        self.log: list[tuple[int, object]] = []
        self.children: dict[int, Child] = {}
        self.fills: list[tuple[int, int, int]] = []
        self.later: list[tuple[int, int, Callable[[], None]]] = []
        self._number, self._seq = count(1), count(1)
        self.cum = self.start_volume = 0
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
        refused = refuses(self.terms, self.now, self.view, self.profile)
        assert refused is None, refused
        self.algorithm = make(self.terms, self.now, self.view, self.profile)
        self.start_volume = self.view.volume
        self.benchmarks = Benchmarks(self.terms.side, self.now, self.view)

    # The market.

    def tell(self, record: m.Message) -> None:
        change = self.markets.fold(record)
        self.learned.fold(record)
        assert change is None or not change.refused, change
        if hasattr(self, "benchmarks"):
            self.benchmarks.market(self.now, self.view, () if change is None else change.trades)

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

    def move(self) -> None:
        """The price may walk, somebody may trade, and what rests may be met by either."""
        if self.random.random() < self.conditions.walk:
            self.mid = max(self.mid + self.random.choice((-TICK, TICK)), 100 * TICK)
        self.quote()
        buys = self.terms.side == m.Side.buy
        for child in list(self.children.values()):
            other = self.view.best_ask if buys else self.view.best_bid
            if child.live and child.resting and not child.pending and other:
                through = child.price >= other if buys else child.price <= other
                if through:
                    self.fill(child, child.leaves, child.price, m.Side.sell if buys else m.Side.buy)
        if self.random.random() < self.conditions.busy:
            venue = self.random.randint(1, self.conditions.venues)
            aggressor = self.random.choice((m.Side.buy, m.Side.sell))
            qty = LOT * self.random.randint(1, self.conditions.depth)
            price = self.view.best_ask if aggressor == m.Side.buy else self.view.best_bid
            for child in list(self.children.values()):
                against = aggressor != self.terms.side and child.venue == venue and child.price == price
                if child.live and child.resting and not child.pending and against and qty > 0:
                    part = min(child.leaves, LOT * self.random.randint(0, qty // LOT))
                    if part:
                        self.fill(child, part, child.price, aggressor)
                        qty -= part
            if qty:
                self.trade(venue, aggressor, price, qty)

    def fill(self, child: Child, qty: int, price: int, aggressor: m.Side) -> None:
        self.trade(child.venue, aggressor, price, qty)
        child.cum += qty
        self.cum += qty
        child.live = child.leaves > 0
        self.fills.append((self.now, price, qty))
        self.report(child, m.VenueReportKind.executed, price, qty)

    def report(self, child: Child, kind: m.VenueReportKind, price: int = 0, qty: int = 0) -> None:
        report = m.VenueReported(
            ts=self.now, instrument=INSTRUMENT, child_id=child.id, venue=child.venue, kind=kind, live=child.live,
            origin=m.ReportOrigin.live, last_price=price, last_qty=qty, exec_id=str(next(self._seq)),
        )  # fmt: skip
        self.learned.fold(report)
        self.benchmarks.own(report)
        if not child.live:
            self.children.pop(child.id, None)
        self.check()

    # The core.

    def progress(self) -> Progress:
        views = [
            ChildView(c.id, c.venue, c.price, c.qty, c.leaves, c.resting, c.pending)
            for c in self.children.values()
            if c.live
        ]
        return Progress(self.cum, sum(v.leaves for v in views), views)

    def check(self) -> None:
        """What must hold at every moment."""
        traded, most = self.view.volume - self.start_volume, self.terms.max_participation
        if self.terms.algorithm == m.Algorithm.pov and not self.amendments:
            most = min(most or 10_000, self.terms.participation)
        assert self.cum <= self.terms.qty, "more than the parent"
        assert not most or self.cum * 10_000 <= traded * most, "above the participation bound"

    def within(self, price: int) -> bool:
        limit = self.terms.limit_price
        return not limit or (price <= limit if self.terms.side == m.Side.buy else price >= limit)

    def step(self) -> None:
        """Asks the algorithm until it has nothing more to say at this moment."""
        for _ in range(STEPS_AT_ONCE):
            actions = self.algorithm.step(self.now, self.view, self.progress())
            for action in actions:
                self.log.append((self.now, action))
                self.act(action)
            answered = False
            while self.later and self.later[0][0] <= self.now:
                heapq.heappop(self.later)[2]()
                answered = True
            if not answered and not 0 < self.algorithm.due() <= self.now:
                return
        raise AssertionError(f"runs in circles: {self.log[-6:]}")

    def act(self, action: object) -> None:
        if isinstance(action, Slice):
            return
        if isinstance(action, Pull | Move):
            child = self.children[action.child_id]
            assert child.resting
            assert not child.pending, "neither moved nor pulled while it waits"
            child.pending = True
            self.answer(child, action)
            return
        assert isinstance(action, Take | Rest)
        end = self.terms.end_time
        assert self.terms.start_time <= self.now, "before its time"
        assert not end or self.now < end, "after its time"
        progress, most = self.progress(), self.terms.max_participation
        asked = progress.cum_qty + progress.open_qty + action.qty
        assert action.qty > 0
        assert asked <= self.terms.qty, "more than the parent"
        assert not most or asked * 10_000 <= (self.view.volume - self.start_volume) * most, "more than its part"
        allowed = (self.view, self.markets.markets(INSTRUMENT), self.learned, self.terms.side, action.qty)
        if isinstance(action, Take):
            routed = routing.take(*allowed, action.limit)
        else:
            assert self.within(action.price), "beyond the limit"
            routed = routing.rest(*allowed, action.price, action.display_qty, action.post_only)
        for planned in routed.children:
            assert self.within(planned.price), "beyond the limit"
            child = Child(next(self._number), planned.venue, planned.price, planned.qty, isinstance(action, Rest))
            self.children[child.id] = child
            self.learned.fold(
                m.NewChild(
                    child_id=child.id, ts=self.now, instrument=INSTRUMENT, venue=child.venue, qty=child.qty,
                    time_in_force=planned.tif,
                )
            )  # fmt: skip
            self.answer(child, action)

    def answer(self, child: Child, action: object) -> None:
        """The venue's, after its latency."""

        def answered() -> None:
            if child.live:
                child.pending = False
                self.carry_out(child, action)

        heapq.heappush(self.later, (self.now + self.conditions.latency, next(self._seq), answered))

    def carry_out(self, child: Child, action: object) -> None:
        if isinstance(action, Pull):
            child.live = False
            self.report(child, m.VenueReportKind.cancelled)
        elif isinstance(action, Move):
            child.price = action.price
            self.report(child, m.VenueReportKind.replaced)
        elif isinstance(action, Rest):
            child.live = self.random.random() >= self.conditions.refusals
            self.report(child, m.VenueReportKind.accepted if child.live else m.VenueReportKind.rejected)
        else:
            book = next(b for b in self.view.books if b.venue == child.venue)
            buys = self.terms.side == m.Side.buy
            if self.random.random() >= self.conditions.misses:
                for price, shown in list(book.asks if buys else book.bids):
                    within = price <= child.price if buys else price >= child.price
                    if within and child.live:
                        self.fill(child, min(shown, child.leaves), price, self.terms.side)
                if child.cum:
                    self.quote()
            if child.live:
                child.live = False
                self.report(child, m.VenueReportKind.expired)

    def run(self, until: int) -> Day:
        """Lets the day go on until `until`, UTC ns."""
        self.step()
        next_move = self.now + self.conditions.every
        begin, looks = self.now, 0
        while self.now < until:
            looks += 1
            assert looks < 100 * ((until - begin) // SECOND + STEPS_AT_ONCE), "time creeps"
            due = self.algorithm.due()
            times = [next_move, until, *self.amendments, *([due] if due > self.now else [])]
            times += [self.later[0][0]] if self.later else []
            self.now = min(times)
            if self.now in self.amendments:
                self.terms = self.amendments.pop(self.now)(self.terms)
                refused = refuses(self.terms, self.now, self.view, self.profile)
                assert refused is None, refused
                self.algorithm.amend(self.terms, self.now, self.progress())
            filled = len(self.fills)
            if self.now >= next_move:
                self.move()
                next_move = self.now + self.conditions.every
            waits = self.later and self.later[0][0] <= self.now
            while self.later and self.later[0][0] <= self.now:
                heapq.heappop(self.later)[2]()
            due = self.algorithm.due()
            if waits or len(self.fills) > filled or 0 < due <= self.now or self.algorithm.follows_market or not due:
                self.step()
        return self

    def actions(self, kind: type) -> list[object]:
        return [action for _, action in self.log if isinstance(action, kind)]
