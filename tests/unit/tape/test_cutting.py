"""Cutting: the tape ends before the record named, all that was taken off is in the backup, and writing goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapewire.consumers import ConsumerPosition, positions
from tapewire.errors import TapeDamaged, TapeError, TapeFenced
from tapewire.tape import CutReport, TapeReader, TapeWriter
from tapewire.tape.cutting import cut_tape
from tests.tapes import SMALL, kill, segments

LAST = 120  # segments begin with 1, 35, 69, 103


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    with TapeWriter(tmp_path / "t", segment_bytes=SMALL) as writer:
        writer.append_many(kill(seq) for seq in range(1, LAST + 1))
    return tmp_path / "t"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("before", "moved"), [(2, 3), (34, 3), (35, 3), (36, 2), (69, 2), (103, 1), (110, 0), (120, 0)]
)
def test_the_tape_ends_before_the_record_named_and_goes_on_from_there(tape: Path, before: int, moved: int) -> None:
    files = {path.name: path.read_bytes() for path in segments(tape)}
    done, backup = cut_tape(tape, before, 7)
    assert (done.last_seq, done.segments_moved, backup) == (before - 1, moved, tape / "cut-7")
    assert all(files[path.name] == path.read_bytes() for path in segments(backup))
    assert len(segments(backup)) == moved + 1
    assert list(TapeReader(tape, limit="durable")) == [kill(seq) for seq in range(1, before)]
    with TapeWriter(tape) as writer:
        assert (writer.recovery.last_seq, writer.recovery.cut_bytes) == (before - 1, 0)
        writer.append_many(kill(seq) for seq in range(before, before + 50))
    assert list(TapeReader(tape)) == [kill(seq) for seq in range(1, before + 50)]


def test_damage_is_cut_off_where_the_error_said(tape: Path) -> None:
    flip(segments(tape)[3], 216 + 4 * 112 + 30)
    with pytest.raises(TapeDamaged) as raised:
        TapeWriter(tape)
    done, _ = cut_tape(tape, raised.value.seq, 7)
    assert done == CutReport(106, 3 * SMALL + 216 + 4 * 112, 0)
    with TapeWriter(tape) as writer:
        assert writer.next_seq == 107


def test_damage_before_the_cut_is_refused_and_nothing_is_changed(tape: Path) -> None:
    flip(segments(tape)[1], 216 + 112)
    before = {path.name: path.read_bytes() for path in tape.iterdir()}
    with pytest.raises(TapeDamaged) as raised:
        cut_tape(tape, 60, 7)
    assert raised.value.seq == 36
    assert {path.name: path.read_bytes() for path in tape.iterdir()} == before


def test_a_hole_in_an_older_segment_is_damage_and_not_an_earlier_end(tape: Path) -> None:
    image = bytearray(segments(tape)[1].read_bytes())
    image[216 + 112 :] = bytes(len(image) - 216 - 112)
    segments(tape)[1].write_bytes(image)
    with pytest.raises(TapeDamaged, match="nothing was written here") as raised:
        cut_tape(tape, 60, 7)
    assert raised.value.seq == 36
    assert cut_tape(tape, 36, 7)[0].last_seq == 35


def test_snapshots_and_consumers_ahead_of_the_cut_are_moved_aside(tape: Path) -> None:
    for folder in ("snapshots", "publisher/snapshots", "cut-3/snapshots"):
        (tape / folder).mkdir(parents=True)
        for seq in (50, 90):
            (tape / folder / f"{seq:020d}.snap").write_text("state")
    for name, seq in (("behind", 79), ("ahead", 100)):
        position = ConsumerPosition(tape, name)
        position.store(seq)
        position.close()
    _, backup = cut_tape(tape, 80, 7)
    for folder in ("snapshots", "publisher/snapshots"):
        assert [path.name for path in (tape / folder).iterdir()] == [f"{50:020d}.snap"]
        assert [path.name for path in (backup / folder).iterdir()] == [f"{90:020d}.snap"]
    assert len(list((tape / "cut-3" / "snapshots").iterdir())) == 2
    assert (positions(tape), positions(backup)) == ({"behind": 79}, {"ahead": 100})


def test_a_cut_is_refused_while_a_writer_runs_or_where_it_makes_no_sense(tape: Path) -> None:
    with (
        TapeWriter(tape),
        pytest.raises(TapeFenced, match=r"a writer \(process \d+\) has this tape open"),
    ):
        cut_tape(tape, 50, 7)
    with pytest.raises(TapeError, match="cutting before record 1 would leave nothing"):
        cut_tape(tape, 1, 7)
    with pytest.raises(TapeError, match="record 122 is not on the tape, which ends with record 120"):
        cut_tape(tape, 122, 7)


def test_files_of_other_names_are_left_where_they_are(tape: Path) -> None:
    (tape / "snapshots").mkdir()
    for name in (f"{90:020d}.snap", "before-upgrade.snap"):
        (tape / "snapshots" / name).write_text("state")
    cut_tape(tape, 80, 7)
    assert [path.name for path in (tape / "snapshots").iterdir()] == ["before-upgrade.snap"]


def test_a_tape_without_its_beginning_is_not_cut_before_the_snapshots_it_is_folded_from(tape: Path) -> None:
    (tape / "snapshots").mkdir()
    for seq in (80, 110):
        (tape / "snapshots" / f"{seq:020d}.snap").write_text("state")
    for path in segments(tape)[:2]:
        path.unlink()
    before = sorted(path.name for path in tape.rglob("*"))
    with pytest.raises(TapeError, match=r"none of its snapshots \(of records \[80, 110\]\) is of before record 75"):
        cut_tape(tape, 75, 7)
    assert sorted(path.name for path in tape.rglob("*")) == before
    assert cut_tape(tape, 81, 7)[0].last_seq == 80
