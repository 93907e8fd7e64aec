"""`tapewire verify` beside a platform that runs: a tape grows while it is read, and that is no fault of it."""

from __future__ import annotations

from pathlib import Path

from services.engine.verify import verify_tape
from tapewire.tape import TapeWriter
from tests.tapes import trade

AT_FIRST = 5000  # more than verify reads at once


def test_records_written_since_it_began_are_left_to_the_next(tmp_path: Path) -> None:
    tape = tmp_path / "md.kraken"
    with TapeWriter(tape, name="md.kraken", durability="memory") as writer:
        writer.append_many(trade(seq) for seq in range(1, AT_FIRST + 1))
        writer.commit()

        def grow(name: str, done: int, in_all: int) -> None:
            first = writer.next_seq
            writer.append_many(trade(seq) for seq in range(first, first + 100))
            writer.commit()

        report = verify_tape(tape, grow)
    assert (report.problems, report.records) == ([], AT_FIRST)
