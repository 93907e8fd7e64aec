"""The writer: what it takes, what it refuses, how it rotates, what a full disk does to it."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapewire.errors import TapeError, TapeFenced, TapeFull, TapeMissing, WireError
from tapewire.tape import Positions, Recovery, TapeReader, TapeWriter
from tests.tapes import SMALL, any_record, kill, refused, segments, trade

BOTH = pytest.mark.parametrize("durability", ["memory", "disk"])


def fill(writer: TapeWriter, until: int) -> list[bytes]:
    records = [kill(seq) for seq in range(writer.next_seq, until + 1)]
    writer.append_many(records)
    writer.commit()
    return records


@BOTH
def test_what_was_committed_is_read_back_byte_for_byte(tmp_path: Path, durability: str) -> None:
    records = [any_record(seq) for seq in range(1, 400)]
    with TapeWriter(tmp_path / "t", "md.test", 65536, durability) as writer:
        for raw in records:
            assert writer.append(raw) == writer.next_seq - 1
    assert list(TapeReader(tmp_path / "t")) == records


@BOTH
def test_nothing_is_seen_before_its_commit(tmp_path: Path, durability: str) -> None:
    with TapeWriter(tmp_path, "t", SMALL, durability) as writer, TapeReader(tmp_path, limit="written") as reader:
        writer.append(kill(1))
        before = reader.poll()
        writer.commit()
        assert (before, reader.poll()) == ([], [kill(1)])


def test_the_positions_of_disk_move_together_and_those_of_memory_wait_for_a_sync(tmp_path: Path) -> None:
    at = 216 + 112
    with TapeWriter(tmp_path / "disk", segment_bytes=SMALL, durability="disk") as disk:
        fill(disk, 1)
        assert disk.positions == Positions(at, at, at, 1, 1, 1)
    with TapeWriter(tmp_path / "memory", segment_bytes=SMALL, durability="memory", helper=False) as memory:
        fill(memory, 1)
        assert memory.positions == Positions(at, 216, at, 1, 0, 1)
        memory.sync()
        assert memory.positions == Positions(at, at, at, 1, 1, 1)


def test_the_helper_makes_memory_durable_by_and_by(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL, durability="memory") as writer, TapeReader(tmp_path) as reader:
        fill(writer, 5)
        deadline = time.monotonic() + 30
        while reader.positions.durable_seq < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert reader.positions.durable_seq == 5


@BOTH
def test_a_message_out_of_sequence_is_refused_and_changes_nothing(tmp_path: Path, durability: str) -> None:
    with TapeWriter(tmp_path, "t", SMALL, durability) as writer:
        writer.append(kill(1))
        with pytest.raises(TapeError, match=r"a message with seq 3, the tape's next is 2"):
            writer.append(kill(3))
        with pytest.raises(WireError, match="cannot stand on a tape"):
            writer.append(b"not a message of ours")
        writer.append(kill(2))
    assert list(TapeReader(tmp_path)) == [kill(1), kill(2)]


def test_a_message_longer_than_a_segment_takes_is_refused(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL) as writer:
        longest = writer.max_message
        fits = refused(1, "x" * (longest - 96 - 8))
        with pytest.raises(TapeError, match=f"at most {longest} fit"):
            writer.append(refused(1, "x" * (longest - 96)))
        writer.append(fits)
        assert len(fits) == longest
    assert list(TapeReader(tmp_path)) == [fits]


@BOTH
def test_a_message_of_a_mebibyte_fits_a_usual_segment(tmp_path: Path, durability: str) -> None:
    records = [refused(seq, "y" * ((1 << 20) - 96 - 8)) for seq in range(1, 8)]
    with TapeWriter(tmp_path, "t", 2 << 20, durability) as writer:
        writer.append_many(records)  # more than the staging buffer holds, over several segments, in one batch
    assert {len(raw) for raw in records} == {1 << 20}
    assert list(TapeReader(tmp_path)) == records


@BOTH
def test_segments_are_full_files_of_zeros_but_for_their_frames(tmp_path: Path, durability: str) -> None:
    with TapeWriter(tmp_path, "t", SMALL, durability) as writer:
        fill(writer, 50)
    files = segments(tmp_path)
    assert [path.name for path in files] == [f"{seq:020d}.seg" for seq in (1, 35)]
    assert [path.stat().st_size for path in files] == [SMALL, SMALL]
    assert all(path.stat().st_blocks * 512 >= SMALL for path in files)
    assert files[1].read_bytes()[216 + 16 * 112 :] == bytes(SMALL - 216 - 16 * 112)


@BOTH
def test_a_batch_may_cross_many_segments(tmp_path: Path, durability: str) -> None:
    records = [any_record(seq) for seq in range(1, 300)]
    with TapeWriter(tmp_path, "t", SMALL, durability, helper=False) as writer, TapeReader(tmp_path) as reader:
        writer.append_many(records)
        before = reader.poll(1000)
        writer.commit()
        assert (before, reader.poll(1000)) == ([], records)
        assert len(segments(tmp_path)) > 10


@BOTH
def test_every_way_a_segment_can_end_is_read_back(tmp_path: Path, durability: str) -> None:
    """Frames that leave 24, 32, ... bytes at a segment's end, and those that would leave less."""
    for spare in range(0, 160, 8):
        path = tmp_path / str(spare)
        first = refused(1, "x" * (SMALL - 216 - 16 - spare - 96 - 8 - 112))
        records = [first, kill(2), kill(3)]
        with TapeWriter(path, "t", SMALL, durability, helper=False) as writer:
            writer.append_many(records)
        with TapeWriter(path, "t", SMALL, durability, helper=False) as writer:
            writer.append(kill(4))
        assert list(TapeReader(path)) == [*records, kill(4)], spare


