"""One feed's duty cycle on a real ring and a real tape, stepped by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.flusher.agent import COUNTERS, HISTOGRAMS, RETRY_NS, FeedFlusher, State
from services.flusher.flusher import Pacer
from tapewire import logs
from tapewire import messages as m
from tapewire.errors import TapeFull
from tapewire.histogram import StatsPage
from tapewire.ring import RingConsumer, RingProducer, create_ring, ring_state
from tapewire.tape import TapeReader, TapeWriter

CAPACITY = 1 << 16


class Bench:
    """A flusher between a ring that the test writes and a tape that it reads."""

    def __init__(self, folder: Path, batch: int = 8) -> None:
        self.now, self.tick = 0, 10**9
        self.ring, self.tape = folder / "md.x.ring", folder / "md.x"
        self.stats = folder / "stats"
        self.batch = batch
        self.full = 0
        create_ring(self.ring, CAPACITY)

    def start(self) -> FeedFlusher:
        page = StatsPage.create(self.stats, HISTOGRAMS, COUNTERS)
        ring, tape = (lambda: RingConsumer(self.ring)), self._open_tape
        log = logs.get("flusher")
        return FeedFlusher("x", self.ring, self.tape, ring, tape, Pacer(self.batch), page, log, self._clock)

    def _clock(self) -> int:
        self.now += self.tick
        return self.now

    def _open_tape(self) -> TapeWriter:
        if self.full:
            self.full -= 1
            raise TapeFull("no room")
        return TapeWriter(self.tape, name="md.x", segment_bytes=1 << 16, durability="memory", helper=False)

    def write(self, *seqs: int, price: int = 0) -> None:
        with RingProducer(self.ring) as producer:
            for seq in seqs:
                assert producer.write(bytes(m.Trade(seq=seq, ts=seq, price=price or seq, ticker="A")))

    def taped(self) -> list[tuple[int, int]]:
        with TapeReader(self.tape) as reader:
            return [(message.seq, message.price) for message in map(m.Trade.decode, reader)]

    def waiting(self) -> int:
        state = ring_state(self.ring)
        return state.tail - state.head

    def counters(self) -> dict[str, int]:
        with StatsPage.open(self.stats) as page:
            return page.counters()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def steps(flusher: FeedFlusher, count: int = 6) -> int:
    return sum(flusher.do_work() for _ in range(count))


def test_what_the_ring_holds_comes_onto_the_tape_and_leaves_the_ring(bench: Bench) -> None:
    flusher = bench.start()
    bench.write(*range(1, 21))
    assert steps(flusher) == 20
    assert (bench.taped(), bench.waiting()) == ([(n, n) for n in range(1, 21)], 0)
    found = bench.counters()
    assert (found["records"], found["next_seq"], found["state"], found["ring_bytes"]) == (20, 21, State.running, 0)
    flusher.close()


def test_records_stay_in_the_ring_until_they_are_committed(bench: Bench) -> None:
    flusher = bench.start()
    steps(flusher)
    flusher._pacer.committed(10**9)
    bench.tick = 0
    bench.write(1, 2, 3)
    assert (steps(flusher), bench.taped(), bench.waiting() > 0) == (3, [], True)
    bench.now += 10**9
    steps(flusher)
    assert (bench.taped(), bench.waiting()) == ([(1, 1), (2, 2), (3, 3)], 0)
    flusher.close()


def test_after_a_kill_between_commit_and_release_nothing_is_written_twice(bench: Bench) -> None:
    bench.write(1, 2, 3, 4)
    with TapeWriter(bench.tape, name="md.x", segment_bytes=1 << 16, durability="memory", helper=False) as writer:
        writer.append_many([bytes(m.Trade(seq=n, ts=n, price=n, ticker="A")) for n in (1, 2, 3)])
        writer.commit()
    flusher = bench.start()
    steps(flusher)
    bench.write(5)
    steps(flusher)
    assert (bench.taped(), bench.waiting()) == ([(n, n) for n in range(1, 6)], 0)
    assert (bench.counters()["duplicates"], bench.counters()["records"]) == (3, 2)
    flusher.close()


def test_a_gap_stops_the_feed_with_both_numbers_and_releases_nothing(bench: Bench) -> None:
    flusher = bench.start()
    bench.write(1, 2, 5, 6)
    steps(flusher)
    assert flusher.state is State.stopped
    assert "jumps ahead to record 5, but the next for tape" in flusher.reason
    assert "is 3" in flusher.reason
    assert bench.taped() == [(1, 1), (2, 2)]
    assert bench.waiting() == 4 * (bench.waiting() // 4) > 0
    assert (bench.counters()["gaps"], bench.counters()["state"]) == (1, State.stopped)
    flusher.close()
    again = bench.start()
    steps(again)
    assert "jumps ahead to record 5" in again.reason
    again.close()


def test_a_sequence_that_steps_back_stops_the_feed(bench: Bench) -> None:
    flusher = bench.start()
    bench.write(1, 2, 3)
    steps(flusher)
    bench.write(2)
    steps(flusher)
    assert (flusher.state, bench.taped()) == (State.stopped, [(1, 1), (2, 2), (3, 3)])
    assert "steps back to record 2" in flusher.reason
    flusher.close()


def test_a_ring_of_another_run_is_not_taken_for_duplicates(bench: Bench) -> None:
    flusher = bench.start()
    bench.write(1, 2)
    steps(flusher)
    flusher.close()
    bench.write(1, 2, price=99)
    again = bench.start()
    steps(again)
    assert (again.state, bench.taped()) == (State.stopped, [(1, 1), (2, 2)])
    assert "hold different records from 1 on" in again.reason
    again.close()


def test_bytes_that_are_no_message_stop_the_feed_after_what_came_before(bench: Bench) -> None:
    flusher = bench.start()
    bench.write(1)
    with RingProducer(bench.ring) as producer:
        broken = bytearray(bytes(m.Trade(seq=2, ticker="A")))
        broken[4] ^= 1
        assert producer.write(bytes(broken))
    steps(flusher)
    assert (flusher.state, bench.taped()) == (State.stopped, [(1, 1)])
    assert "record 2 is not whole" in flusher.reason
    flusher.close()


def test_a_full_disk_is_tried_again_and_costs_no_record(bench: Bench) -> None:
    bench.full = 2
    bench.write(1, 2)
    flusher = bench.start()
    for _ in range(4):
        steps(flusher)
        bench.now += RETRY_NS
    assert (flusher.state, bench.taped(), bench.waiting()) == (State.running, [(1, 1), (2, 2)], 0)
    flusher.close()


def test_a_ring_that_another_flusher_has_is_waited_for(bench: Bench) -> None:
    first = bench.start()
    steps(first)
    bench.stats = bench.stats.with_name("other")
    second = bench.start()
    steps(second)
    assert second.state.name == "waiting"
    first.close()
    bench.now += RETRY_NS
    steps(second)
    assert second.state.name == "running"
    second.close()


def test_closing_drains_the_ring_and_commits(bench: Bench) -> None:
    flusher = bench.start()
    steps(flusher)
    flusher._pacer.committed(10**12)
    bench.tick = 0
    bench.write(*range(1, 101))
    flusher.close()
    assert (len(bench.taped()), bench.waiting()) == (100, 0)
