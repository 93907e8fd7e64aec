"""The stage log against its naive twin, over any sequence of batches, polls, look-ups and restarts of either side."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tapewire.stages import Batch, StageReader, StageWriter
from tests.oracle.naive_stages import NaiveStages

SLOTS = 8
times = st.integers(0, (1 << 63) - 1)


class StagesMachine(RuleBasedStateMachine):
    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tapewire-stages-", dir="/dev/shm"))
        self.path = self.folder / "log"
        self.naive, self.seq = NaiveStages(SLOTS), 0
        self.writer = StageWriter(self.path, slots=SLOTS)
        self.reader = StageReader(self.path)

    @rule(records=st.integers(1, 5), stamps=st.tuples(times, times, times, times, times), again=st.booleans())
    def record(self, records: int, stamps: tuple[int, int, int, int, int], again: bool) -> None:
        if again:  # the tape lost its tail, and gives the same numbers once more
            self.seq = max(0, self.seq - 3)
        began, matched, written, durable, released = stamps
        batch = Batch(self.seq + 1, self.seq + records, began, matched, written, durable, released)
        self.writer.record(batch.first, batch.last, began, released, matched, written, durable)
        self.naive.batches.append(batch)
        self.seq = batch.last

    @rule(limit=st.integers(1, 12))
    def poll(self, limit: int) -> None:
        assert self.reader.poll(limit) == self.naive.poll(limit)
        assert (self.reader.next, self.reader.missed) == (self.naive.next, self.naive.missed)

    @rule(seq=st.integers(0, 60))
    def find(self, seq: int) -> None:
        assert self.reader.find(seq) == self.naive.find(seq)

    @rule()
    def restart_writer(self) -> None:
        self.writer.close()
        self.writer = StageWriter(self.path, slots=SLOTS)
        assert not self.reader.replaced

    @rule()
    def restart_reader(self) -> None:
        self.reader.close()
        missed = self.reader.missed
        self.reader = StageReader(self.path, start=self.naive.next)
        self.naive.missed -= missed

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "naive"):
            assert self.reader.count == self.writer.count == len(self.naive.batches)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.writer.close()
            self.reader.close()
            shutil.rmtree(self.folder)


TestStages = StagesMachine.TestCase
TestStages.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
