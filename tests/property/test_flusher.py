"""Whatever is killed, in whatever order: what the ring took is on tape and archive, each record once, in order."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.flusher.agent import COUNTERS, HISTOGRAMS, FeedFlusher
from services.flusher.archiver import Archiver, Limits
from services.flusher.flusher import Pacer
from tapewire import logs
from tapewire.histogram import StatsPage
from tapewire.ring import RingConsumer, RingProducer, create_ring
from tapewire.store import layout
from tapewire.store.query import Store
from tapewire.tape import TapeWriter
from tests.crash.failing_disk import FailingDisk, Killed
from tests.oracle.market import market_data
from tests.oracle.slow_rows import rows_of

FEED, TAPE = "x", "md.x"
OPERATIONS = ("write", "write", "flush", "flush", "kill flusher", "kill before release", "archive", "kill archiver")


class World:
    """A feed's path from ring to archive, whose parts can be killed one by one."""

    def __init__(self, data: Path, records: list[bytes]) -> None:
        self.data, self.records, self.written = data, records, 0
        self.ring, self.tape = data / "ring", layout.tape(data, TAPE)
        self.now = 0
        data.mkdir(exist_ok=True)
        create_ring(self.ring, 1 << 16)
        self.writer: TapeWriter | None = None
        self.flusher = self._start()
        self.archiver: Archiver | None = None

    def _open_tape(self) -> TapeWriter:
        self.writer = TapeWriter(self.tape, name=TAPE, segment_bytes=1 << 16, helper=False)
        return self.writer

    def _clock(self) -> int:
        self.now += 2 * 10**9
        return self.now

    def _start(self) -> FeedFlusher:
        self.stats = StatsPage.create(self.data / "stats", HISTOGRAMS, COUNTERS)
        open_ring, log = (lambda: RingConsumer(self.ring)), logs.get("flusher")
        pacer = Pacer(16)
        return FeedFlusher(FEED, self.ring, self.tape, open_ring, self._open_tape, pacer, self.stats, log, self._clock)

    def do(self, operation: str, n: int) -> None:
        if operation == "write":
            with RingProducer(self.ring) as producer:
                self.written += producer.write_many(self.records[self.written : self.written + n])
        elif operation == "flush":
            self.flusher.do_work()
        elif operation == "kill flusher":
            self._kill()
        elif operation == "kill before release":
            # What a kill just behind the commit leaves: the tape has the batch, and so has the ring.
            if self.flusher._ring is not None and self.writer is not None and self.writer.is_open:
                fresh = [
                    r for r in self.flusher._ring.poll(n) if int.from_bytes(r[16:24], "little") >= self.writer.next_seq
                ]
                self.writer.append_many(fresh)
                self.writer.commit()
            self._kill()
        else:
            self._archive(FailingDisk(n if operation == "kill archiver" else 10**9, Random(n)))

    def _kill(self) -> None:
        if self.writer is not None:
            self.writer.abandon()
        self.flusher._let_go()
        self.stats.close()
        self.flusher = self._start()

    def _archive(self, disk: FailingDisk) -> None:
        if not self.tape.is_dir():
            return
        archiver = Archiver(self.data, TAPE, Limits(records=12, wait_ns=0), disk)
        try:
            while archiver.do_work(0):
                pass
        except Killed:
            pass
        finally:
            archiver.close()

    def finish(self) -> None:
        for _ in range(200):
            self.flusher.do_work()
        self.flusher.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In memory: this is about order, not about the disk."""
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    operations=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 60)), max_size=40),
)
def test_archive_and_tail_equal_what_the_ring_took(folder: Path, seed: int, operations: list[tuple[str, int]]) -> None:
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    world = World(data, market_data(seed, 200))
    for operation, n in operations:
        world.do(operation, n)
    world.finish()
    expected = rows_of(world.records[: world.written], FEED)
    store = Store(data)
    found = {key: store.query(*key, FEED, raw=True).drop_columns(["feed", "ticker"]).to_pylist() for key in expected}
    store.close()
    assert found == expected
