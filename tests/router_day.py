"""A day at two venues, made from a seed: books, trades, parents of every algorithm, and fills as venues give them."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

from services.router.parts import all_parts
from tapewire import messages as m
from tests.router_stepped import START, Kept, Stepped

K = m.VenueReportKind
A = m.Algorithm
SECOND = 10**9
DAY_NS = 86_400 * SECOND
LATENCY_NS = 4_000_000


@dataclass(slots=True)
class Resting:
    child: m.NewChild
    price: int
    left: int
    cum: int = 0


class Day:
    """`hours` of it. Each second a book of one venue moves, and something may trade."""

    def __init__(self, seed: int, hours: float, entering: float = 0.004) -> None:
        """`entering`: how probable a parent is in each half second."""
        self.pick, self.s = random.Random(seed), Stepped(all_parts())
        self.end = START + int(hours * 3600 * SECOND)
        self.entering = entering
        self.mid, self.matches, self.heard = 10_000, 0, 0
        self.resting: dict[int, Resting] = {}
        self.answers: deque[tuple[int, m.Message]] = deque()
        buckets = [m.ProfileBucket(100 + at % 50) for at in range(288)]
        self.s.take(m.VolumeProfile(ticker="ACME", bucket_ns=DAY_NS // 288, days=5, buckets=buckets))
        for venue in (1, 2):
            self.book(venue)

    def run(self) -> Kept:
        s, pick = self.s, self.pick
        while s.now < self.end:
            s.now += SECOND // 2
            while s.core.due() <= s.now:
                s.take(m.AdvanceClock())
                self.listen()
            self.book(pick.choice((1, 2)))
            if pick.random() < 0.7:
                self.trade()
            if pick.random() < self.entering:
                self.enter()
            self.listen()
        return s.kept

    def book(self, venue: int) -> None:
        pick = self.pick
        self.mid = max(self.mid + pick.choice((-1, 0, 0, 0, 1)), 1_000)
        levels = [
            m.BookLevel(price=self.mid + sign * (1 + step), qty=pick.randint(50, 900), orders=1, side=side)
            for sign, side in ((-1, m.Side.buy), (1, m.Side.sell))
            for step in range(5)
        ]
        live = m.BookQuality.live
        self.s.take(m.BookSnapshot(source=venue, instrument=1, ticker="ACME", book_seq=1, quality=live, levels=levels))

    def trade(self) -> None:
        """Somebody trades; what of ours rests better than that is executed with it."""
        pick, venue = self.pick, self.pick.choice((1, 2))
        price, qty = self.mid + pick.choice((-1, 1)), pick.randint(1, 60)
        self.s.take(m.Trade(source=venue, instrument=1, ticker="ACME", price=price, qty=qty))
        for one in list(self.resting.values()):
            better = one.price >= price if one.child.side == m.Side.buy else one.price <= price
            if better and one.child.venue == venue:
                self.fill(one, min(qty, one.left), one.price)

    def fill(self, one: Resting, qty: int, price: int) -> None:
        self.matches += 1
        one.left -= qty
        one.cum += qty
        if not one.left:
            self.resting.pop(one.child.child_id, None)
        told = {"last_qty": qty, "last_price": price, "cum_qty": one.cum, "leaves_qty": one.left}
        self.s.report(one.child.child_id, K.executed, one.left > 0, exec_id=str(self.matches), **told)

    def enter(self) -> None:
        pick, s = self.pick, self.s
        algorithm = pick.choice([A.sweep, A.twap, A.vwap, A.pov, A.iceberg, A.shortfall])
        timed = algorithm in (A.twap, A.vwap, A.shortfall)
        side = pick.choice([m.Side.buy, m.Side.sell])
        far = self.mid + 50 if side == m.Side.buy else self.mid - 50
        s.parent(
            pick.randint(200, 5_000),
            side=side,
            algorithm=algorithm,
            time_in_force=m.TimeInForce.ioc if algorithm == A.sweep else m.TimeInForce.unspecified,
            end_time=s.now + pick.randint(60, 3_000) * SECOND if timed else 0,
            participation=1_500 if algorithm == A.pov else 0,
            display_qty=100 if algorithm == A.iceberg else 0,
            limit_price=self.mid if algorithm == A.iceberg else pick.choice([0, far]),
            randomness=pick.choice([0, 3_000]),
            urgency=pick.choice([1_000, 6_000]) if algorithm == A.shortfall else 0,
        )

    def listen(self) -> None:
        """The venues take what they are asked for: IOC trades at its limit in part or whole, the rest rests."""
        kept, s = self.s.kept.raws, self.s
        while self.heard < len(kept):
            record = m.decode(kept[self.heard])
            self.heard += 1
            if isinstance(record, m.NewChild):
                s.report(record.child_id, K.accepted, qty=record.qty, price=record.price)
                one = self.resting[record.child_id] = Resting(record, record.price, record.qty)
                if record.time_in_force == m.TimeInForce.ioc:
                    if self.pick.random() < 0.9:
                        self.fill(one, self.pick.choice([one.left, max(one.left // 2, 1)]), record.price)
                    if self.resting.pop(record.child_id, None) is not None:
                        s.report(record.child_id, K.expired, False, cum_qty=one.cum)
            elif isinstance(record, m.CancelChild):
                found = self.resting.pop(record.child_id, None)
                if found is not None:
                    s.report(record.child_id, K.cancelled, False, cum_qty=found.cum)
                else:
                    s.report(record.child_id, K.cancel_rejected, False)
            elif isinstance(record, m.ReplaceChild):
                found = self.resting.get(record.child_id)
                if found is None or record.qty <= found.cum:
                    s.report(record.child_id, K.replace_rejected, found is not None)
                else:
                    found.price, found.left = record.price, record.qty - found.cum
                    told = {"price": record.price, "qty": record.qty, "cum_qty": found.cum, "leaves_qty": found.left}
                    s.report(record.child_id, K.replaced, True, **told)
