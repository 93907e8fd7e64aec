"""A million records between two processes, each checked."""

from __future__ import annotations

import multiprocessing
import time
import zlib
from pathlib import Path

from tapewire.ring import Doorbell, RingConsumer, RingProducer, create_ring

COUNT = 1_000_000
BATCH = 500


def record(number: int) -> bytes:
    body = number.to_bytes(8, "little") * (1 + number % 11)
    return zlib.crc32(body).to_bytes(4, "little") + body


def produce(path: str, doorbell: str) -> None:
    with RingProducer(path, Doorbell(doorbell)) as producer:
        for first in range(0, COUNT, BATCH):
            batch = [record(number) for number in range(first, first + BATCH)]
            while batch:
                written = producer.write_many(batch)
                del batch[:written]
                if not written:
                    time.sleep(0.0001)


def test_a_million_records_cross_whole_and_in_order(tmp_path: Path) -> None:
    create_ring(tmp_path / "ring", 1 << 20)
    bell = Doorbell(tmp_path / "bell")
    child = multiprocessing.get_context("spawn").Process(target=produce, args=(str(tmp_path / "ring"), str(bell.path)))
    child.start()
    number = 0
    with RingConsumer(tmp_path / "ring") as consumer:
        deadline = time.monotonic() + 100
        while number < COUNT and time.monotonic() < deadline:
            bell.arm()
            records = consumer.poll(1000)
            if not records:
                bell.wait(100_000_000)
                continue
            bell.disarm()
            for data in records:
                assert int.from_bytes(data[4:12], "little") == number
                assert zlib.crc32(data[4:]) == int.from_bytes(data[:4], "little")
                number += 1
            consumer.release()
    child.join(60)
    assert (number, child.exitcode) == (COUNT, 0)
