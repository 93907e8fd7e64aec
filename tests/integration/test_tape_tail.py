"""Readers here tail a tape that another process writes, across segments, without losing or repeating a record."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tapewire.errors import TapeMissing
from tapewire.tape import TapeReader
from tests.tapes import any_record, segments

RECORDS = 12_000
WRITER = """
import sys, time
from tapewire.tape import TapeWriter
from tests.tapes import any_record
path, durability, records = sys.argv[1], sys.argv[2], int(sys.argv[3])
with TapeWriter(path, "t", 65536, durability) as writer:
    while writer.next_seq <= records:
        first = writer.next_seq
        writer.append_many(any_record(seq) for seq in range(first, min(first + first % 90, records) + 1))
        writer.commit()
        if first % 5 == 0:
            time.sleep(0.001)
"""


def tail(tape: Path, limit: str, out: list[bytes], deadline: float) -> None:
    reader = None
    while reader is None:
        try:
            reader = TapeReader(tape, limit=limit)
        except TapeMissing:
            time.sleep(0.005)
    with reader:
        while len(out) < RECORDS and time.monotonic() < deadline:
            out += reader.poll(500) or []
            reader.wait(0.1)


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_readers_follow_a_writer_in_another_process(tmp_path: Path, durability: str) -> None:
    tape, deadline = tmp_path / "t", time.monotonic() + 90
    seen: dict[str, list[bytes]] = {"written": [], "released": []}
    readers = [threading.Thread(target=tail, args=(tape, limit, out, deadline)) for limit, out in seen.items()]
    for thread in readers:
        thread.start()
    subprocess.run([sys.executable, "-c", WRITER, str(tape), durability, str(RECORDS)], check=True, timeout=80)
    for thread in readers:
        thread.join()
    expected = [any_record(seq) for seq in range(1, RECORDS + 1)]
    assert len(segments(tape)) > 20
    assert seen == {"written": expected, "released": expected}
