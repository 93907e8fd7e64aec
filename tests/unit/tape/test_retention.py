"""Retention: what goes, what stays and why, and that a consumer is never overtaken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapewire.consumers import ConsumerPosition
from tapewire.errors import TapeGone, TapeMissing
from tapewire.tape import TapeReader, TapeWriter
from tapewire.tape.retention import Policy, carry_out, plan
from tests.tapes import SMALL, kill, segments

# Segments of `tape` begin with these records; ts = 10 x seq, the last segment holds 103 to 120.
FIRSTS = (1, 35, 69, 103)
LAST = 120


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    with TapeWriter(tmp_path / "t", segment_bytes=SMALL) as writer:
        writer.append_many(kill(seq) for seq in range(1, LAST + 1))
    assert [int(path.stem) for path in segments(tmp_path / "t")] == list(FIRSTS)
    return tmp_path / "t"


def planned(tape: Path, policy: Policy, now_ns: int = 1200) -> tuple[list[int], int, str]:
    found = plan(tape, policy, now_ns)
    return [segment.first_seq for segment in found.delete], found.first_seq_kept, found.kept_because


def test_by_size_the_oldest_go_until_the_tape_fits(tape: Path) -> None:
    assert planned(tape, Policy(max_bytes=2 * SMALL)) == ([1, 35], 69, "the tape is within its size")


def test_by_age_a_segment_goes_once_its_newest_record_is_old(tape: Path) -> None:
    young = "it holds records that are young enough"
    assert planned(tape, Policy(max_age_ns=1200 - 690)) == ([1], 35, young)
    assert planned(tape, Policy(max_age_ns=1200 - 691)) == ([1, 35], 69, young)


def test_the_last_segment_is_never_deleted(tape: Path) -> None:
    assert planned(tape, Policy(max_age_ns=0, max_bytes=0), 10**9) == (
        [1, 35, 69],
        103,
        "the last segment is never deleted",
    )


def test_without_a_limit_nothing_goes(tape: Path) -> None:
    assert planned(tape, Policy()) == ([], 1, "the tape is within its size")


def test_a_consumer_keeps_what_it_has_not_dealt_with(tape: Path) -> None:
    slow, fast = ConsumerPosition(tape, "slow"), ConsumerPosition(tape, "fast")
    fast.store(120)
    assert planned(tape, Policy(max_bytes=0)) == ([], 1, "consumer slow has come to record 0 only")
    slow.store(67)
    assert planned(tape, Policy(max_bytes=0)) == ([1], 35, "consumer slow has come to record 67 only")
    slow.store(68)
    assert planned(tape, Policy(max_bytes=0))[:2] == ([1, 35], 69)
    slow.close()
    fast.close()


def test_a_plan_changes_nothing_and_carrying_it_out_does_what_it_said(tape: Path) -> None:
    found = plan(tape, Policy(max_bytes=2 * SMALL), 0)
    assert (len(segments(tape)), found.bytes) == (4, 2 * SMALL)
    assert carry_out(found) == found.delete
    assert [int(path.stem) for path in segments(tape)] == [69, 103]
    with pytest.raises(TapeGone, match="this tape begins with record 69"):
        TapeReader(tape).poll()
    assert list(TapeReader(tape, from_seq=None)) == [kill(seq) for seq in range(69, LAST + 1)]


def test_a_consumer_that_registers_between_plan_and_deed_is_respected(tape: Path) -> None:
    found = plan(tape, Policy(max_bytes=0), 0)
    late = ConsumerPosition(tape, "late")
    late.store(34)
    assert [segment.first_seq for segment in carry_out(found)] == [1]
    late.close()


def test_a_writer_goes_on_after_retention_and_after_reopening(tape: Path) -> None:
    with TapeWriter(tape) as writer:
        carry_out(plan(tape, Policy(max_bytes=0), 0))
        writer.append_many(kill(seq) for seq in range(121, 200))
    with TapeWriter(tape) as writer:
        assert (writer.recovery.last_seq, writer.next_seq) == (199, 200)
    assert list(TapeReader(tape, from_seq=103)) == [kill(seq) for seq in range(103, 200)]


def test_what_is_not_yet_durable_behind_a_segment_keeps_it(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, segment_bytes=SMALL, durability="memory", helper=False) as writer:
        writer.append_many(kill(seq) for seq in range(1, 40))
        writer.commit()
        why = "the segment after it holds no durable record yet"
        assert planned(tmp_path, Policy(max_bytes=0)) == ([], 1, why)
        writer.sync()
        assert planned(tmp_path, Policy(max_bytes=0))[0] == [1]


def test_a_tape_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TapeMissing):
        plan(tmp_path / "none", Policy(), 0)


def test_what_is_not_released_stays(tmp_path: Path) -> None:
    """Of a replicated tape that nobody has sent yet, no consumer says that another host is to get it."""
    with TapeWriter(tmp_path / "t", segment_bytes=SMALL, durability="replicated") as writer:
        writer.append_many(kill(seq) for seq in range(1, LAST + 1))
        writer.commit()
    assert planned(tmp_path / "t", Policy(max_bytes=0))[:2] == ([], 1)
