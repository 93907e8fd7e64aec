"""Logs on a disk that is full: lines are missing, nothing else is."""

from __future__ import annotations

import json
import os
from io import BufferedWriter, RawIOBase
from pathlib import Path

from tapewire import health
from tapewire.health.served import ROOM_MIN, no_room
from tapewire.logs import Lines
from tests.full_disk import fill, small_disk


class Disk(RawIOBase):
    """A file that takes nothing while `full`."""

    def __init__(self) -> None:
        self.full, self.held = False, b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        self.held += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


def test_lines_that_find_no_room_are_counted_and_raise_nothing() -> None:
    disk = Disk()
    lines = Lines(BufferedWriter(disk, 256))

    def log(event: str) -> None:
        assert lines.write(json.dumps({"event": event}).encode() + b"\n") > 0
        lines.flush()

    log("before")
    disk.full = True
    for i in range(100):
        log(f"meanwhile {i}")
    assert lines.missing > 50
    disk.full = False
    log("after")
    events = [json.loads(line) for line in disk.held.splitlines()]
    assert events[0] == {"event": "before"}
    kept = [one for one in events if one["event"].startswith("meanwhile")]
    said = next(one for one in events if one["event"] == "lines missing")
    assert (len(kept) + said["count"], events[-1]["event"], lines.missing) == (100, "after", 0)


def test_whoever_keeps_data_on_a_full_disk_is_not_ready(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        assert no_room(disk) == []
        told = health.Health("api", 10.0, room=lambda: no_room(disk))
        told.check(ready=list)
        assert told.answer("/ready")[0] == 200  # type: ignore[index]
        filler = fill(disk)
        assert no_room(disk) == [f"{disk}: the disk is full, 0 bytes are left. Make room"]
        os.truncate(filler, filler.stat().st_size - ROOM_MIN)
        assert no_room(disk) == []


def test_a_folder_that_cannot_be_looked_at_is_a_reason(tmp_path: Path) -> None:
    told = health.Health("api", 10.0, room=lambda: no_room(tmp_path / "gone"))
    told.check(ready=list)
    status, said = told.answer("/ready")  # type: ignore[misc]
    assert status == 503
    assert "its own check failed: FileNotFoundError" in json.loads(said)["reasons"][0]
