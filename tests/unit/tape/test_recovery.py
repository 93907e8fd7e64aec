"""Recovery: every truncation and every flipped byte of a small tape leads to exactly what recovery.hpp's table says."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tapewire.errors import TapeDamaged, TapeError
from tapewire.tape import Positions, Recovery, TapeReader, Writer
from tests.oracle import naive_tape
from tests.oracle.naive_tape import Outcome
from tests.tapes import HEADER_FRAME, SMALL, after_reboot, any_record, in_memory_folder, kill, refused, segments

SYNCED_AT = 15  # with durability memory, the only batch after which the tape is synced
BOTH = pytest.mark.parametrize("durability", ["memory", "disk"])


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory_folder() as path:
        yield path


@dataclass
class Small:
    """A tape of two segments, written in batches of three, its process killed."""

    path: Path
    records: list[bytes]
    marks: Positions
    files: dict[str, bytes]

    @property
    def last(self) -> Path:
        return segments(self.path)[-1]

    @property
    def first_seq(self) -> int:
        return int(self.last.stem)

    def restore(self) -> None:
        for name, data in self.files.items():
            (self.path / name).write_bytes(data)

    def expected(self, segment: bytes, *, same_boot: bool, marks: Positions) -> Outcome:
        return naive_tape.recover(
            segment,
            first_seq=self.first_seq,
            base=SMALL,
            written=marks.written,
            durable=marks.durable,
            same_boot=same_boot,
        )


def small_tape(path: Path, durability: str, seqs: int = 22) -> Small:
    with Writer(path, "t", SMALL, durability) as writer:
        records = [any_record(seq) for seq in range(1, seqs + 1)]
        for i in range(0, len(records), 3):
            writer.append_many(records[i : i + 3])
            writer.commit()
            if i == SYNCED_AT:
                writer.sync()
        marks = writer.positions
        writer.abandon()
    files = {one.name: one.read_bytes() for one in path.iterdir()}
    assert len(segments(path)) == 2
    return Small(path, records, marks, files)


def found(tape: Small) -> tuple[Outcome, list[bytes]]:
    """What opening a writer leads to, and what the tape holds then."""
    try:
        with Writer(tape.path) as writer:
            recovery = writer.recovery
    except TapeDamaged as damage:
        return Outcome(damage.seq - 1, refused_at=damage.offset if damage.path == str(tape.last) else -1), []
    cut = recovery.cut_position - SMALL if recovery.cut_bytes else None
    return Outcome(recovery.last_seq, cut_at=cut), list(TapeReader(tape.path))


def same_boot(path: Path) -> None:
    """The process was killed, the host went on."""


def without_control(path: Path) -> None:
    (path / "control").unlink()


SITUATIONS = {"process killed": same_boot, "after a reboot": after_reboot, "control page lost": without_control}


@pytest.mark.parametrize("situation", SITUATIONS)
@BOTH
def test_every_flipped_byte_of_the_last_segment(folder: Path, durability: str, situation: str) -> None:
    tape = small_tape(folder / "t", durability)
    pristine = tape.files[tape.last.name]
    marks = Positions(0, 0, 0, 0, 0, 0) if situation == "control page lost" else tape.marks
    outcomes = []
    for at in range(HEADER_FRAME, SMALL):
        flipped = bytearray(pristine)
        flipped[at] ^= 1 << at % 8
        tape.restore()
        tape.last.write_bytes(flipped)
        SITUATIONS[situation](tape.path)
        expected = tape.expected(bytes(flipped), same_boot=situation == "process killed", marks=marks)
        outcome, held = found(tape)
        assert outcome == expected, at
        if outcome.refused_at is None:
            assert held == tape.records[: expected.last_seq], at
        outcomes.append(outcome)
    everything = {Outcome(tape.marks.written_seq, cut_at=o.cut_at) for o in outcomes} & set(outcomes)
    assert any(o.refused_at is not None for o in outcomes) or (durability, situation) == ("memory", "control page lost")
    assert everything, "a flip in the zeros behind the tape costs no record"


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_flipped_byte_of_a_segments_header_is_refused(folder: Path, situation: str) -> None:
    tape = small_tape(folder / "t", "disk")
    for path in segments(tape.path):
        for at in range(HEADER_FRAME):
            flipped = bytearray(tape.files[path.name])
            flipped[at] ^= 1 << at % 8
            tape.restore()
            path.write_bytes(flipped)
            SITUATIONS[situation](tape.path)
            with pytest.raises(TapeDamaged) as raised:
                Writer(tape.path)
            assert (raised.value.path, raised.value.offset, raised.value.seq) == (str(path), 0, int(path.stem)), at


def test_every_flipped_byte_of_an_older_segment_stops_a_reader_at_that_frame(folder: Path) -> None:
    """Opening for writing does not read older segments; whoever reads them finds the frame. Nothing is skipped."""
    tape = small_tape(folder / "t", "disk")
    path = segments(tape.path)[0]
    starts = [HEADER_FRAME]
    for raw in tape.records[: tape.first_seq - 1]:
        starts.append(starts[-1] + 16 + len(raw))
    for at in range(HEADER_FRAME, SMALL):
        flipped = bytearray(tape.files[path.name])
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        frame = next(i for i, start in enumerate([*starts[1:], SMALL]) if at < start)
        with TapeReader(tape.path, limit="written") as reader:
            held = reader.poll(1000) if frame else []
            with pytest.raises(TapeDamaged) as raised:
                reader.poll(1000)
        assert held == tape.records[:frame], at
        assert (raised.value.path, raised.value.offset, raised.value.seq) == (str(path), starts[frame], frame + 1), at


@pytest.mark.parametrize("situation", SITUATIONS)
@BOTH
def test_every_truncation_is_refused_where_the_file_ends(folder: Path, durability: str, situation: str) -> None:
    """A segment has its whole length on disk before it gets its name, so no crash leaves a short one."""
    tape = small_tape(folder / "t", durability)
    for path in segments(tape.path):
        for length in range(0, SMALL, 3):
            tape.restore()
            path.write_bytes(tape.files[path.name][:length])
            SITUATIONS[situation](tape.path)
            with pytest.raises(TapeDamaged) as raised:
                Writer(tape.path)
            assert (raised.value.path, raised.value.offset) == (str(path), length)


@BOTH
def test_every_torn_end_behind_what_was_published_is_repaired(folder: Path, durability: str) -> None:
    """The killed process had begun a batch: any prefix of its bytes may be in the file."""
    tape = small_tape(folder / "t", durability)
    records = [*tape.records, *(any_record(seq) for seq in range(23, 26))]
    with Writer(tape.path) as writer:
        writer.append_many(records[22:])
        writer.write()
        writer.abandon()
    whole = tape.last.read_bytes()
    end = len(whole.rstrip(b"\0"))
    start = tape.marks.written - SMALL
    for torn_at in range(start, end + 1):
        tape.restore()
        tape.last.write_bytes(whole[:torn_at] + bytes(SMALL - torn_at))
        outcome, held = found(tape)
        kept, at, _ = naive_tape.read_segment(whole[:torn_at] + bytes(SMALL - torn_at), tape.first_seq)
        assert held == records[: tape.first_seq - 1] + kept
        assert len(held) >= 22
        assert outcome == Outcome(len(held), cut_at=at if any(whole[at:torn_at]) else None)


def test_a_repaired_tape_is_written_on_and_read_as_if_nothing_had_been(folder: Path) -> None:
    tape = small_tape(folder / "t", "disk")
    at = tape.marks.written - SMALL
    with tape.last.open("r+b") as file:
        file.seek(at)
        file.write(b"torn!")
    with Writer(tape.path) as writer:
        assert writer.recovery == Recovery(
            False,
            22 - tape.first_seq + 1,
            22,
            SMALL + at,
            SMALL + at,
            5,
            23,
            f"a frame head that no writer writes (length {int.from_bytes(b'torn', 'little')}, type 0, flags 0, room "
            f"{SMALL - at})",
        )
        writer.append_many(any_record(seq) for seq in range(23, 60))
    assert list(TapeReader(tape.path)) == [any_record(seq) for seq in range(1, 60)]
    with Writer(tape.path) as writer:
        assert writer.recovery.cut_bytes == 0


def test_a_stale_frame_behind_the_end_is_not_taken_for_a_record(folder: Path) -> None:
    """Bytes of a record long gone, whole with their checksum, but of another seq."""
    tape = small_tape(folder / "t", "memory")
    image = bytearray(tape.files[tape.last.name])
    at = tape.marks.written - SMALL
    image[at : at + 112] = image[HEADER_FRAME : HEADER_FRAME + 112]
    tape.last.write_bytes(image)
    outcome, held = found(tape)
    assert (outcome, held) == (Outcome(22, cut_at=at), tape.records)


def test_a_later_batch_proves_that_a_record_had_been_synced_and_its_own_batch_does_not(folder: Path) -> None:
    """Rule (c), which alone protects a disk tape whose control page is lost."""
    with Writer(folder / "t", "t", SMALL, "disk") as writer:
        for batch in ((1, 2, 3), (4, 5, 6)):
            writer.append_many(kill(seq) for seq in batch)
            writer.commit()
        writer.abandon()
    (folder / "t" / "control").unlink()
    path = segments(folder / "t")[0]
    pristine = path.read_bytes()

    def break_record(seq: int) -> None:
        at = HEADER_FRAME + (seq - 1) * 112 + 50
        path.write_bytes(pristine[:at] + b"\xff" + pristine[at + 1 :])

    break_record(2)
    with pytest.raises(TapeDamaged, match="record 4 after it is whole and was written only after a sync") as raised:
        Writer(folder / "t")
    assert (raised.value.offset, raised.value.seq, path.read_bytes() == pristine) == (HEADER_FRAME + 112, 2, False)
    break_record(5)
    with Writer(folder / "t") as writer:
        assert (writer.recovery.last_seq, writer.recovery.cut_seq) == (4, 5)


@pytest.mark.parametrize("situation", ["process killed", "after a reboot"])
def test_no_flipped_byte_of_the_control_page_loses_a_record(folder: Path, situation: str) -> None:
    tape = small_tape(folder / "t", "disk")
    refusals = 0
    for at in range(0, 700):
        tape.restore()
        page = bytearray(tape.files["control"])
        page[at] ^= 1 << at % 8
        (tape.path / "control").write_bytes(page)
        SITUATIONS[situation](tape.path) if at < 144 or at > 160 else None
        try:
            with Writer(tape.path) as writer:
                assert writer.recovery.last_seq == 22, at
        except TapeError:
            refusals += 1
            continue
        assert list(TapeReader(tape.path)) == tape.records, at
    assert 80 < refusals < 200


def missing_middle(tape: Path) -> None:
    segments(tape)[1].unlink()


def missing_last(tape: Path) -> None:
    segments(tape)[-1].unlink()


def missing_all(tape: Path) -> None:
    for path in segments(tape):
        path.unlink()


def renamed(tape: Path) -> None:
    segments(tape)[1].rename(tape / f"{60:020d}.seg")


def of_another_tape(tape: Path) -> None:
    with Writer(tape.parent / "other", "other", SMALL) as writer:
        writer.append(kill(1))
    shutil.copy(segments(tape.parent / "other")[0], segments(tape)[0])


def emptied(tape: Path) -> None:
    segments(tape)[1].write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (missing_middle, "a segment before this one is missing"),
        (missing_last, "the tape ends here, but the control page says"),
        (missing_all, "the control page knows of 100 records, but there is no segment"),
        (renamed, "its header says it begins with record 35, its name says 60"),
        (of_another_tape, "a segment of the tape other, not of t"),
        (emptied, "the segment is empty"),
    ],
)
def test_misplaced_segments_are_refused(folder: Path, harm: Callable[[Path], None], says: str) -> None:
    with Writer(folder / "t", "t", SMALL) as writer:
        writer.append_many(kill(seq) for seq in range(1, 101))
    harm(folder / "t")
    with pytest.raises(TapeDamaged, match=says):
        Writer(folder / "t")


@BOTH
def test_a_crash_between_sealing_a_segment_and_naming_the_next_loses_nothing(folder: Path, durability: str) -> None:
    for spare in (24, 40):  # with the smallest padding frame, and with a larger one
        path = folder / f"t{spare}"
        first = refused(1, "x" * (SMALL - HEADER_FRAME - 16 - spare - 96 - 8 - 112))
        with Writer(path, "t", SMALL, durability) as writer:
            writer.append_many([first, kill(2)])
            writer.commit()
            writer.append(kill(3))  # seals the first segment, begins the second
            writer.abandon()
        segments(path)[1].unlink()
        with Writer(path) as writer:
            assert (writer.recovery.last_seq, writer.recovery.cut_bytes) == (2, 0)
            writer.append_many([kill(3), kill(4)])
        assert list(TapeReader(path)) == [first, kill(2), kill(3), kill(4)]


def test_a_prepared_segment_left_behind_is_removed(folder: Path) -> None:
    with Writer(folder / "t", "t", SMALL) as writer:
        writer.prepare_next()
        writer.abandon()
    assert (folder / "t" / "next.blank").exists()
    with Writer(folder / "t"):
        assert not (folder / "t" / "next.blank").exists()


def test_a_tape_of_another_version_is_refused_by_name(folder: Path) -> None:
    Writer(folder / "t", "t", SMALL).close()
    with (folder / "t" / "control").open("r+b") as file:
        file.seek(8)
        file.write((2).to_bytes(4, "little"))
    for open_it in (Writer, TapeReader):
        with pytest.raises(TapeError, match="a tape of version 2, this build reads version 1"):
            open_it(folder / "t")
