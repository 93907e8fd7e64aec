"""What happens at the edges of a stage log: other files, two writers, a reader that is overtaken, a killed writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapewire.errors import StageLogError
from tapewire.stages import Batch, StageReader, StageWriter

ROOT = Path(__file__).resolve().parents[3]
WRITE_ON = """
import sys
from tapewire.stages import StageWriter
with StageWriter(sys.argv[1], slots=64) as log:
    print("writing", flush=True)
    at = log.count
    while True:
        log.record(at, at + 3, at * 3, at * 17, at * 5, at * 7, at * 11)
        at += 1
"""


def derived(at: int) -> Batch:
    return Batch(at, at + 3, at * 3, at * 5, at * 7, at * 11, at * 17)


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes batches as fast as it can, each made of its number."""
    process = subprocess.Popen([sys.executable, "-c", WRITE_ON, str(path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"writing\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until_written(path: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    with StageReader(path) as reader:
        while reader.count < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_a_batch_is_read_as_it_was_written(tmp_path: Path) -> None:
    with StageWriter(tmp_path / "log") as writer, StageReader(tmp_path / "log") as reader:
        assert reader.poll() == []
        writer.record(5, 9, 100, 140, 110, 120, 130)
        assert reader.poll() == [Batch(5, 9, 100, 110, 120, 130, 140)]
        assert (reader.slots, reader.writer_alive, reader.missed) == (65_536, True, 0)


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with StageWriter(tmp_path / "log"), pytest.raises(StageLogError, match="another live process writes"):
        StageWriter(tmp_path / "log")
    StageWriter(tmp_path / "log").close()


def test_what_is_no_stage_log_is_refused_by_a_reader_and_replaced_by_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(StageLogError, match="not a stage log"):
        StageReader(path)
    with StageWriter(path) as writer, StageReader(path) as reader:
        writer.record(1, 1, 1, 2)
        assert reader.poll() == [Batch(1, 1, 1, 0, 0, 0, 2)]


def test_a_log_of_another_size_is_made_anew_and_its_reader_can_tell(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with StageWriter(path, slots=8) as writer:
        writer.record(1, 1, 1, 2)
    reader = StageReader(path)
    with StageWriter(path, slots=16) as writer:
        assert writer.count == 0
        assert reader.replaced


@pytest.mark.parametrize("slots", [0, 3, 24, 1 << 25])
def test_a_number_of_slots_that_cannot_be_is_refused(tmp_path: Path, slots: int) -> None:
    with pytest.raises(StageLogError, match="power of two"):
        StageWriter(tmp_path / "log", slots=slots)


def test_a_closed_log_takes_and_gives_nothing(tmp_path: Path) -> None:
    writer = StageWriter(tmp_path / "log")
    reader = StageReader(tmp_path / "log")
    writer.close()
    reader.close()
    with pytest.raises(StageLogError, match="closed"):
        writer.record(1, 1, 1, 1)
    with pytest.raises(StageLogError, match="closed"):
        reader.poll()


def test_a_reader_beside_a_writer_that_overtakes_it_gets_only_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with writing(path) as process:
        reader = StageReader(path)
        begun, read, before, until = reader.next, 0, 0, time.monotonic() + 20
        while (reader.missed < 2000 or read < 2000) and time.monotonic() < until:
            for batch in reader.poll(48):
                assert batch == derived(batch.first)
                assert batch.first >= before
                before, read = batch.first + 1, read + 1
            if found := reader.find(max(0, reader.count - 5)):
                assert found == derived(found.first)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for batch in reader.poll(1000):
            assert batch == derived(batch.first)
            read += 1
        assert read > 1000
        assert reader.missed > 1000, "the writer never overtook its reader: the test showed nothing"
        assert begun + read + reader.missed == reader.next == reader.count


def test_after_a_kill_the_next_writer_goes_on_where_the_last_stopped(tmp_path: Path) -> None:
    path, before = tmp_path / "log", 0
    for _ in range(3):
        with writing(path) as process:
            until_written(path, before + 64)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        with StageReader(path) as reader:
            count, batches = reader.count, reader.poll(1000)
            assert not reader.writer_alive
            assert batches == [derived(at) for at in range(count - len(batches), count)]
            assert len(batches) >= 63, "at most the slot that was being written is lost"
            before = count
    with StageWriter(path, slots=64) as writer:
        assert writer.count == count
