"""Router, engine, tapes and rings in one process, the router killed between any two steps; hundreds of seeds.

A seed decides everything: parents, markets, steps, where the router dies. A failure prints it: `run(seed, folder)`
repeats that one.

What must hold after every death and in the end:
    commands   each client's are on the router's tape in the order they were written, none twice, none left out
    children   each is one order at the engine, none twice, none left out
    reports    what parents have done is what the orders tape says, busts included
    replay     the tape is what its inputs give, byte for byte
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from services.engine import Engine, InboundRing
from services.router.agent import RouterAgent
from services.router.clients import ClientRing
from services.router.core import Core
from services.router.house import House
from services.router.house_session import HouseSession
from services.router.limits import AccountTerms, ClientTerms, Limits
from services.router.market_feed import MarketFeed, Source
from services.router.positions import Positions
from services.router.tape import Replay, RouterTape
from tapewire import messages as m
from tapewire.ring import RingProducer, create_ring
from tapewire.tape import TapeReader, TapeWriter
from tests.router_parts import MS, PARTS

SEEDS = 60
STEPS = 220
START = 1_700_000_000_000_000_000
VENUE, OWN, MAKER = 5, 1, 2
OPERATOR, TRADERS, ROUTER = 1, 2, 3
LIMITS = Limits({OWN: AccountTerms()}, {1: ClientTerms(operator=True)})
A = m.Algorithm


class Killed(BaseException):
    """The process is gone, here and now."""


class World:
    def __init__(self, seed: int, folder: Path) -> None:
        self.pick, self.folder, self.now = random.Random(seed), folder, START
        self.deadly, self.kills, self.cl_ord_id = 0.0, 0, 0
        self.written: list[int] = []
        rings = [
            InboundRing(folder / "ring.operator", OPERATOR, "operator"),
            InboundRing(folder / "ring.traders", TRADERS),
            InboundRing(folder / "ring.router", ROUTER),
        ]
        self.engine = Engine(folder / "orders.0", rings, durability="memory", segment_bytes=1 << 18, now=self.now)
        self.operator, self.traders = RingProducer(rings[0].path), RingProducer(rings[1].path)
        for account in (OWN, MAKER):
            self.operator.write(bytes(m.AccountLimits(account=account)))
        definition = m.InstrumentDefinition(instrument=1, ticker="ACME", tick_size=1, lot_size=1, status=1)
        self.operator.write(bytes(definition))
        self.engine.do_work()
        create_ring(folder / "ring.client", 1 << 14)
        self.client = RingProducer(folder / "ring.client")
        self.open()

    def clock(self) -> int:
        if self.pick.random() < self.deadly:
            raise Killed
        return self.now

    def open(self) -> None:
        """As the service does it."""
        self.writer = TapeWriter(self.folder / "router.0", "router.0", 1 << 16, "memory", helper=False)
        core, positions, house = Core(PARTS), Positions(), House(VENUE, ROUTER, {"ACME": 1}, "test", "router.0")
        tape = RouterTape(self.writer, core, LIMITS, self.clock)
        tape.recover([positions.fold, house.fold])
        self.ring = RingProducer(self.folder / "ring.router")
        session = HouseSession(house, self.ring, self.folder / "orders.0", "router.0", self.clock)
        self.feed = MarketFeed({("house", "ACME"): Source(VENUE, 1)}, 2 * MS, 5)
        self.clients = [ClientRing(1, self.folder / "ring.client", positions.rings.get(1, 0))]
        self.session = session
        self.agent = RouterAgent(core, tape, self.clients, [], session, self.feed, None, self.clock)
        if not core.state.markets.instruments():
            tape.take(m.InstrumentDefinition(instrument=1, ticker="ACME", tick_size=1, lot_size=1))
            tape.take(m.MarketDefinition(instrument=1, venue=VENUE, name="house", ticker="ACME", symbol="ACME"))
        session.recover(ROUTER, positions.tapes.get(VENUE))
        session.work_all(tape.take)
        ready = m.VenueState.ready
        tape.take(m.VenueChanged(source=VENUE, venue=VENUE, origin_seq=session.at, state=ready, name="house"))
        tape.commit()
        self.quote()

    def die(self) -> None:
        self.kills += 1
        self.deadly = 0.0
        self.writer.abandon()
        self.clients[0].close()
        self.session.close()
        self.open()

    def step(self) -> None:
        pick = self.pick
        self.now += pick.randrange(2 * MS)
        self.engine.set_time(self.now)
        chance = pick.random()
        if chance < 0.25:
            self.engine.do_work()
        elif chance < 0.4:
            self.make()
        elif chance < 0.5:
            self.ask()
        elif chance < 0.55:
            self.quote()
        elif chance < 0.57:
            self.bust()
        elif chance < 0.6:
            self.die()
        else:
            self.deadly = pick.choice([0.0, 0.0, 0.05])
            try:
                self.agent.do_work()
            except Killed:
                self.die()
            self.deadly = 0.0

    def make(self) -> None:
        """Somebody else's orders."""
        pick = self.pick
        self.cl_ord_id += 1
        common = {"instrument": 1, "account": MAKER, "cl_ord_id": self.cl_ord_id, "ts_recv": self.now}
        side = pick.choice([m.Side.buy, m.Side.sell])
        price = pick.randint(96, 101) if side == m.Side.buy else pick.randint(99, 104)
        self.traders.write(
            bytes(m.NewOrder(**common, side=side, ord_type=1, time_in_force=2, price=price, qty=pick.randint(1, 20)))
        )

    def quote(self) -> None:
        """The market as the router sees it: it may be wrong."""
        ask = self.pick.randint(98, 102)
        levels = [m.BookLevel(ask - 1, 30, 1, m.Side.buy), m.BookLevel(ask, 30, 1, m.Side.sell)]
        live = m.BookQuality.live
        self.feed.hear("house", "ACME", m.BookSnapshot(ticker="ACME", book_seq=1, quality=live, levels=levels))

    def ask(self) -> None:
        pick = self.pick
        parents = self.agent.core.state.next_parent - 1
        self.cl_ord_id += 1
        common = {"account": OWN, "cl_ord_id": self.cl_ord_id}
        chance = pick.random()
        command: m.Message
        if chance < 0.6 or not parents:
            algorithm = pick.choice([A.sweep, A.twap, A.pov])
            command = m.NewParent(
                **common,
                instrument=1,
                side=pick.choice([m.Side.buy, m.Side.sell]),
                qty=pick.randint(4, 60),
                algorithm=algorithm,
                time_in_force=pick.choice([m.TimeInForce.day, m.TimeInForce.ioc]) if algorithm == A.sweep else 0,
                interval=5 * MS,
                limit_price=pick.choice([0, 100]),
                end_time=pick.choice([0, self.now + 60 * MS]),
            )
        elif chance < 0.8:
            command = m.CancelParent(**common, parent_id=pick.randint(1, parents))
        else:
            command = m.ReplaceParent(**common, parent_id=pick.randint(1, parents), qty=pick.randint(1, 60))
        if self.client.write(bytes(command)):
            self.written.append(self.cl_ord_id)

    def bust(self) -> None:
        trades = [r for r in self.orders() if isinstance(r, m.OrderExecuted)]
        if trades:
            t = self.pick.choice(trades)
            self.operator.write(
                bytes(
                    m.BustTrade(
                        instrument=1,
                        match_id=t.match_id,
                        maker_order_id=t.maker_order_id,
                        taker_order_id=t.taker_order_id,
                        price=t.price,
                        qty=t.qty,
                        maker_account=t.maker_account,
                        taker_account=t.taker_account,
                        taker_side=t.taker_side,
                    )
                )
            )

    def orders(self) -> list[m.Message]:
        with TapeReader(self.folder / "orders.0") as reader:
            return list(map(m.decode, reader))

    def records(self) -> list[m.Message]:
        with TapeReader(self.folder / "router.0") as reader:
            return list(map(m.decode, reader))

    def settle(self) -> None:
        """Nobody dies any more; all parents are cancelled, and everything that is under way arrives."""
        for _ in range(400):
            self.now += 10 * MS
            self.engine.set_time(self.now)
            worked = self.engine.do_work() + self.agent.do_work()
            live = [p for p in self.agent.core.state.parents.values() if not p.ended]
            if not worked and not live:
                return
            for parent in live:
                self.cl_ord_id += 1
                cancel = m.CancelParent(account=OWN, cl_ord_id=self.cl_ord_id, parent_id=parent.parent_id)
                if not parent.ending and self.client.write(bytes(cancel)):
                    self.written.append(self.cl_ord_id)
        raise AssertionError(f"still at work: {live}")

    def check(self) -> None:
        records = self.records()
        commands = [r for r in records if isinstance(r, m.NewParent | m.ReplaceParent | m.CancelParent)]
        assert [r.cl_ord_id for r in commands] == self.written
        replay = Replay(Core(PARTS))
        for record in records:
            replay.feed(bytes(record))
        asked = [r for r in records if isinstance(r, m.NewChild | m.ReplaceChild | m.CancelChild)]
        orders = self.orders()
        heard = [r for r in orders if isinstance(r, m.NewOrder | m.ReplaceOrder | m.CancelOrder) and r.source == ROUTER]
        assert [r.cl_ord_id for r in heard] == [r.seq for r in asked]
        assert self.done() == self.by_the_engine(orders)
        reported = Counter((r.origin_seq, r.child_id) for r in records if isinstance(r, m.VenueReported))
        assert {key for key, count in reported.items() if count > 1} == set()

    def done(self) -> dict[int, int]:
        return {p.parent_id: p.cum for p in self.agent.core.state.parents.values() if p.cum}

    def by_the_engine(self, orders: list[m.Message]) -> dict[int, int]:
        """What each parent has executed, by the orders tape alone."""
        parents: dict[int, int] = {}
        texts = {r.order_id: r.client_text for r in orders if isinstance(r, m.NewOrder) and r.source == ROUTER}
        total: Counter[int] = Counter()
        for order_id, text in texts.items():
            parents[order_id] = int(text.removeprefix("router ").partition("/")[0])
        for r in orders:
            if isinstance(r, m.OrderExecuted | m.TradeBusted):
                for order_id in (r.maker_order_id, r.taker_order_id):
                    if order_id in parents:
                        total[parents[order_id]] += r.qty if isinstance(r, m.OrderExecuted) else -r.qty
        return {parent: qty for parent, qty in total.items() if qty}

    def close(self) -> None:
        self.agent.close()
        self.engine.close()
        for producer in (self.operator, self.traders, self.client):
            producer.close()


def run(seed: int, folder: Path) -> World:
    world = World(seed, folder)
    for _ in range(STEPS):
        world.step()
    world.settle()
    world.check()
    return world


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_nothing_is_lost_or_done_twice_wherever_the_router_dies(first: int) -> None:
    kills = children = 0
    for seed in range(first, first + 20):
        folder = Path(tempfile.mkdtemp(prefix="router", dir="/dev/shm"))
        try:
            world = run(seed, folder)
            kills += world.kills
            children += world.agent.core.state.next_child - 1
            world.close()
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        finally:
            shutil.rmtree(folder)
    assert kills > 60
    assert children > 200