def test_the_next_segment_is_ready_before_it_is_needed(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL, helper=False) as writer:
        fill(writer, 10)
        early = writer.wants_next
        fill(writer, 20)
        wanted = writer.wants_next
        writer.prepare_next()
        ready = (tmp_path / "next.blank").read_bytes()
        assert (early, wanted, writer.wants_next, ready) == (False, True, False, bytes(SMALL))
        fill(writer, 40)
        assert not (tmp_path / "next.blank").exists()
    assert list(TapeReader(tmp_path)) == [kill(seq) for seq in range(1, 41)]


def test_prepare_and_sync_run_beside_the_writer(tmp_path: Path) -> None:
    """Another thread prepares and syncs without pause while segments fill and rotate."""
    stop = threading.Event()
    with TapeWriter(tmp_path, segment_bytes=SMALL, durability="memory", helper=False) as writer:

        def work() -> None:
            while not stop.is_set():
                writer.prepare_next()
                writer.sync()
                time.sleep(0.0005)

        beside = threading.Thread(target=work)
        beside.start()
        try:
            for seq in range(1, 3000):
                writer.append(trade(seq))
                if seq % 5 == 0:
                    writer.commit()
            writer.commit()
        finally:
            stop.set()
            beside.join()
    assert list(TapeReader(tmp_path, limit="durable")) == [trade(seq) for seq in range(1, 3000)]


def test_a_second_writer_is_fenced_off_and_told_by_whom(tmp_path: Path) -> None:
    with (
        TapeWriter(tmp_path) as first,
        pytest.raises(TapeFenced, match=f"another writer has this tape open: process {os.getpid()}, epoch 1"),
    ):
        TapeWriter(tmp_path)
    with TapeWriter(tmp_path) as second:
        assert (first.epoch, second.epoch) == (1, 2)


