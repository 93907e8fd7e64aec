"""The bytes of a v1 segment, as the first writers wrote them: later builds must read them, and write the same."""

from __future__ import annotations

from pathlib import Path

from tapewire.tape import TapeReader, Writer
from tests.oracle.naive_tape import read_segment
from tests.tapes import SMALL, kill, segments, trade

GOLDEN = Path(__file__).parents[2] / "golden" / "tape_v1.seg"
RECORDS = [trade(1), kill(2), kill(3), trade(4)]
BATCHES = (2, 1, 1)


def write(path: Path) -> bytes:
    records = iter(RECORDS)
    with Writer(path, "golden", SMALL, "disk") as writer:
        for batch in BATCHES:
            writer.append_many(next(records) for _ in range(batch))
            writer.commit()
    return segments(path)[0].read_bytes()


def test_a_writer_writes_the_golden_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "golden") == GOLDEN.read_bytes()


def test_the_golden_segment_is_read_even_without_its_control_page(tmp_path: Path) -> None:
    (tmp_path / f"{1:020d}.seg").write_bytes(GOLDEN.read_bytes())
    with Writer(tmp_path, "golden") as writer:
        assert (writer.recovery.last_seq, writer.recovery.cut_bytes, writer.epoch) == (4, 0, 2)
    assert list(TapeReader(tmp_path)) == RECORDS


def test_the_oracle_reads_the_golden_segment() -> None:
    assert read_segment(GOLDEN.read_bytes(), 1)[0] == RECORDS


def test_the_first_frame_is_drawn_as_in_the_schema() -> None:
    head = GOLDEN.read_bytes()[:16]
    length, kind, flags, index = (int.from_bytes(head[a:b], "little") for a, b in ((0, 4), (8, 10), (10, 12), (12, 16)))
    assert (length, kind, flags, index) == (200, 22, 1, 0)
