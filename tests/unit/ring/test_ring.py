from __future__ import annotations

import struct
import threading
import time
from pathlib import Path

import pytest

from tapewire.errors import RingBusy, RingDamaged, RingError, RingMissing
from tapewire.ring import RingConsumer, RingProducer, RingState, create_ring, last_record, ring_state

CAPACITY = 4096
TAIL_AT, HEAD_AT, DATA_AT = 128, 256, 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_ring(tmp_path / "ring", CAPACITY)
    return tmp_path / "ring"


def patch(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def test_records_come_out_as_they_went_in_and_stay_until_released(path: Path) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        assert [producer.write(data) for data in (b"", b"one", b"exactly8")] == [True] * 3
        assert (consumer.poll(2), consumer.poll(2), consumer.poll(2)) == ([b"", b"one"], [b"exactly8"], [])
        assert (producer.tail, producer.head, consumer.position) == (8 + 16 + 16, 0, 40)
        consumer.release()
        assert (producer.head, consumer.head) == (40, 40)


def test_a_consumer_that_restarts_sees_again_what_it_did_not_release(path: Path) -> None:
    with RingProducer(path) as producer:
        producer.write_many([b"a", b"b", b"c"])
        with RingConsumer(path) as consumer:
            consumer.poll(1)
            consumer.release()
            consumer.poll()
        with RingConsumer(path) as consumer:
            assert consumer.poll() == [b"b", b"c"]


def test_a_full_ring_says_so_and_takes_more_after_a_release(path: Path) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        record = bytes(56)  # 64 with its head: 64 of them fill the ring to the last byte
        assert producer.write_many([record] * 100) == 64
        assert producer.tail - producer.head == CAPACITY
        assert not producer.write(b"")
        consumer.poll(1)
        assert not producer.write(b"")
        consumer.release()
        assert producer.write(record)
        assert not producer.write(b"")
        assert len(consumer.poll(100)) == 64


def test_a_record_that_would_wrap_starts_at_the_front_behind_padding(path: Path) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        for _ in range(4):
            producer.write(bytes(1000))  # 1008 with its head, so 64 bytes are left before the wrap
        assert len(consumer.poll()) == 4
        consumer.release()
        assert producer.write(b"x" * 57)  # 72: does not fit into 64
        assert producer.tail == CAPACITY + 72
        assert consumer.poll() == [b"x" * 57]
        assert consumer.position == CAPACITY + 72


def test_a_record_that_fits_exactly_before_the_wrap_needs_no_padding(path: Path) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        for _ in range(4):
            producer.write(bytes(1000))
        consumer.poll()
        consumer.release()
        assert producer.write(b"x" * 56)
        assert producer.tail == CAPACITY
        assert producer.write(b"y")
        assert consumer.poll() == [b"x" * 56, b"y"]


def test_the_longest_record_fits_an_empty_ring_wherever_it_stands(tmp_path: Path) -> None:
    longest = bytes(CAPACITY // 4)
    for first in range(0, CAPACITY, 8):
        path = tmp_path / f"ring{first}"
        create_ring(path, CAPACITY, first)
        with RingProducer(path) as producer, RingConsumer(path) as consumer:
            assert producer.max_record == len(longest)
            assert (producer.write(longest), consumer.poll()) == (True, [longest])
        path.unlink()


def test_a_record_too_long_for_the_ring_is_an_error_and_not_full(path: Path) -> None:
    with RingProducer(path) as producer:
        with pytest.raises(RingError, match=r"ring: a record of 1025 bytes; a ring of 4096 takes at most 1024"):
            producer.write(bytes(1025))
        assert producer.tail == 0


def test_write_many_publishes_what_came_before_a_refused_record(path: Path) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        with pytest.raises(RingError, match="1025"):
            producer.write_many([b"a", b"b", bytes(1025), b"c"])
        with pytest.raises(TypeError, match="write_many takes bytes, not str"):
            producer.write_many([b"d", "e"])  # type: ignore[list-item]
        assert consumer.poll() == [b"a", b"b", b"d"]


def test_a_second_live_producer_or_consumer_is_refused_and_a_later_one_is_not(path: Path) -> None:
    producer, consumer = RingProducer(path), RingConsumer(path)
    with pytest.raises(RingBusy, match="another live producer has this ring open"):
        RingProducer(path)
    with pytest.raises(RingBusy, match="another live consumer has this ring open"):
        RingConsumer(path)
    producer.close()
    consumer.close()
    RingProducer(path).close()
    RingConsumer(path).close()


def test_each_side_knows_whether_the_other_lives(path: Path) -> None:
    producer = RingProducer(path)
    assert not producer.consumer_alive
    consumer = RingConsumer(path)
    assert (producer.consumer_alive, consumer.producer_alive) == (True, True)
    producer.close()
    assert not consumer.producer_alive
    assert ring_state(path) == RingState(CAPACITY, 0, 0, producer_alive=False, consumer_alive=True)


def test_a_closed_side_refuses_to_work(path: Path) -> None:
    producer, consumer = RingProducer(path), RingConsumer(path)
    producer.close()
    consumer.close()
    producer.close()
    with pytest.raises(RingError, match="this producer was closed"):
        producer.write(b"")
    with pytest.raises(RingError, match="this consumer was closed"):
        consumer.poll()


def test_create_ring_keeps_what_is_there(path: Path) -> None:
    with RingProducer(path) as producer:
        producer.write(b"kept")
    assert create_ring(path, 2 * CAPACITY) is False
    with RingConsumer(path) as consumer:
        assert (consumer.capacity, consumer.poll()) == (CAPACITY, [b"kept"])
    assert [file.name for file in path.parent.iterdir()] == ["ring"]


def test_create_ring_refuses_to_keep_a_ring_behind_the_position_asked_for(path: Path) -> None:
    with pytest.raises(RingError, match="stands at position 0, behind the 64 asked for"):
        create_ring(path, CAPACITY, 64)


def test_a_ring_made_anew_counts_on_from_its_first_position(tmp_path: Path) -> None:
    create_ring(tmp_path / "ring", CAPACITY, 1 << 40)
    with RingProducer(tmp_path / "ring") as producer, RingConsumer(tmp_path / "ring") as consumer:
        producer.write(b"x")
        assert (consumer.poll(), consumer.position) == ([b"x"], (1 << 40) + 16)


@pytest.mark.parametrize(
    ("capacity", "first", "message"),
    [
        (4095, 0, "a capacity of 4095 bytes; expected a power of two from 4096 to 4294967296"),
        (2048, 0, "a capacity of 2048"),
        (1 << 33, 0, "a capacity of 8589934592"),
        (4096, 12, "a first position of 12; expected a multiple of 8"),
    ],
)
def test_create_ring_refuses_impossible_numbers(tmp_path: Path, capacity: int, first: int, message: str) -> None:
    with pytest.raises(RingError, match=message):
        create_ring(tmp_path / "ring", capacity, first)
    assert list(tmp_path.iterdir()) == []


def test_a_ring_that_cannot_be_created_says_why(tmp_path: Path) -> None:
    with pytest.raises(RingError, match=r"nowhere/ring: cannot create the ring: No such file or directory"):
        create_ring(tmp_path / "nowhere" / "ring", CAPACITY)


def test_a_missing_ring_says_what_to_do(tmp_path: Path) -> None:
    for side in (RingProducer, RingConsumer, ring_state):
        with pytest.raises(RingMissing, match=r"no such ring\. Start the service that creates it"):
            side(tmp_path / "ring")


@pytest.mark.parametrize(
    ("at", "data", "message"),
    [
        (0, b"NOTARING", "not a ring: begins with 474e495241544f4e"),
        (8, b"\x02", "a ring of version 2, this build reads version 1"),
        (12, b"\x08", "a ring of version 1"),
        (16, u64(8192), "says a capacity of 8192 bytes and the file has 8192"),
        (16, u64(4095), "says a capacity of 4095"),
        (16, u64(1 << 63), "says a capacity of 9223372036854775808"),
        (24, u64(8), "its header is damaged: check is"),
        (32, u64(0), "its header is damaged: check is"),
        (TAIL_AT, u64(7), "cursors are damaged: first 0, head 0, tail 7"),
        (HEAD_AT, u64(8), "cursors are damaged: first 0, head 8, tail 0"),
        (TAIL_AT, u64(CAPACITY + 8), "cursor is damaged"),
    ],
)
def test_a_damaged_header_is_named_and_refused(path: Path, at: int, data: bytes, message: str) -> None:
    patch(path, at, data)
    for side in (RingProducer, RingConsumer):
        with pytest.raises(RingError, match=message) as caught:
            side(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("length", [0, 40, DATA_AT, DATA_AT + CAPACITY - 1])
def test_a_file_cut_short_is_refused(path: Path, length: int) -> None:
    with path.open("r+b") as file:
        file.truncate(length)
    for use in (RingConsumer, RingProducer, ring_state, last_record, lambda it: create_ring(it, CAPACITY)):
        with pytest.raises(RingError, match=r"not a ring|header says a capacity"):
            use(path)


@pytest.mark.parametrize(
    "head",
    [
        u64(0),  # never written
        struct.pack("<II", 1025, 0x7E1A5000 ^ 2),  # longer than any record may be
        struct.pack("<II", 0xFFFFFFFF, 0x7E1A5000 ^ 2),
        struct.pack("<II", 64, 0x7E1A5000 ^ 2),  # beyond what was published
        struct.pack("<II", 8, 0x7E1A5000 ^ 1),  # a record of another position
        struct.pack("<II", 16, 0x9D0C3000 ^ 2),  # padding that does not end at the wrap
        struct.pack("<II", 0, 0x9D0C3000 ^ 2),  # padding of no length: would go round for ever
        struct.pack("<II", CAPACITY - 16, 0x9D0C3000 ^ 2),  # padding beyond what was published
    ],
)
def test_a_damaged_record_ends_the_poll_behind_the_last_whole_one(path: Path, head: bytes) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        producer.write_many([b"whole", b"damaged"])
        patch(path, DATA_AT + 16, head)
        assert consumer.poll() == [b"whole"]
        for _ in range(2):
            with pytest.raises(RingDamaged, match="the record at position 16 is damaged") as caught:
                consumer.poll()
            assert str(path) in str(caught.value)
        with pytest.raises(RingDamaged):
            consumer.poll_into(bytearray(CAPACITY))
        consumer.release()
        assert producer.head == 16


@pytest.mark.parametrize("tail", [8, 23, 24 + CAPACITY, (1 << 64) - 8])
def test_a_cursor_the_producer_cannot_have_written_is_refused(path: Path, tail: int) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        producer.write(b"whole")
        assert consumer.poll() == [b"whole"]
        patch(path, TAIL_AT, u64(tail))
        with pytest.raises(RingDamaged, match=f"the producer's cursor is damaged: tail {tail}, expected"):
            consumer.poll()


@pytest.mark.parametrize("head", [8, 4097, CAPACITY + 72, (1 << 64) - 8])
def test_a_cursor_the_consumer_cannot_have_written_is_refused(path: Path, head: int) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        producer.write_many([bytes(56)] * 64)
        consumer.poll(1)
        consumer.release()
        assert producer.write(bytes(56))
        patch(path, HEAD_AT, u64(head))
        with pytest.raises(RingDamaged, match=f"the consumer's cursor is damaged: head {head}, expected"):
            producer.write(bytes(56))


def test_poll_into_says_when_not_even_one_record_fits(path: Path) -> None:
    with RingProducer(path) as producer, RingConsumer(path) as consumer:
        producer.write(b"seventeen bytes..")
        with pytest.raises(ValueError, match="does not fit into a buffer of 31 bytes; 1039 take any"):
            consumer.poll_into(bytearray(31))
        buffer = bytearray(32)
        assert consumer.poll_into(buffer) == (1, 32)
        assert buffer[:25] == u64(17) + b"seventeen bytes.."


def test_two_threads_of_one_process_exchange_records_in_order(path: Path) -> None:
    count = 20_000

    def produce() -> None:
        with RingProducer(path) as producer:
            number = 0
            while number < count:
                number += producer.write_many(
                    n.to_bytes(4, "little") * (n % 9) for n in range(number, min(number + 50, count))
                )
                time.sleep(0)  # the other thread would wait for the interpreter as long as it is not given away

    thread = threading.Thread(target=produce)
    seen: list[bytes] = []
    with RingConsumer(path) as consumer:
        thread.start()
        while len(seen) < count:
            seen += consumer.poll(64)
            consumer.release()
            time.sleep(0)
    thread.join()
    assert seen == [n.to_bytes(4, "little") * (n % 9) for n in range(count)]
