"""What the engine does with rings that are damaged, too many, or taken for one another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.engine import Engine, InboundRing
from tapewire import messages as m
from tapewire.errors import RingError
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader
from tests.unit.services.engine.conftest import NOW

TAIL_AT, DATA_AT = 128, 4096  # tapewire/ring/layout.hpp


class Two:
    """One engine with two producers."""

    def __init__(self, folder: Path) -> None:
        self.tape = folder / "orders.0"
        self.paths = {source: folder / f"ring.{source}" for source in (1, 2)}
        self.open()
        self.producers = {source: RingProducer(path) for source, path in self.paths.items()}
        self.write(1, m.AccountLimits(account=1))

    def open(self) -> None:
        rings = [InboundRing(path, source, "operator") for source, path in self.paths.items()]
        self.engine = Engine(self.tape, rings, segment_bytes=1 << 16, ring_bytes=1 << 13, now=NOW)

    def write(self, source: int, *commands: m.Message) -> None:
        for command in commands:
            assert self.producers[source].write(bytes(command))
        while self.engine.do_work():
            pass

    def damage(self, source: int, at: int) -> None:
        with self.paths[source].open("r+b") as file:
            file.seek(at)
            file.write(b"\xff" * 8)

    def commands(self) -> list[tuple[int, str]]:
        with TapeReader(self.tape, 1, "released") as reader:
            records = [m.decode(raw) for raw in reader]
        return [(r.source, type(r).__name__) for r in records if not r.cause and r.source]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    two = Two(tmp_path)
    yield two
    two.engine.abandon()
    for producer in two.producers.values():
        producer.close()


def limits(account: int) -> m.AccountLimits:
    return m.AccountLimits(account=account)


def test_a_damaged_ring_is_let_go_and_named_while_the_others_go_on(two: Two) -> None:
    two.damage(1, TAIL_AT)
    two.write(2, limits(2))
    assert two.commands() == [(1, "AccountLimits"), (2, "AccountLimits")]
    assert two.engine.counters["damaged_rings"] == 1
    (said,) = two.engine.damaged_rings
    assert str(two.paths[1]) in said
    assert "tail" in said
    assert not two.producers[1].consumer_alive
    assert two.engine.do_work() == 0


def test_what_was_written_before_the_damage_is_answered_once(two: Two) -> None:
    before = two.producers[1].tail
    two.producers[1].write_many([bytes(limits(2)), bytes(limits(3))])
    two.damage(1, DATA_AT + before + (two.producers[1].tail - before) // 2)
    two.write(2, limits(4))
    assert sorted(two.commands()) == [(1, "AccountLimits"), (1, "AccountLimits"), (2, "AccountLimits")]
    two.engine.abandon()
    two.open()
    two.write(2, limits(5))
    assert sorted(two.commands()) == [(1, "AccountLimits"), (1, "AccountLimits"), *[(2, "AccountLimits")] * 2]
    assert two.engine.counters["damaged_rings"] == 1


def test_a_ring_found_damaged_at_the_start_does_not_keep_the_market_closed(two: Two) -> None:
    two.damage(1, TAIL_AT)
    two.engine.abandon()
    two.open()
    two.write(2, limits(2))
    assert two.commands()[-1] == (2, "AccountLimits")
    assert two.engine.counters["damaged_rings"] == 1
    assert str(two.paths[1]) in two.engine.damaged_rings[0]


@pytest.mark.parametrize("source", [0, 64, 65_535])
def test_a_source_the_tape_cannot_keep_a_position_for_is_refused(tmp_path: Path, source: int) -> None:
    with pytest.raises(RingError, match=rf"source {source}; expected 1 to 63"):
        Engine(tmp_path / "orders.0", [InboundRing(tmp_path / "ring", source)], segment_bytes=1 << 16, now=NOW)


def test_two_rings_of_one_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RingError, match="source 1 has a ring already"):
        Engine(
            tmp_path / "orders.0",
            [InboundRing(tmp_path / "a", 1), InboundRing(tmp_path / "b", 1)],
            segment_bytes=1 << 16,
            now=NOW,
        )


def test_as_many_producers_as_there_may_be_are_all_heard_and_none_twice(tmp_path: Path) -> None:
    rings = [InboundRing(tmp_path / f"ring.{source}", source, "operator") for source in range(1, 64)]

    def run(account: int) -> None:
        engine = Engine(tmp_path / "orders.0", rings, segment_bytes=1 << 16, ring_bytes=1 << 12, now=NOW)
        for path, source, *_ in rings:
            with RingProducer(path) as producer:
                producer.write(bytes(m.AccountLimits(account=account, max_order_qty=source)))
        engine.drain(), engine.write(), engine.sync()
        engine.abandon()  # durable, and still in the rings

    run(1)
    run(2)
    engine = Engine(tmp_path / "orders.0", rings, segment_bytes=1 << 16, ring_bytes=1 << 12, now=NOW)
    while engine.do_work():
        pass
    with TapeReader(tmp_path / "orders.0", 1, "released") as reader:
        taken = [(r.source, r.account) for r in map(m.decode, reader) if isinstance(r, m.AccountLimits)]
    assert sorted(taken) == [(source, account) for source in range(1, 64) for account in (1, 2)]
    engine.close()
