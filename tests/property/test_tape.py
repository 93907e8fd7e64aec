"""The tape against its oracle, a list of bytes: any course of appends, commits, reopenings and reads agrees."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tapewire.tape import TapeReader, Writer
from tests.oracle.naive_tape import NaiveTape
from tests.tapes import SMALL, any_record, in_memory_folder

STEPS = 300


class World:
    """Does the same to a tape and to the oracle. The readers live through everything."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.path, self.naive = path, NaiveTape()
        self.writer = self.open()
        self.tailing = [TapeReader(path) for _ in range(2)]
        self.seen: list[list[bytes]] = [[], []]

    def open(self) -> Writer:
        return Writer(self.path, "t", SMALL * self.random.choice((1, 2, 4)), self.random.choice(("memory", "disk")))

    def append(self) -> None:
        for _ in range(self.random.randint(1, 12)):
            raw = any_record(self.naive.next_seq)
            assert self.writer.append(raw) == self.naive.next_seq
            self.naive.append(raw)

    def commit(self) -> None:
        self.writer.commit()
        self.naive.commit()

    def reopen(self) -> None:
        """Closed cleanly: what was not committed is gone, unless a rotation had sealed it."""
        self.writer.close()
        self.writer = self.open()
        self.settle()

    def kill(self) -> None:
        """What was not committed may survive, as a prefix."""
        self.writer.abandon()
        self.writer = self.open()
        self.settle()

    def settle(self) -> None:
        kept = self.writer.next_seq - 1 - len(self.naive.committed)
        assert 0 <= kept <= len(self.naive.open_batch)
        self.naive.committed += self.naive.open_batch[:kept]
        self.naive.close()
        assert self.writer.recovery.last_seq == len(self.naive.committed)

    def prepare(self) -> None:
        self.writer.prepare_next()

    def sync(self) -> None:
        if not self.naive.open_batch:
            self.writer.sync()

    def tail(self) -> None:
        which = self.random.randrange(2)
        self.seen[which] += self.tailing[which].poll(self.random.randint(1, 40))

    def read(self) -> None:
        seq, count = self.random.randint(1, len(self.naive.committed) + 1), self.random.randint(1, 60)
        with TapeReader(self.path, from_seq=seq) as reader:
            assert reader.poll(count) == self.naive.read(seq, count)

    def read_from_time(self) -> None:
        ts = self.random.randint(-20, 10 * len(self.naive.committed) + 20)
        with TapeReader(self.path) as reader:
            reader.seek_time(ts)
            assert reader.next_seq == self.naive.first_at(ts)

    def finish(self) -> None:
        self.commit()
        for reader, seen in zip(self.tailing, self.seen, strict=True):
            while batch := reader.poll(1000):
                seen += batch
            assert seen == self.naive.committed
        self.writer.close()


@pytest.mark.parametrize("seed", range(30))
def test_any_course_of_events_agrees_with_the_oracle(seed: int) -> None:
    with in_memory_folder() as folder:
        world = World(folder / "t", seed)
        steps = [world.append] * 6 + [world.commit] * 4 + [world.tail] * 3 + [world.read, world.read_from_time]
        steps += [world.reopen, world.kill, world.prepare, world.sync]
        for _ in range(STEPS):
            world.random.choice(steps)()
        world.finish()
