"""The ring against its naive twin, over any sequence of writes, polls, releases and restarts of either side."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tapewire.errors import RingError
from tapewire.ring import RingConsumer, RingProducer, RingState, create_ring, ring_state
from tests.oracle.naive_ring import NaiveRing, stride_of

CAPACITY = DATA_AT = 4096
MAX_RECORD = CAPACITY // 4
# Lengths crowd around what matters: nothing, the edges of alignment, the longest that is allowed.
lengths = st.one_of(
    st.sampled_from([0, 1, 7, 8, 9, 15, 16, MAX_RECORD - 1, MAX_RECORD]),
    st.integers(0, 200),
    st.integers(0, MAX_RECORD),
)


class RingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="tapewire-ring-", dir="/dev/shm"))
        self.path = self.folder / "ring"
        self.number = 0

    @initialize(first=st.integers(0, 3 * CAPACITY // 8), laps=st.sampled_from([0, 1, (1 << 63) // CAPACITY]))
    def create(self, first: int, laps: int) -> None:
        position = laps * CAPACITY + 8 * first
        assert create_ring(self.path, CAPACITY, position)
        self.naive = NaiveRing(CAPACITY, position)
        self.producer, self.consumer = RingProducer(self.path), RingConsumer(self.path)

    def record(self, length: int) -> bytes:
        self.number += 1
        return self.number.to_bytes(4, "little").ljust(length, bytes([self.number % 256]))[:length]

    @rule(length=lengths)
    def write(self, length: int) -> None:
        data = self.record(length)
        assert self.producer.write(data) == self.naive.write(data)

    @rule(sizes=st.lists(lengths, max_size=12))
    def write_many(self, sizes: list[int]) -> None:
        batch = [self.record(length) for length in sizes]
        expected = 0
        for data in batch:
            if not self.naive.write(data):
                break
            expected += 1
        assert self.producer.write_many(batch) == expected

    @rule(extra=st.integers(1, 100))
    def write_too_long(self, extra: int) -> None:
        with pytest.raises(RingError, match="takes at most 1024"):
            self.producer.write(bytes(MAX_RECORD + extra))

    @rule(limit=st.integers(0, 20))
    def poll(self, limit: int) -> None:
        assert self.consumer.poll(limit) == self.naive.poll(limit)

    @rule(limit=st.integers(0, 20), room=st.integers(stride_of(MAX_RECORD), 2 * CAPACITY))
    def poll_into(self, limit: int, room: int) -> None:
        buffer = bytearray(room)
        count, used = self.consumer.poll_into(buffer, limit)
        expected = bytearray()
        for _ in range(limit):
            before = self.naive.read
            for data in self.naive.poll(1):
                packed = len(data).to_bytes(8, "little") + data
                if len(expected) + stride_of(len(data)) > room:
                    self.naive.read = before
                else:
                    # The spare bytes hold whatever was there: compare all but them.
                    at = len(expected)
                    assert buffer[at : at + len(packed)] == packed
                    expected += packed.ljust(stride_of(len(data)), b"\0")
                    count -= 1
            if self.naive.read == before:
                break
        assert (count, used) == (0, len(expected))

    @rule()
    def release(self) -> None:
        self.consumer.release()
        self.naive.release()

    @rule()
    def restart_producer(self) -> None:
        self.producer.close()
        self.producer = RingProducer(self.path)

    @rule()
    def restart_consumer(self) -> None:
        self.consumer.close()
        self.consumer = RingConsumer(self.path)
        self.naive.restart_consumer()

    @invariant()
    def positions_agree(self) -> None:
        if not hasattr(self, "naive"):
            return
        naive = self.naive
        assert (self.producer.tail, self.producer.head) == (naive.tail, naive.head)
        assert (self.consumer.tail, self.consumer.head, self.consumer.position) == (naive.tail, naive.head, naive.read)
        assert ring_state(self.path) == RingState(CAPACITY, naive.head, naive.tail, True, True)

    def teardown(self) -> None:
        if hasattr(self, "naive"):
            self.producer.close()
            self.consumer.close()
        shutil.rmtree(self.folder)


RingMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestRing = RingMachine.TestCase


interesting = st.one_of(
    st.integers(0, 48), st.sampled_from([128, 129, 135, 256, 257, 263]), st.integers(4096, 4096 + CAPACITY - 1)
)


@given(
    sizes=st.lists(lengths, min_size=1, max_size=30),
    damage=st.lists(st.tuples(interesting, st.binary(min_size=1, max_size=12)), min_size=1, max_size=4),
    first=st.integers(0, CAPACITY // 8),
    while_open=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_whatever_bytes_are_damaged_both_sides_refuse_or_go_on_and_never_crash(
    sizes: list[int], damage: list[tuple[int, bytes]], first: int, while_open: bool
) -> None:
    with tempfile.TemporaryDirectory(prefix="tapewire-ring-", dir="/dev/shm") as folder:
        path = Path(folder) / "ring"
        create_ring(path, CAPACITY, 8 * first)

        def corrupt() -> None:
            with path.open("r+b") as file:
                for at, data in damage:
                    file.seek(at)
                    file.write(data[: DATA_AT + CAPACITY - at])

        def use(side: Callable[[], object]) -> None:
            with contextlib.suppress(RingError):
                side()

        with RingProducer(path) as producer, RingConsumer(path) as consumer:
            producer.write_many([bytes(size) for size in sizes])
            if while_open:
                corrupt()
                for _ in range(3):
                    use(lambda: consumer.poll(100))
                    use(consumer.release)
                    use(lambda: producer.write_many([bytes(size) for size in sizes]))
        corrupt()
        use(lambda: ring_state(path))
        use(lambda: RingProducer(path).write(b"after"))
        use(lambda: RingConsumer(path).poll(100))
        use(lambda: create_ring(path, CAPACITY, 8 * first))
        assert path.stat().st_size == DATA_AT + CAPACITY
