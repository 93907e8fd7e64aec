"""Tapes looked at from outside: the epoch of a record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.errors import TapeGone
from tapewire.tape import TapeWriter
from tapewire.tape.inspect import epoch_before
from tests.tapes import HEADER_FRAME, SMALL, kill, segments


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Three writers, one after the other; 60 records of each, so that each begins within a segment and fills others."""
    folder = tmp_path / "md.test"
    for _ in range(3):
        with TapeWriter(folder, segment_bytes=SMALL) as writer:
            first = writer.next_seq
            writer.append(bytes(m.EpochStarted(seq=first, ts=first * 10, epoch=writer.epoch)))
            writer.append_many(kill(seq) for seq in range(first + 1, first + 60))
    return folder


def test_the_epoch_of_a_record_is_the_one_that_began_before_it(tape: Path) -> None:
    held = {1: 0, 61: 1, 121: 2}  # of the records that begin one
    for seq in range(2, 182):
        assert epoch_before(tape, seq) == held.get(seq, (seq - 2) // 60 + 1 if seq < 181 else 3), seq


def test_what_lies_behind_a_record_is_not_read_for_its_epoch(tmp_path: Path) -> None:
    folder = tmp_path / "md.test"
    with TapeWriter(folder, segment_bytes=SMALL) as writer:
        writer.append(bytes(m.EpochStarted(seq=1, ts=10, epoch=1)))
        writer.append_many(kill(seq) for seq in range(2, 181))
    held = segments(folder)
    assert len(held) > 4
    for one in held[3:]:
        damage = bytearray(one.read_bytes())
        damage[HEADER_FRAME:] = b"\xff" * (len(damage) - HEADER_FRAME)
        one.write_bytes(damage)
    assert [epoch_before(folder, seq) for seq in (2, 30, 60)] == [1, 1, 1]


def test_of_a_record_that_retention_removed_there_is_no_epoch(tape: Path) -> None:
    segments(tape)[0].unlink()
    with pytest.raises(TapeGone, match="record 2 was removed by retention; the first is"):
        epoch_before(tape, 2)
