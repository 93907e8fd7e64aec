"""Engine, tape and rings, killed between any two steps, and losing power; thousands of seeds.

A seed decides everything: commands, steps, kills, what a power loss leaves. A failure prints it: `run(seed, folder)`
repeats that one.

What must hold after every death:
    acknowledged   what could be read as an answer stands on the tape as it was, byte for byte
    once           each producer's commands are on the tape in the order they were written, none twice
    digest         the recovered state equals a fold of the tape from its first record
    clock          what falls due is done by an AdvanceClock of the engine's own, whoever died in between
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.engine import Audit, Engine, InboundRing
from tapewire import messages as m
from tapewire import snapshots
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader
from tapewire.testing.disk import lose_power

SEEDS = 3000
BATCH_OF_SEEDS = 250
STEPS = 60
# Bytes: batches cross the small ones; in the largest, several commands are taken in ahead.
SEGMENTS = (1 << 13, 1 << 13, 1 << 13, 1 << 18, 1 << 18, 1 << 23)
RING_BYTES = 1 << 13
START = 1_700_000_000_000_000_000
SOURCES = (1, 2)  # the operator, a trader
ACCOUNTS = (1, 2, 3)
INSTRUMENTS = (1, 2)
BANDS = {"dynamic_band_bps": 300, "limit_state_ms": 2, "pause_ms": 3}
EXPECTED = (
    *("AdvanceClock", "OrderTriggered", "OrderRestated", "InstrumentStatusChanged", "AuctionIndicated"),
    *("LimitStateChanged", "TradeBusted", "TradeCorrected", "CommandCompleted", "InputRefused"),
    *("expired", "self_trade", "auction_remainder", "not_permitted"),
)


class World:
    """One engine with two producers, on real files in memory, with a clock of its own."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.pick, self.folder = random.Random(seed), folder
        self.tape = folder / "orders.0"
        self.durability = self.pick.choice(["disk", "disk", "memory"])
        self.segment_bytes = self.pick.choice(SEGMENTS)
        self.now = START
        self.written: dict[int, list[int]] = {source: [] for source in SOURCES}
        self.acknowledged: dict[int, bytes] = {}
        self.cl_ord_id = 0
        self.kills = self.losses = 0
        self.seen: Counter[str] = Counter()
        self.bound = self.pick.choice([(), (), (1, 3)])  # the accounts of the trader, by its role
        self.phase = 0
        self.open()
        for account in ACCOUNTS:
            self.write(1, self.limits(account))
        for instrument in INSTRUMENTS:
            self.write(1, self.definition(instrument, self.pick.choice([1, 1, 1, 3, 4])))

    def open(self) -> None:
        self.engine = Engine(
            self.tape,
            [
                InboundRing(self.folder / "ring.1", 1, "operator"),
                InboundRing(self.folder / "ring.2", 2, "trader", self.bound),
            ],
            durability=self.durability,
            segment_bytes=self.segment_bytes,
            ring_bytes=RING_BYTES,
            max_batch=self.pick.choice([1, 3, 64]),
            now=self.now,
        )
        self.producers = {source: RingProducer(self.folder / f"ring.{source}") for source in SOURCES}
        self.reader = TapeReader(self.tape, max(self.acknowledged, default=0) + 1, "released")

    def write(self, source: int, command: m.Message) -> None:
        if self.producers[source].write(bytes(command)) and (cl_ord_id := getattr(command, "cl_ord_id", 0)):
            self.written[source].append(cl_ord_id)

    def step(self) -> None:
        """One thing happens: a producer writes, the engine takes its next step, or everything dies."""
        self.now += self.pick.randrange(self.pick.choice([1_000_000, 1_000_000, 5_000_000]))
        self.engine.set_time(self.now)
        chance = self.pick.random()
        if chance < 0.35:
            for _ in range(self.pick.randint(1, 6)):
                self.write(self.pick.choice(SOURCES), self.command())
        elif chance < 0.93:
            (self.engine.drain, self.engine.write, self.engine.sync, self.publish)[self.phase]()
            self.phase = (self.phase + 1) % 4
        elif chance < 0.96 and self.phase == 0:
            snapshots.save(self.tape, self.engine.snapshot())
        else:
            self.die()

    def publish(self) -> None:
        self.engine.publish()
        self.acknowledged.update((m.decode(raw).seq, raw) for raw in self.reader.poll(100_000))

    def command(self) -> m.Message:
        pick = self.pick
        self.cl_ord_id += pick.choice([1, 1, 1, 1, 1, 0])  # sometimes a duplicate
        common = {"account": pick.choice(ACCOUNTS), "cl_ord_id": self.cl_ord_id, "ts_recv": self.now}
        order_id = pick.randrange(1, 40)
        kind = pick.random()
        if kind < 0.55:
            return self.order(common)
        if kind < 0.67:
            return m.CancelOrder(**common, order_id=order_id)
        if kind < 0.8:
            asked = {"price": pick.choice([0, *[pick.randint(90, 110)] * 3]), "qty": pick.randint(1, 20)}
            return m.ReplaceOrder(**common, **asked, order_id=order_id, stop_px=pick.choice([0, 0, 104, 96]))
        if kind < 0.83:
            where = {
                "side": pick.choice([0, 1, 2]),
                "instrument": pick.choice([0, 1, 2]),
                "session": pick.choice([0, 1]),
            }
            return m.MassCancel(**common, **where)
        return self.operators_command()

    def order(self, common: dict[str, int]) -> m.NewOrder:
        pick, price = self.pick, self.pick.randint(90, 110)
        terms: dict[str, int] = {
            "ord_type": 1,
            "time_in_force": pick.choice([2, 2, 2, 2, 1, 3, 4, 6, 7]),
            "price": price,
        }
        kind = pick.random()
        if kind < 0.12:
            terms |= {"ord_type": 2, "price": 0}
        elif kind < 0.3:
            stop = {"stop_px": pick.choice([98, 99, 101, 102, price]), "time_in_force": 2}
            terms |= {"ord_type": 3, "price": 0, **stop} if pick.random() < 0.5 else {"ord_type": 4, **stop}
        elif kind < 0.4:
            terms |= {"time_in_force": 5, "expire_time": self.now + pick.randrange(20_000_000)}
        elif kind < 0.5:
            terms |= {"display_qty": pick.randint(1, 5), "time_in_force": 2}
        elif kind < 0.55:
            terms |= {"hidden": True, "time_in_force": 2}
        elif kind < 0.6:
            terms |= {"min_qty": pick.randint(1, 5), "time_in_force": 3}
        elif kind < 0.7:
            terms |= {"post_only": True, "slide": pick.random() < 0.5, "time_in_force": 2}
        return m.NewOrder(
            **common,
            **terms,
            instrument=pick.choice([*INSTRUMENTS, 1, 1, 9]),
            side=pick.choice([1, 2]),
            qty=pick.randint(0, 20),
            session=pick.choice([0, 1]),
            self_trade=pick.choice([0, 0, 0, 1, 2, 3, 4, 5]),
        )

    def limits(self, account: int) -> m.AccountLimits:
        pick = self.pick
        limits = {"max_position": pick.choice([20, 500]), "max_notional": pick.choice([0, 1500])}
        return m.AccountLimits(
            account=account, **limits, self_trade_group=pick.choice([0, 0, 7]), self_trade=pick.choice([0, 3])
        )

    def definition(self, instrument: int, status: int) -> m.InstrumentDefinition:
        pick = self.pick
        terms = {"tick_size": pick.choice([1, 1, 1, 2]), "lot_size": 1, "reference_price": pick.choice([100, 0])}
        bands = pick.choice([{}, BANDS])
        return m.InstrumentDefinition(
            instrument=instrument, ticker=f"X{instrument}", **terms, **bands, collar_bps=2000, status=status
        )

    def operators_command(self) -> m.Message:
        if self.pick.random() < 0.05:
            return m.OrderAccepted(order_id=1)  # no command at all
        pick, instrument = self.pick, self.pick.choice(INSTRUMENTS)
        kind = pick.random()
        if kind < 0.4:
            status = pick.choice([1, 1, 1, 2, 3, 4, 5, 6, 6, *[7] * (pick.random() < 0.1)])
            resume = pick.choice([0, self.now + pick.randrange(20_000_000)]) if status in (2, 4, 5, 6) else 0
            market_wide = pick.random() < 0.1
            return m.SetInstrumentStatus(instrument=0 if market_wide else instrument, status=status, resume_time=resume)
        if kind < 0.5:
            return self.definition(instrument, pick.choice([0, 0, 1]))
        if kind < 0.58:
            return self.limits(pick.choice(ACCOUNTS))
        if kind < 0.62:
            return m.KillSwitch(account=pick.choice([0, *ACCOUNTS]), engaged=pick.random() < 0.3, cancel_open=True)
        if kind < 0.68:
            return m.AdvanceClock(up_to=self.now)
        trade = {"instrument": instrument, "match_id": pick.randint(1, 3), "price": 100, "qty": 1, "taker_side": 1}
        parties = {"maker_account": pick.choice(ACCOUNTS), "taker_account": pick.choice(ACCOUNTS)}
        if kind < 0.86:
            return m.BustTrade(**trade, **parties)
        return m.CorrectTrade(**trade, **parties, new_price=101, new_qty=pick.randint(1, 3))

    def die(self) -> None:
        """The process is killed; sometimes the machine loses power with it, and with that the rings."""
        self.kills += 1
        self.engine.abandon()
        self.reader.close()
        for producer in self.producers.values():
            producer.close()
        if self.pick.random() < 0.5:
            self.losses += lose_power(self.tape, self.pick)
            for source in SOURCES:
                (self.folder / f"ring.{source}").unlink()
            before, self.acknowledged = self.acknowledged, {}
            self.open()
            # With durability memory an answer promised to survive the process only; what is left is a beginning of it.
            left = (
                self.engine.next_seq - 2 - self.engine.recovery.missing_events
                if self.durability == "memory"
                else max(before, default=0)
            )
            self.acknowledged = {seq: raw for seq, raw in before.items() if seq <= left}
            for source, taken in self.on_tape().items():
                self.written[source] = taken  # what was in the rings is gone, and was never answered
        else:
            self.open()
        self.phase = 0
        self.check()

    def records(self) -> list[bytes]:
        with TapeReader(self.tape, 1, "written") as reader:
            return list(reader)

    def on_tape(self) -> dict[int, list[int]]:
        taken: dict[int, list[int]] = {source: [] for source in SOURCES}
        for raw in self.records():
            record = m.decode(raw)
            if record.cause == 0 and (cl_ord_id := getattr(record, "cl_ord_id", 0)):
                taken[record.source].append(cl_ord_id)
        return taken

    def check(self) -> None:
        records = self.records()
        assert [m.decode(raw).seq for raw in records] == list(range(1, len(records) + 1))
        for seq, raw in self.acknowledged.items():
            assert records[seq - 1] == raw, f"record {seq} was acknowledged and is another now"
        for source, taken in self.on_tape().items():
            assert taken == self.written[source][: len(taken)], f"producer {source}: taken twice, or out of order"
        audit = Audit(self.tape)
        assert audit.run() == len(records)
        assert (audit.pending_events, audit.redecided[0]) == (0, 0)
        assert audit.digest() == self.engine.digest()

    def finish(self) -> None:
        """Whatever is still in the rings is taken; then everything written must be on the tape."""
        self.engine.write()
        self.engine.sync()
        self.publish()
        self.now += 2_000_000  # past what the clock still waits for
        self.engine.set_time(self.now)
        while self.engine.do_work():
            pass
        self.publish()
        self.check()
        assert self.on_tape() == self.written
        self.look_back()
        self.engine.close()
        self.reader.close()
        for producer in self.producers.values():
            producer.close()

    def look_back(self) -> None:
        """What the market has been through; and that its time is the engine's own."""
        due: dict[int, int] = {}
        for record in map(m.decode, self.records()):
            self.seen[type(record).__name__] += 1
            if isinstance(record, m.AdvanceClock):
                permitted = record.decision != m.RejectReason.not_permitted
                assert permitted == (record.source == 0)
                if permitted:
                    assert record.up_to == record.ts
            elif isinstance(record, m.OrderAccepted) and record.time_in_force == m.TimeInForce.gtd:
                due[record.order_id] = record.expire_time
            elif isinstance(record, m.OrderExecuted):
                for order, leaves in (
                    (record.maker_order_id, record.maker_leaves_qty),
                    (record.taker_order_id, record.taker_leaves_qty),
                ):
                    if not leaves:
                        due.pop(order, None)
            elif isinstance(record, m.OrderCancelled):
                due.pop(record.order_id, None)
                self.seen[record.reason.name] += 1
            elif getattr(record, "reason", None) is m.RejectReason.not_permitted:
                self.seen["not_permitted"] += 1
        assert all(time > self.now for time in due.values()), "an order outlived its time"


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory: fdatasync costs nothing there, and a simulated power loss decides what survives."""
    folder = Path(tempfile.mkdtemp(prefix="tapewire-sim-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    yield folder
    shutil.rmtree(folder)


def run(seed: int, folder: Path) -> World:
    try:
        world = World(seed, folder)
        for _ in range(STEPS):
            world.step()
        world.finish()
    except BaseException:
        print(f"seed {seed} fails")
        raise
    shutil.rmtree(folder)
    return world


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH_OF_SEEDS))
def test_kills_and_power_losses_at_every_step_lose_nothing_acknowledged(first: int, memory_folder: Path) -> None:
    worlds = [run(seed, memory_folder / str(seed)) for seed in range(first, first + BATCH_OF_SEEDS)]
    # The simulation itself is tested: it must really have killed, lost sectors, and acknowledged something.
    assert sum(world.kills for world in worlds) > BATCH_OF_SEEDS
    assert sum(world.losses for world in worlds) > 0
    assert sum(len(world.acknowledged) for world in worlds) > 10 * BATCH_OF_SEEDS
    seen = sum((world.seen for world in worlds), Counter[str]())
    assert {what: seen[what] for what in EXPECTED if seen[what] < 2} == {}
