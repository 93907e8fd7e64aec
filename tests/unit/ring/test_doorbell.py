from __future__ import annotations

import resource
import threading
import time
from pathlib import Path

import pytest

from tapewire.errors import RingError
from tapewire.ring import Doorbell, RingConsumer, RingProducer, create_ring

SECOND = 1_000_000_000


@pytest.fixture
def bell(tmp_path: Path) -> Doorbell:
    return Doorbell(tmp_path / "bell")


def test_a_wait_that_nobody_ends_times_out(bell: Doorbell) -> None:
    bell.arm()
    started = time.monotonic_ns()
    assert not bell.wait(20_000_000)
    assert time.monotonic_ns() - started >= 20_000_000


def test_a_ring_between_arming_and_waiting_is_not_lost(bell: Doorbell) -> None:
    bell.arm()
    bell.ring()
    started = time.monotonic_ns()
    assert bell.wait(60 * SECOND)
    assert time.monotonic_ns() - started < 30 * SECOND


def test_a_ring_with_nobody_armed_is_not_remembered(bell: Doorbell) -> None:
    bell.ring()
    bell.arm()
    assert not bell.wait(1_000_000)


def test_a_disarmed_sleeper_is_not_woken_and_a_negative_time_out_is_none(bell: Doorbell) -> None:
    bell.arm()
    assert not bell.wait(-1)
    bell.arm()
    bell.disarm()
    bell.ring()
    bell.arm()
    assert not bell.wait(0)


def test_any_producer_that_opened_the_doorbell_wakes_the_sleeper(tmp_path: Path, bell: Doorbell) -> None:
    for number in range(3):
        create_ring(tmp_path / f"ring{number}", 4096)
    consumers = [RingConsumer(tmp_path / f"ring{number}") for number in range(3)]
    for number in range(3):
        asleep = threading.Event()

        def produce(number: int = number, asleep: threading.Event = asleep) -> None:
            with RingProducer(tmp_path / f"ring{number}", Doorbell(tmp_path / "bell")) as producer:
                asleep.wait()
                producer.write(b"wake")

        thread = threading.Thread(target=produce)
        thread.start()
        bell.arm()
        asleep.set()
        assert bell.wait(30 * SECOND)
        assert consumers[number].poll() == [b"wake"]
        thread.join()


def test_no_record_is_missed_by_a_consumer_that_sleeps_whenever_it_can(tmp_path: Path, bell: Doorbell) -> None:
    create_ring(tmp_path / "ring", 4096)
    count = 3_000

    def produce() -> None:
        with RingProducer(tmp_path / "ring", Doorbell(tmp_path / "bell")) as producer:
            for number in range(count):
                while not producer.write(number.to_bytes(4, "little")):
                    time.sleep(0)
                if number % 7 == 0:
                    time.sleep(0)

    thread = threading.Thread(target=produce)
    seen: list[int] = []
    missed = 0
    with RingConsumer(tmp_path / "ring") as consumer:
        thread.start()
        while len(seen) < count:
            bell.arm()
            if records := consumer.poll():
                bell.disarm()
                seen += [int.from_bytes(record, "little") for record in records]
                consumer.release()
            elif not bell.wait(30 * SECOND):
                missed += 1
    thread.join()
    assert (seen, missed) == (list(range(count)), 0)


@pytest.mark.parametrize("length", [1, 4095, 5000])
def test_a_file_that_is_no_doorbell_is_not_touched(tmp_path: Path, length: int) -> None:
    (tmp_path / "other").write_bytes(b"x" * length)
    with pytest.raises(RingError, match=r"other: cannot open the doorbell \(a file of 4096 bytes\): Invalid argument"):
        Doorbell(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"x" * length


def test_a_doorbell_without_room_says_so(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(RingError, match="File too large"):
            Doorbell(tmp_path / "bell")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_closed_doorbell_refuses_and_so_does_a_producer_that_was_to_ring_it(tmp_path: Path, bell: Doorbell) -> None:
    create_ring(tmp_path / "ring", 4096)
    with RingProducer(tmp_path / "ring", bell) as producer:
        bell.close()
        for call in (bell.ring, bell.arm, bell.disarm, lambda: bell.wait(0), lambda: producer.write(b"")):
            with pytest.raises(RingError, match="this doorbell was closed"):
                call()
