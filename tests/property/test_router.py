"""The router's core under algorithms that ask for too much and venues that answer late: it never gives out too much.

Every few steps the whole list of records is added up anew (tests/oracle/naive_router.py) and compared. A failure prints
its seed: `run(seed)` repeats it.
"""

from __future__ import annotations

import random

import pytest

from services.router.core import Core
from services.router.tape import Replay
from tapewire import messages as m
from tests.oracle import naive_router as naive
from tests.router_parts import MS, PARTS
from tests.router_stepped import Stepped
from tests.unit.services.router.venue_model import VenueModel

SEEDS = 60
STEPS = 500
A = m.Algorithm


class World:
    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.s = Stepped(collar_bps=self.pick.choice([0, 0, 500]))
        self.venues = [VenueModel(self.s, number, self.pick) for number in (1, 2)]
        self.heard = 0
        self.largest: dict[int, int] = {}

    def step(self) -> None:
        pick, s = self.pick, self.s
        chance = pick.random()
        s.now += pick.randint(0, 3) * MS
        if chance < 0.06:
            self.client()
        elif chance < 0.14:
            s.book(pick.choice((1, 2)), pick.randint(95, 105), pick.randint(0, 80))
        elif chance < 0.17:
            s.take(m.Trade(source=1, instrument=1, ticker="ACME", price=100, qty=pick.randint(1, 50)))
        elif chance < 0.27 and s.core.due() <= s.now:
            s.clock(1)
        else:
            pick.choice(self.venues).work()
        self.listen()

    def client(self) -> None:
        pick, s = self.pick, self.s
        live = [p for p in s.core.state.parents.values() if not p.ended]
        chance = pick.random()
        if chance < 0.6 or not live:
            algorithm = pick.choice([A.sweep, A.pov, A.pov, A.twap])
            s.parent(
                pick.randint(1, 200),
                side=pick.choice([m.Side.buy, m.Side.sell]),
                algorithm=algorithm,
                time_in_force=pick.choice([m.TimeInForce.day, m.TimeInForce.ioc]) if algorithm == A.sweep else 0,
                participation=1000 if algorithm == A.pov else 0,
                max_participation=pick.choice([0, 0, 0, 5000]),
                interval=5 * MS,
                start_time=pick.choice([0, s.now + MS]),
                end_time=s.now + 400 * MS if algorithm == A.twap else pick.choice([0, s.now + 100 * MS]),
                limit_price=pick.choice([0, 98, 100, 102]),
                venues=pick.choice([0, 0, 2, 4]),
            )
        elif chance < 0.75:
            s.cancel(pick.choice(live).parent_id)
        elif chance < 0.95:
            parent = pick.choice(live)
            qty = max(parent.cum, 1) + pick.randint(0, 150)
            s.replace(parent.parent_id, qty=qty, limit_price=pick.choice([0, 99, 101]))
        else:
            s.kill(engaged=pick.random() < 0.4, cancel_open=pick.random() < 0.5)

    def listen(self) -> None:
        """Hands what was asked for to the venues."""
        new = [m.decode(raw) for raw in self.s.kept.raws[self.heard :]]
        self.heard = len(self.s.kept.raws)
        for venue in self.venues:
            venue.hear(new)
        for parent in self.s.core.state.parents.values():
            self.largest[parent.parent_id] = max(self.largest.get(parent.parent_id, 0), parent.terms.qty)

    def check(self) -> None:
        records = [m.decode(raw) for raw in self.s.kept.raws]
        assert naive.repeated(records) == []
        state = self.s.core.state
        for parent in state.parents.values():
            stands = (parent.cum, parent.notional, parent.open_qty)
            assert stands == naive.totals(records, parent.parent_id), parent.parent_id
            told = [r for r in records if isinstance(r, m.ParentChanged) and r.parent_id == parent.parent_id][-1]
            assert (told.cum_qty, told.open_qty, told.state) == (parent.cum, parent.open_qty, parent.state)
            executed = sum(
                order.cum
                for venue in self.venues
                for order in venue.orders.values()
                if state.children[order.child_id].parent_id == parent.parent_id
            )
            # Venues may have executed what an amendment has just taken away, but never more than was ever wanted.
            assert executed <= self.largest[parent.parent_id]
        for child in state.children.values():
            assert naive.outstanding(records, child.child_id) <= 1


def check_bounds(records: list[m.Message]) -> None:
    """What was asked of venues, when it was asked."""
    parents: dict[int, m.NewParent] = {}
    limits: dict[int, int] = {}
    ready: dict[int, bool] = {}
    killed = False
    for record in records:
        if isinstance(record, m.NewParent) and not record.decision:
            parents[record.parent_id] = record
            limits[record.parent_id] = record.limit_price
        elif isinstance(record, m.ReplaceParent) and not record.decision:
            limits[record.parent_id] = record.limit_price or limits[record.parent_id]
        elif isinstance(record, m.VenueChanged):
            ready[record.venue] = record.state == m.VenueState.ready
        elif isinstance(record, m.KillSwitch):
            killed = record.engaged
        elif isinstance(record, m.NewChild):
            parent = parents[record.parent_id]
            limit = limits[record.parent_id]
            assert ready[record.venue]
            assert not killed
            assert not parent.venues or parent.venues >> record.venue & 1
            if limit:
                assert record.price <= limit if parent.side == m.Side.buy else record.price >= limit
        elif isinstance(record, m.ReplaceChild | m.CancelChild):
            assert ready[record.venue]


def run(seed: int, steps: int = STEPS) -> World:
    world = World(seed)
    for step in range(steps):
        world.step()
        if step % 50 == 49:
            world.check()
    return world


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_no_parent_ever_has_more_done_and_open_than_it_wants(first: int) -> None:
    children = ended = 0
    for seed in range(first, first + 20):
        try:
            world = run(seed)
            records = [m.decode(raw) for raw in world.s.kept.raws]
            check_bounds(records)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        children += len(world.s.core.state.children)
        ended += sum(parent.ended for parent in world.s.core.state.parents.values())
    assert children > 200
    assert ended > 20


@pytest.mark.parametrize("seed", range(6))
def test_the_inputs_alone_give_the_same_tape(seed: int) -> None:
    raws = run(seed).s.kept.raws
    replay = Replay(Core(PARTS))
    for raw in raws:
        replay.feed(raw)
    assert replay.missing() == []
    assert replay.inputs + replay.events == len(raws)
