"""Records of one ring put into another of the same capacity, at the same positions; reading on by position."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tapewire.errors import RingDamaged
from tapewire.ring import Carried, RingConsumer, RingProducer, create_ring

CAPACITY = 4096


class Pair:
    """A ring here and one there, both ends of each at hand."""

    def __init__(self, folder: Path) -> None:
        for name in ("here", "there"):
            create_ring(folder / name, CAPACITY)
        self.producer, self.consumer = RingProducer(folder / "here"), RingConsumer(folder / "here")
        self.far, self.engine = RingProducer(folder / "there"), RingConsumer(folder / "there")
        self.buffer = bytearray(CAPACITY)

    def read(self, limit: int = 1000) -> tuple[bytes, int, int]:
        position = self.consumer.position
        _, used = self.consumer.poll_into(self.buffer, limit)
        return bytes(self.buffer[:used]), position, self.consumer.position


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_records_of_any_length_keep_their_positions_over_many_laps(pair: Pair) -> None:
    draw, written, taken = random.Random(7), [], []
    for _ in range(2000):
        record = draw.randbytes(draw.randrange(600))
        if pair.producer.write(record):
            written.append(record)
        assert pair.far.carry(*pair.read()) == Carried.taken
        assert pair.far.tail == pair.consumer.position
        taken += pair.engine.poll()
        pair.engine.release()
        pair.consumer.release()
    assert taken == written


def test_what_is_there_already_is_passed_over(pair: Pair) -> None:
    for record in (b"one", b"two", b"three"):
        pair.producer.write(record)
    one = pair.read(1)
    assert pair.consumer.seek(0)
    both = pair.read(2)
    assert pair.consumer.seek(0)
    everything = pair.read()
    for chunk in (one, one, both, everything, both):
        assert pair.far.carry(*chunk) == Carried.taken
    assert pair.engine.poll() == [b"one", b"two", b"three"]


def test_a_gap_is_refused_and_nothing_is_written(pair: Pair) -> None:
    pair.producer.write(b"one")
    pair.producer.write(b"two")
    pair.read(1)
    assert pair.far.carry(*pair.read(1)) == Carried.gap
    assert pair.engine.poll() == []


def test_a_full_ring_takes_what_fits_and_the_rest_when_there_is_room(pair: Pair) -> None:
    records = [bytes([i]) * 500 for i in range(7)]
    for record in records:
        assert pair.producer.write(record)
    first = pair.read()
    assert pair.far.carry(*first) == Carried.taken
    pair.consumer.release()
    for record in records[:3]:
        pair.producer.write(record)
    more = pair.read()
    assert pair.far.carry(*more) == Carried.full
    taken = pair.engine.poll()
    assert len(records) <= len(taken) < len(records) + 3
    pair.engine.release()
    assert pair.far.carry(*more) == Carried.taken
    assert taken + pair.engine.poll() == records + records[:3]
    assert pair.far.tail == more[2]


def test_bytes_that_are_no_records_are_refused_whole(pair: Pair) -> None:
    pair.producer.write(b"one")
    chunk, position, end = pair.read()
    for bad in (chunk[:-1], chunk + b"x", b"\xff" * 16, chunk[:4] + b"\x01" + chunk[5:], chunk + bytes(8)):
        assert pair.far.carry(bad, position, end) == Carried.damaged
    assert pair.far.carry(chunk, position, end + 8) == Carried.damaged
    assert pair.far.carry(b"", 0, 8) == Carried.damaged
    assert pair.far.carry(chunk, 8, end) == Carried.gap
    assert pair.engine.poll() == []


def test_a_chunk_that_overlaps_without_a_common_end_is_refused(pair: Pair) -> None:
    pair.far.write(b"12345678")  # ends at 16
    pair.producer.write(b"x" * 20)  # ends at 32
    pair.producer.write(b"y")
    assert pair.far.carry(*pair.read()) == Carried.damaged


def test_reading_begins_again_behind_any_unreleased_record(pair: Pair) -> None:
    for record in (b"one", b"two", b"three"):
        pair.producer.write(record)
    assert pair.consumer.poll() == [b"one", b"two", b"three"]
    assert pair.consumer.seek(16)
    assert pair.consumer.poll() == [b"two", b"three"]
    assert not pair.consumer.seek(17)
    assert pair.consumer.poll() == [b"one", b"two", b"three"]


def test_a_part_of_what_was_read_is_released(pair: Pair) -> None:
    for record in (b"one", b"two", b"three"):
        pair.producer.write(record)
    pair.consumer.poll(2)
    assert not pair.consumer.release_to(8)  # no record ends there
    assert not pair.consumer.release_to(48)  # not read yet
    assert pair.consumer.release_to(16)
    assert (pair.producer.head, pair.consumer.position) == (16, 32)
    assert pair.consumer.poll() == [b"three"]
    assert not pair.consumer.seek(0)


def test_a_damaged_ring_is_no_place_to_begin_again(pair: Pair, tmp_path: Path) -> None:
    pair.producer.write(b"one")
    pair.producer.write(b"two")
    pair.consumer.poll()
    with (tmp_path / "here").open("r+b") as file:
        file.seek(4096 + 16)
        file.write(b"\xff" * 8)
    with pytest.raises(RingDamaged):
        pair.consumer.seek(32)
