"""Kills either side of a ring at moments nobody chose: nothing published is lost, nothing half-written is seen."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.ring import RingConsumer, RingProducer, create_ring, ring_state
from tests.crash import ring_zygote

KILLS = 100
LIFE_MAX_S = 0.004
LONGEST_LIFE_S = 1.0
PATIENCE_S = 30.0


class Lives:
    """How long the next process may live: a moment nobody chose.

    Where several in a row did nothing before they died, the machine is busy with others, and the next may live longer.
    """

    def __init__(self, draw: random.Random) -> None:
        self._draw, self._longest = draw, LIFE_MAX_S

    def until(self) -> float:
        return time.monotonic() + self._longest * self._draw.random()

    def ended(self, did_something: bool) -> None:
        self._longest = LIFE_MAX_S if did_something else min(self._longest * 1.5, LONGEST_LIFE_S)


class Zygote:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.ring_zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, *command: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(*command, file=self.process.stdin, flush=True)
        self.last_child = int(self.process.stdout.readline())
        return self.last_child

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it lives only if the test failed
            os.kill(self.last_child, signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def draw() -> random.Random:
    return random.Random()  # not seeded: the moments depend on the machine anyway


def wait_until_dead(path: Path, side: str) -> None:
    """A killed process is dead once the kernel has closed its files: this is what frees its side of the ring."""
    deadline = time.monotonic() + PATIENCE_S
    while getattr(ring_state(path), f"{side}_alive"):
        assert time.monotonic() < deadline, f"the {side} was killed and still holds its lock"
        time.sleep(0.0005)


def test_producers_killed_at_any_moment_leave_a_chain_without_gaps(
    tmp_path: Path, zygote: Zygote, draw: random.Random
) -> None:
    path, ack = tmp_path / "ring", tmp_path / "ack"
    create_ring(path, 1 << 17)
    ack.write_bytes(bytes(8))
    records, generations, last_tail = 0, 0, 0
    lives = Lives(draw)
    with RingConsumer(path) as consumer:
        for _ in range(KILLS):
            pid = zygote.start("produce", path, ack, draw.randrange(1 << 32))
            killed_at = lives.until()
            while True:
                alive = time.monotonic() < killed_at
                if not alive:
                    os.kill(pid, signal.SIGKILL)
                    wait_until_dead(path, "producer")
                while True:
                    previous_end = consumer.position
                    polled = consumer.poll(1)
                    if not polled:
                        break
                    claimed, checksum = struct.unpack_from("<QI", polled[0])
                    assert (claimed, checksum) == (previous_end, zlib.crc32(polled[0][12:]))
                    records += 1
                    consumer.release()
                if not alive:
                    break
            (acknowledged,) = struct.unpack("<Q", ack.read_bytes())
            assert consumer.position == consumer.tail >= acknowledged
            lives.ended(consumer.tail > last_tail)
            generations += consumer.tail > last_tail
            last_tail = consumer.tail
    assert generations > KILLS / 5, "too few producers lived long enough to write"
    assert records > KILLS


def test_consumers_killed_at_any_moment_take_every_record_at_least_once_and_in_order(
    tmp_path: Path, zygote: Zygote, draw: random.Random
) -> None:
    path, log = tmp_path / "ring", tmp_path / "log"
    create_ring(path, 1 << 12)
    log.write_bytes(bytes(1 << 24))
    taken = ring_zygote.words(str(log))
    number, generations, checked = 0, 0, 0
    lives = Lives(draw)
    last_taken = -1
    with RingProducer(path) as producer:
        for _ in range(KILLS):
            head = producer.head
            pid = zygote.start("consume", path, log)
            killed_at = lives.until()
            while time.monotonic() < killed_at:
                while producer.write(struct.pack("<Q", number) + bytes(number % 90)):
                    number += 1
            os.kill(pid, signal.SIGKILL)
            wait_until_dead(path, "consumer")
            run = taken[1 + checked : 1 + taken[0]].tolist()
            if run:
                assert run == list(range(run[0], run[0] + len(run))), "records out of order"
                assert run[0] <= last_taken + 1, "records that nobody took were released"
                last_taken = max(last_taken, run[-1])
            checked += len(run)
            lives.ended(producer.head > head)
            generations += producer.head > head
        with RingConsumer(path) as consumer:
            rest = [struct.unpack_from("<Q", record)[0] for record in consumer.poll(1 << 20)]
    assert rest == list(range(number - len(rest), number))
    assert number - len(rest) <= last_taken + 1, "records that nobody took were released"
    assert generations > KILLS / 5, "too few consumers lived long enough to release"
