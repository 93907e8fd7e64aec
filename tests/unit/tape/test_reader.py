"""The reader: limits, seeking, waiting, lag, and what it says when something is not there."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.errors import TapeDamaged, TapeError, TapeGone, TapeMissing
from tapewire.tape import TapeReader, TapeWriter
from tests.tapes import SMALL, after_reboot, kill, segments


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """100 records (ts = 10 x seq) over three segments."""
    with TapeWriter(tmp_path / "md.test", segment_bytes=SMALL) as writer:
        writer.append_many(kill(seq) for seq in range(1, 101))
    return tmp_path / "md.test"


def test_a_tape_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TapeMissing, match=r"no tape here\. Start the service that writes it"):
        TapeReader(tmp_path / "none")


def test_each_limit_shows_what_it_promises(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL, durability="memory", helper=False) as writer:
        writer.append(kill(1))
        writer.commit()
        writer.sync()
        writer.append(kill(2))
        writer.commit()
        seen = {limit: len(TapeReader(tmp_path, limit=limit).poll()) for limit in ("written", "durable", "released")}
    assert seen == {"written": 2, "durable": 1, "released": 2}
    with pytest.raises(TapeError, match="limit is 'all'"):
        TapeReader(tmp_path, limit="all")


def test_every_record_can_be_sought(tape: Path) -> None:
    with TapeReader(tape) as reader:
        found = []
        for seq in range(1, 101):
            reader.seek_seq(seq)
            found += reader.poll(1)
        reader.seek_seq(101)
        assert (found, reader.poll()) == ([kill(seq) for seq in range(1, 101)], [])


def test_beyond_the_end_is_an_error_that_leaves_the_reader_where_it_was(tape: Path) -> None:
    with TapeReader(tape, from_seq=40) as reader:
        with pytest.raises(TapeError, match="record 102 is not on the tape, which ends with record 100"):
            reader.seek_seq(102)
        assert reader.poll(1) == [kill(40)]


def test_every_time_can_be_sought(tape: Path) -> None:
    with TapeReader(tape) as reader:
        found = []
        for ts in range(-5, 1010, 5):
            reader.seek_time(ts)
            found.append((ts, reader.next_seq))
        assert found == [(ts, max(1, -(-ts // 10))) for ts in range(-5, 1010, 5)]


def test_lag_counts_what_is_left(tape: Path) -> None:
    with TapeReader(tape) as reader:
        whole = (reader.lag_records, reader.lag)
        reader.poll(60)
        assert (whole, reader.lag_records, reader.lag) == (
            (100, reader.positions.released - 216),
            40,
            reader.positions.released - reader.position,
        )
        reader.poll(1000)
        assert (reader.lag_records, reader.lag) == (0, 0)


def test_records_of_one_type_can_be_picked(tmp_path: Path) -> None:
    halts = [bytes(m.FeedStatus(seq=seq, reason="x")) if seq % 10 == 0 else kill(seq) for seq in range(1, 101)]
    with TapeWriter(tmp_path, segment_bytes=SMALL) as writer:
        writer.append_many(halts)
    with TapeReader(tmp_path) as reader:
        first, rest = reader.poll_type(m.MessageType.feed_status, 4), reader.poll_type(m.MessageType.feed_status)
        assert (first, rest, reader.lag) == (halts[9:40:10], halts[49::10], 0)


def test_a_producer_reads_the_answers_to_its_own_commands_only(tmp_path: Path) -> None:
    records = [
        bytes(m.NewOrder(seq=1, source=1)),
        bytes(m.OrderAccepted(seq=2, cause=1, source=1)),
        bytes(m.NewOrder(seq=3, source=2)),
        bytes(m.OrderRejected(seq=4, cause=3, source=2)),
        bytes(m.InputRefused(seq=5, source=1)),
        bytes(m.OrderExecuted(seq=6, cause=3, source=1)),
    ]
    with TapeWriter(tmp_path) as writer:
        writer.append_many(records)
    with TapeReader(tmp_path) as reader:
        assert reader.poll_answers(1, 2) == [records[1], records[4]]
        assert reader.poll_answers(1) == [records[5]]


def test_a_reader_sleeps_until_there_is_more(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL) as writer, TapeReader(tmp_path) as reader:
        began = time.monotonic()
        nothing = reader.wait(0.05)
        waited = time.monotonic() - began

        def later() -> None:
            time.sleep(0.05)
            writer.append(kill(1))
            writer.commit()

        thread = threading.Thread(target=later)
        thread.start()
        began = time.monotonic()
        something = reader.wait(60)
        woke = time.monotonic() - began
        thread.join()
        assert (nothing, something, reader.poll()) == (False, True, [kill(1)])
        assert waited >= 0.05
        assert woke < 30
        assert not reader.wait(0)


def test_a_reader_may_open_before_the_first_segment_is_there(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "whole", segment_bytes=SMALL) as writer:
        writer.append(kill(1))
    made = tmp_path / "being-made"
    made.mkdir()
    (made / "control").write_bytes((tmp_path / "whole" / "control").read_bytes())
    with TapeReader(made) as reader:
        (segments(tmp_path / "whole")[0]).rename(made / "00000000000000000001.seg")
        assert reader.poll() == [kill(1)]


def test_a_removed_beginning_is_told_to_whoever_asks_for_it(tape: Path) -> None:
    segments(tape)[0].unlink()
    begins = r"record 1 was removed by retention; this tape begins with record 35"
    with TapeReader(tape) as reader:  # an observer, or one that will seek
        assert (reader.first_seq, reader.positions.written_seq) == (35, 100)
        with pytest.raises(TapeGone, match=begins):
            reader.poll()
        with pytest.raises(TapeGone, match=begins):
            reader.seek_seq(1)
        reader.seek_seq(35)
        assert reader.poll(1) == [kill(35)]
    assert TapeReader(tape, from_seq=None).poll(1) == [kill(35)]
    with pytest.raises(TapeGone):
        TapeReader(tape, from_seq=34)


def test_retention_that_overtakes_a_reader_is_told(tape: Path) -> None:
    with TapeReader(tape) as reader:
        reader.poll(10)
        for path in segments(tape)[:2]:
            path.unlink()
        assert len(reader.poll(1000)) == 24  # what it has mapped stays readable
        with pytest.raises(TapeGone, match="record 35 was removed"):
            reader.poll()


def test_a_segment_missing_in_the_middle_is_damage(tape: Path) -> None:
    segments(tape)[1].unlink()
    with TapeReader(tape) as reader:
        assert len(reader.poll(1000)) == 34
        with pytest.raises(TapeDamaged, match="this segment is missing") as raised:
            reader.poll()
    assert (raised.value.offset, raised.value.seq) == (0, 35)


def test_damage_stops_the_reader_at_its_exact_offset_and_is_never_skipped(tape: Path) -> None:
    path = segments(tape)[1]
    at = 216 + 5 * 112
    with path.open("r+b") as file:
        file.seek(at + 40)
        file.write(b"\xff")
    with TapeReader(tape) as reader:
        before = reader.poll(1000)
        for _ in range(2):
            with pytest.raises(TapeDamaged, match="crc32c is") as raised:
                reader.poll()
            assert (raised.value.path, raised.value.offset, raised.value.seq) == (str(path), at, 40)
        assert before == [kill(seq) for seq in range(1, 40)]


def test_after_a_reboot_only_what_was_durable_is_shown_until_a_writer_has_recovered(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL, durability="memory", helper=False) as writer:
        writer.append(kill(1))
        writer.commit()
        writer.sync()
        writer.append(kill(2))
        writer.commit()
        writer.abandon()
    after_reboot(tmp_path)
    before = list(TapeReader(tmp_path, limit="written"))
    TapeWriter(tmp_path).close()
    assert (before, list(TapeReader(tmp_path))) == ([kill(1)], [kill(1), kill(2)])


def test_a_reader_tells_who_writes(tape: Path) -> None:
    with TapeReader(tape) as reader:
        idle = reader.writer_pid
        with TapeWriter(tape, durability="memory"):
            assert (idle, reader.writer_pid, reader.epoch, reader.durability) == (None, os.getpid(), 2, "memory")
        assert (reader.writer_pid, reader.name) == (None, "md.test")


def test_a_closed_reader_says_so(tape: Path) -> None:
    reader = TapeReader(tape)
    reader.close()
    for call in (reader.poll, reader.scan, lambda: reader.lag, lambda: reader.wait(1), lambda: reader.seek_seq(1)):
        with pytest.raises(TapeError, match="this reader was closed"):
            call()


def test_a_reader_that_wanted_what_is_gone_is_told_each_time_until_it_seeks(tape: Path) -> None:
    segments(tape)[0].unlink()
    with TapeReader(tape) as reader:
        for _ in range(2):
            with pytest.raises(TapeGone, match="record 1 was removed by retention"):
                reader.poll()
        reader.seek_seq(reader.first_seq)
        assert reader.poll(1) == [kill(reader.first_seq)]


@pytest.mark.parametrize("timeout_s", [float("inf"), 1e300])
def test_a_wait_without_end_ends_when_there_is_something(tmp_path: Path, timeout_s: float) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL) as writer, TapeReader(tmp_path) as reader:

        def later() -> None:
            writer.append(kill(1))
            writer.commit()

        timer = threading.Timer(0.05, later)
        timer.start()
        assert reader.wait(timeout_s)
        timer.join()
        reader.poll()
        assert not reader.wait(float("nan"))
