"""The router's core as plainly as can be, for one parent: carries out what its algorithm asks, and answers as a venue.

Asserts at each action what no algorithm may ever do. What the market is, who uses it says.
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

SECOND = 10**9
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
class Desk:
    """One parent being worked in one market."""

    terms: Terms
    markets: Markets
    now: int
    profile: m.VolumeProfile | None = None
    latency: int = 0
    """Of venues, ns."""
    misses: float = 0.0
    """How often an order to take finds nothing."""
    refusals: float = 0.0
    """How often an order to rest is refused."""
    seed: int = 1
    amended: bool = False
    printed: Callable[[int, m.Side, int, int], None] = field(default=lambda venue, aggressor, price, qty: None)
    """Puts an execution of ours among the public trades: venue, aggressor, price, quantity."""
    after_take: Callable[[], None] = field(default=lambda: None)
    """Changes what is shown when we have taken from it."""

    def __post_init__(self) -> None:
        self.random, self.learned = random.Random(self.seed), Learned()
        self.log: list[tuple[int, object]] = []
        self.children: dict[int, Child] = {}
        self.fills: list[tuple[int, int, int]] = []
        self.later: list[tuple[int, int, Callable[[], None]]] = []
        self._number, self._seq = count(1), count(1)
        self.cum, self.most = 0, self.terms.qty
        self.view = self.markets.view(self.terms.instrument)
        self.start_volume = self.view.volume
        refused = refuses(self.terms, self.now, self.view, self.profile)
        assert refused is None, refused
        self.algorithm = make(self.terms, self.now, self.view, self.profile)
        self.benchmarks = Benchmarks(self.terms.side, self.now, self.view)

    def amend(self, terms: Terms) -> None:
        progress = self.progress()
        # What stands when a parent is made smaller may still fill before it is pulled.
        self.most = max(terms.qty, progress.cum_qty + progress.open_qty)
        self.terms, self.amended = terms, True
        refused = refuses(terms, self.now, self.view, self.profile)
        assert refused is None, refused
        self.algorithm.amend(terms, self.now, self.progress())

    def answers(self) -> bool:
        """Lets venues answer what they have to by now; whether any did."""
        answered = False
        while self.later and self.later[0][0] <= self.now:
            heapq.heappop(self.later)[2]()
            answered = True
        return answered

    def fill(self, child: Child, qty: int, price: int, aggressor: m.Side) -> None:
        self.printed(child.venue, aggressor, price, qty)
        child.cum += qty
        self.cum += qty
        child.live = child.leaves > 0
        self.fills.append((self.now, price, qty))
        self.report(child, m.VenueReportKind.executed, price, qty)

    def report(self, child: Child, kind: m.VenueReportKind, price: int = 0, qty: int = 0) -> None:
        report = m.VenueReported(
            ts=self.now, instrument=self.terms.instrument, child_id=child.id, venue=child.venue, kind=kind,
            live=child.live, origin=m.ReportOrigin.live, last_price=price, last_qty=qty, exec_id=str(next(self._seq)),
        )  # fmt: skip
        self.learned.fold(report)
        self.benchmarks.own(report)
        if not child.live:
            self.children.pop(child.id, None)
        self.check()

    def progress(self) -> Progress:
        views = [
            ChildView(c.id, c.venue, c.price, c.qty, c.leaves, c.resting, c.pending)
            for c in self.children.values()
            if c.live
        ]
        return Progress(self.cum, sum(v.leaves for v in views), views)

    def rests(self) -> list[Child]:
        """What stands in a book, and can be met there."""
        return [c for c in self.children.values() if c.live and c.resting and not c.pending]

    def check(self) -> None:
        """What must hold at every moment."""
        traded, most = self.view.volume - self.start_volume, self.terms.max_participation
        if self.terms.algorithm == m.Algorithm.pov and not self.amended:
            most = min(most or 10_000, self.terms.participation)
        assert self.cum <= self.most, "more than the parent"
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
            if not self.answers() and not 0 < self.algorithm.due() <= self.now:
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
        allowed = (self.view, self.markets.markets(self.terms.instrument), self.learned, self.terms.side, action.qty)
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
                    child_id=child.id, ts=self.now, instrument=self.terms.instrument, venue=child.venue, qty=child.qty,
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

        heapq.heappush(self.later, (self.now + self.latency, next(self._seq), answered))

    def carry_out(self, child: Child, action: object) -> None:
        if isinstance(action, Pull):
            child.live = False
            self.report(child, m.VenueReportKind.cancelled)
        elif isinstance(action, Move):
            child.price = action.price
            self.report(child, m.VenueReportKind.replaced)
        elif isinstance(action, Rest):
            child.live = self.random.random() >= self.refusals
            self.report(child, m.VenueReportKind.accepted if child.live else m.VenueReportKind.rejected)
        else:
            book = next(b for b in self.view.books if b.venue == child.venue)
            buys = self.terms.side == m.Side.buy
            if self.random.random() >= self.misses:
                for price, shown in list(book.asks if buys else book.bids):
                    within = price <= child.price if buys else price >= child.price
                    if within and child.live:
                        self.fill(child, min(shown, child.leaves), price, self.terms.side)
                if child.cum:
                    self.after_take()
            if child.live:
                child.live = False
                self.report(child, m.VenueReportKind.expired)
