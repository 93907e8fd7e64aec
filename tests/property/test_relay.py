"""Both sides of the relay over a bus that loses, repeats and delays, with kills of all: each record once, in order.

The oracle is the list of what the producer wrote. The engine is a loop that takes records from its ring and puts their
positions on a tape, which is a list; a kill of its host takes the ring away, and the tape's tail that was not mirrored.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire import messages as m
from tapewire.relay import Incoming, Outgoing, RingName
from tapewire.relay.beginning import Beginning
from tapewire.relay.incoming import LEASE_NS, InCounts
from tapewire.relay.payload import split
from tapewire.ring import RingConsumer, RingProducer, create_ring

CAPACITY = 4096
STEP_NS = 20_000_000
NAME = RingName("test", "orders", 0, 3, "gateway", CAPACITY)


class World:
    """A producer's host, a bus, an engine's host; `step` lets a moment pass."""

    def __init__(self, folder: Path, seed: int, trouble: float) -> None:
        self.random = random.Random(seed)
        self.folder, self.trouble = folder, trouble
        self.now = 1
        self.written: list[bytes] = []
        self.tape: list[tuple[int, bytes]] = []  # (position, record), as the engine took them
        self.mirrored = 0  # records of it that are safe, and seen on the producer's host
        self.epoch = 1
        self.to_in: list[bytes] = []
        self.to_out: list[bytes] = []
        self.here, self.there = folder / "here", folder / "there"
        self.makes = 0
        self.beginning: Beginning | None = None
        self.out: Outgoing | None = None
        self.producer: RingProducer | None = None
        self.incoming: Incoming | None = None
        self.last_ring = 0
        self.start_engine()
        self.start_out()

    # -- the engine's host

    def start_engine(self) -> None:
        create_ring(self.there, CAPACITY, self.tape[-1][0] if self.tape else 0)
        self.engine = RingConsumer(self.there)
        self.far = RingProducer(self.there)
        self.incoming = Incoming(NAME, self.far, self.epoch, InCounts(), self.last_ring)

    def end_engine(self) -> None:
        self.engine.close()
        self.far.close()
        self.incoming = None

    def lose_engine_host(self) -> None:
        """Its memory is gone, and what nobody else has of its tape; another host takes over."""
        self.end_engine()
        self.there.unlink()
        del self.tape[self.mirrored :]
        self.epoch += 1
        self.last_ring = 0
        self.start_engine()

    def restart_in(self) -> None:
        assert self.incoming is not None
        self.last_ring = self.incoming.last_ring
        self.incoming = Incoming(NAME, self.far, self.epoch, InCounts(), self.last_ring)

    def take(self, most: int) -> None:
        taken = self.tape[-1][0] if self.tape else 0
        for _ in range(most):
            if not (records := self.engine.poll(1)):
                break
            if self.engine.position > taken:
                taken = self.engine.position
                self.tape.append((taken, records[0]))
        self.engine.release()

    # -- the producer's host

    def start_out(self) -> None:
        if not self.here.exists():
            self.beginning = Beginning(NAME, self.random.getrandbits(62))
            return
        self.consumer = RingConsumer(self.here)
        self.out = Outgoing(NAME, self.consumer, self.random.getrandbits(62))
        if self.producer is None:
            self.producer = RingProducer(self.here)

    def restart_out(self) -> None:
        if self.out is not None:
            self.consumer.close()
        self.out = self.beginning = None
        self.start_out()

    def lose_out_host(self) -> None:
        """Its memory is gone. The producer knows by its own tape what it wrote, and by the mirrored one what was taken:
        it writes the rest again, once its ring is there."""
        if self.producer is not None:
            self.producer.close()
            self.producer = None
        if self.out is not None:
            self.consumer.close()
        self.here.unlink(missing_ok=True)
        self.out = self.beginning = None
        self.start_out()

    def write(self) -> None:
        if self.producer is None:
            return
        record = len(self.written).to_bytes(8, "little") + bytes(self.random.randrange(300))
        if self.producer.write(record):
            self.written.append(record)

    def step(self) -> None:
        self.now += STEP_NS
        side = self.out or self.beginning
        assert side is not None
        self.to_in += side.turn(self.now)
        for payload in self.carried(self.to_in):
            if self.incoming is None:
                continue
            asked, records = split(payload)
            if isinstance(asked, m.RelayOpened):
                drained = self.engine.head == self.far.tail
                answer = self.incoming.opened(asked, self.now, len(self.tape) + 1 if drained else 0)
            else:
                assert isinstance(asked, m.RelayChunk)
                answer = self.incoming.chunk(asked, records, self.now)
            self.to_out.append(bytes(answer))
        for payload in self.carried(self.to_out):
            told, _ = split(payload)
            assert isinstance(told, m.RelayPosition)
            if (side := self.out or self.beginning) is not None:
                side.answered(told, self.now)
        if self.beginning is not None:
            first = self.beginning.first(self.epoch, self.mirrored + 1, self.now)
            if first is not None:
                self.make_ring(first)
        elif self.out is not None and self.mirrored:
            self.out.shown(self.tape[self.mirrored - 1][0])

    def make_ring(self, first: int) -> None:
        create_ring(self.here, CAPACITY, first)
        # All that was carried is on the mirrored tape: the rest was lost with the memory, and is written again.
        del self.written[self.mirrored :]
        self.beginning = None
        self.start_out()

    def carried(self, queue: list[bytes]) -> Iterator[bytes]:
        waiting, draw = queue[:], self.random
        queue.clear()
        for payload in waiting:
            if draw.random() < self.trouble:
                fate = draw.randrange(4)
                if fate == 0:
                    continue
                if fate == 1:
                    queue.append(payload)  # late, behind others
                    continue
                if fate == 2:
                    yield payload
                elif len(payload) > 200:
                    payload = payload[:150] + bytes([payload[150] ^ 1]) + payload[151:]
            yield payload

    def close(self) -> None:
        self.end_engine()
        if self.producer is not None:
            self.producer.close()
        if self.out is not None:
            self.consumer.close()

    def settle(self) -> None:
        self.trouble = 0.0
        for _ in range(400):
            self.step()
            self.take(100)
            self.mirrored = len(self.tape)
            if self.out is not None and self.out.open and len(self.tape) == len(self.written) and not self.out.lag:
                return
        raise AssertionError(f"{len(self.written)} written, {len(self.tape)} taken, {self.out and self.out.refusal}")


ACTIONS = ("write", "write", "write", "take", "mirror", "out", "in", "engine", "engine host", "producer host")


@settings(max_examples=60)
@given(seed=st.integers(0, 1 << 32), trouble=st.sampled_from((0.0, 0.1, 0.5)), kills=st.booleans())
def test_every_record_is_taken_once_and_in_order_whatever_dies(
    tmp_path_factory: pytest.TempPathFactory, seed: int, trouble: float, kills: bool
) -> None:
    world = World(tmp_path_factory.mktemp("relay"), seed, trouble)
    draw = random.Random(seed + 1)
    for _ in range(300):
        action = draw.choice(ACTIONS)
        if action == "write":
            for _ in range(draw.randrange(6)):
                world.write()
        elif action == "take":
            world.take(draw.randrange(20))
        elif action == "mirror":
            world.mirrored = draw.randint(world.mirrored, len(world.tape))
        elif not kills or draw.random() < 0.7:
            pass
        elif action == "out":
            world.restart_out()
        elif action == "in":
            world.restart_in()
        elif action == "engine":
            world.end_engine()
            world.epoch += 1
            world.start_engine()
        elif action == "engine host":
            world.lose_engine_host()
        else:
            world.lose_out_host()
        world.step()
    world.settle()
    assert [record for _, record in world.tape] == world.written
    world.close()


def test_the_check_finds_a_record_that_is_taken_twice(tmp_path: Path) -> None:
    """The test above compares whole lists: one record more is a difference."""
    world = World(tmp_path, 1, 0.0)
    world.settle()
    for _ in range(5):
        world.write()
    world.settle()
    world.tape.append(world.tape[-1])
    assert [record for _, record in world.tape] != world.written
    world.close()


def test_a_second_host_is_refused_while_the_first_is_heard(tmp_path: Path) -> None:
    world = World(tmp_path, 1, 0.0)
    world.settle()
    assert world.incoming is not None
    asked = m.RelayOpened(source=3, session=9, ring_id=77, capacity=CAPACITY, ring=NAME.full)
    answer = world.incoming.opened(asked, world.now, 0)
    assert (answer.verdict, answer.detail) == (m.RelayVerdict.busy, "orders.0.3.gateway: another host carries it")
    later = world.now + LEASE_NS
    assert world.incoming.opened(asked, later, 0).verdict == m.RelayVerdict.taken
    for _ in range(3):
        world.write()
    world.close()