def test_the_epoch_rises_with_each_open_even_if_the_control_page_is_lost(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        with TapeWriter(tmp_path, segment_bytes=SMALL) as writer:
            assert writer.epoch == epoch
            fill(writer, writer.next_seq + 40)  # begins a segment, whose header carries the epoch
    (tmp_path / "control").unlink()
    with TapeWriter(tmp_path) as writer:
        assert writer.epoch == 4
        assert writer.recovery.last_seq == 123


def test_what_was_not_committed_is_dropped_by_close(tmp_path: Path) -> None:
    for durability in ("memory", "disk"):
        with TapeWriter(tmp_path / durability, "t", SMALL, durability) as writer:
            fill(writer, 3)
            writer.append(kill(4))
            writer.close()
        with TapeWriter(tmp_path / durability) as writer:
            assert writer.recovery == Recovery(False, 3, 3, 216 + 3 * 112, 0, 0, 0, "")


def test_leaving_by_an_exception_commits_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with TapeWriter(tmp_path) as writer:
            writer.append(kill(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert list(TapeReader(tmp_path)) == []


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path)
    writer.close()
    for call in (lambda: writer.append(kill(1)), writer.commit, writer.publish, writer.prepare_next):
        with pytest.raises(TapeError, match="this writer is not open"):
            call()
    writer.close()


def test_bad_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="segments of 5000 bytes; expected a multiple of 4096 from 4096 to 1073741824"):
        TapeWriter(tmp_path, segment_bytes=5000)
    with pytest.raises(TapeError, match="durability is 'disc'; expected 'memory', 'disk' or 'replicated'"):
        TapeWriter(tmp_path, durability="disc")
    with pytest.raises(TapeError, match="a tape's name has at most 63 bytes, this one 64"):
        TapeWriter(tmp_path, name="x" * 64)
    with pytest.raises(TapeMissing, match="no tape here"):
        TapeWriter(tmp_path / "none", create=False)
    TapeWriter(tmp_path, name="md.a").close()
    with pytest.raises(TapeError, match=r"this tape is called md\.a, not md\.b"):
        TapeWriter(tmp_path, name="md.b")


def test_new_segments_take_the_size_asked_for(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL) as writer:
        fill(writer, 10)
    with TapeWriter(tmp_path, segment_bytes=2 * SMALL) as writer:
        fill(writer, 40)
    with TapeWriter(tmp_path) as writer:
        fill(writer, 120)
    assert [path.stat().st_size for path in segments(tmp_path)] == [SMALL, 2 * SMALL, 2 * SMALL]
    assert list(TapeReader(tmp_path)) == [kill(seq) for seq in range(1, 121)]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small tmpfs is not permitted here; the file-size limit below covers the same path")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def no_file_larger_than(limit: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def append_until_full(writer: TapeWriter) -> int:
    """Appends and commits one by one until there is no room; the last seq committed."""
    while True:
        try:
            writer.append(kill(writer.next_seq))
        except TapeFull:
            return writer.next_seq - 1
        writer.commit()


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount command")
@BOTH
def test_a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_room(tmp_path: Path, durability: str) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(16384))
        with TapeWriter(disk / "t", "t", 16384, durability) as writer:
            held = append_until_full(writer)
            with pytest.raises(TapeFull, match="No space left on device"):
                writer.append(kill(held + 1))
            assert list(TapeReader(disk / "t")) == [kill(seq) for seq in range(1, held + 1)]
            ballast.unlink()
            fill(writer, held + 100)
        assert list(TapeReader(disk / "t")) == [kill(seq) for seq in range(1, held + 101)]


@BOTH
def test_an_open_batch_survives_the_refusal_of_the_next_segment(tmp_path: Path, durability: str) -> None:
    with TapeWriter(tmp_path, "t", 16384, durability, helper=False) as writer:
        fill(writer, 100)
        with no_file_larger_than(8192), pytest.raises(TapeFull, match="File too large"):
            writer.append_many(kill(seq) for seq in range(101, 1000))
        assert (writer.batch_records, writer.next_seq) == (44, 145)
        writer.commit()
        assert list(TapeReader(tmp_path)) == [kill(seq) for seq in range(1, 145)]
        fill(writer, 200)
    assert list(TapeReader(tmp_path)) == [kill(seq) for seq in range(1, 201)]


def test_a_tape_that_finds_no_room_at_all_is_not_half_made(tmp_path: Path) -> None:
    with no_file_larger_than(8192), pytest.raises(TapeFull, match="cannot prepare the next segment: File too large"):
        TapeWriter(tmp_path / "t", segment_bytes=16384)
    with TapeWriter(tmp_path / "t", segment_bytes=16384) as writer:
        fill(writer, 3)
    assert list(TapeReader(tmp_path / "t")) == [kill(1), kill(2), kill(3)]
