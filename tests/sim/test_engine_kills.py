"""Engine, tape and rings, killed between any two steps, and losing power; thousands of seeds.

A seed decides everything: commands, steps, kills, what a power loss leaves. A failure prints it: `run(seed, folder)`
repeats that one.

What must hold after every death:
    acknowledged   what could be read as an answer stands on the tape as it was, byte for byte
    once           each producer's commands are on the tape in the order they were written, none twice
    digest         the recovered state equals a fold of the tape from its first record
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.engine import Audit, Engine, InboundRing
from services.journal import snapshots
from tapewire import messages as m
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader
from tapewire.testing.disk import lose_power

SEEDS = 3000
BATCH_OF_SEEDS = 250
STEPS = 60
SEGMENTS = (
    1 << 13,
    1 << 13,
    1 << 18,
)  # bytes: batches cross the small ones; in the large one, several are taken in ahead
RING_BYTES = 1 << 13
START = 1_700_000_000_000_000_000
SOURCES = (1, 2)
ACCOUNTS = (1, 2, 3)


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
        self.phase = 0
        self.open()
        for account in ACCOUNTS:
            limits = {"max_position": self.pick.choice([20, 500]), "max_notional": self.pick.choice([0, 1500])}
            self.write(1, m.AccountLimits(account=account, **limits))
        for instrument in (1, 2):
            self.write(
                1,
                m.InstrumentDefinition(
                    instrument=instrument,
                    ticker="X",
                    tick_size=1,
                    lot_size=1,
                    status=1,
                    reference_price=100,
                    collar_bps=2000,
                ),
            )

    def open(self) -> None:
        self.engine = Engine(
            self.tape,
            [InboundRing(self.folder / f"ring.{source}", source, "operator") for source in SOURCES],
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
        self.now += self.pick.randrange(1_000_000)
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
        if kind < 0.6:
            market = pick.random() < 0.15
            return m.NewOrder(
                **common,
                instrument=pick.choice([1, 1, 2, 9]),
                side=pick.choice([1, 2]),
                ord_type=2 if market else 1,
                time_in_force=pick.choice([2, 2, 2, 3, 4]),
                price=0 if market else pick.randint(90, 110),
                qty=pick.randint(0, 20),
                post_only=not market and pick.random() < 0.1,
            )
        if kind < 0.75:
            return m.CancelOrder(**common, order_id=order_id)
        if kind < 0.93:
            return m.ReplaceOrder(**common, order_id=order_id, price=pick.randint(90, 110), qty=pick.randint(1, 20))
        return m.MassCancel(**common, side=pick.choice([0, 1, 2]), instrument=pick.choice([0, 1, 2]))

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
        while self.engine.do_work():
            pass
        self.publish()
        self.check()
        assert self.on_tape() == self.written
        self.engine.close()
        self.reader.close()
        for producer in self.producers.values():
            producer.close()


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
