"""Looks at tapes from outside: which there are, what they hold, whether every byte still holds. Changes nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tapewire import consumers
from tapewire import messages as m
from tapewire.errors import TapeDamaged, TapeError, TapeGone
from tapewire.tape._tape import Positions, TapeReader

_FRAME_HEAD = 16
SCAN_RECORDS = 1 << 20  # between two reports of progress
_SEGMENT = re.compile(r"(\d{20})\.seg")


@dataclass(frozen=True)
class Segment:
    path: Path
    first_seq: int
    bytes: int


@dataclass(frozen=True)
class TapeInfo:
    """`segments` by rising first seq. `writer_pid` is None when nobody has the tape open for writing."""

    name: str
    path: Path
    segments: tuple[Segment, ...]
    positions: Positions
    epoch: int
    durability: str
    writer_pid: int | None
    consumers: dict[str, int]

    @property
    def first_seq(self) -> int:
        return self.segments[0].first_seq if self.segments else 1

    @property
    def records(self) -> int:
        """How many the tape still has."""
        return max(0, self.positions.written_seq - self.first_seq + 1)

    @property
    def bytes(self) -> int:
        """On the disk."""
        return sum(segment.bytes for segment in self.segments)

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "path": str(self.path),
            "first_seq": self.first_seq,
            "records": self.records,
            "segments": len(self.segments),
            "bytes": self.bytes,
            "epoch": self.epoch,
            "durability": self.durability,
            "writer_pid": self.writer_pid,
            "consumers": self.consumers,
            **self.positions._asdict(),
        }


def tapes(folder: Path) -> list[Path]:
    """The tapes below `<data>/tapes`, by name."""
    return sorted(path.parent for path in folder.glob("*/control"))


def segments(tape: Path) -> tuple[Segment, ...]:
    """By rising first seq. One that retention removes meanwhile is left out."""
    found = []
    for path in sorted(tape.glob("*.seg")):
        if not (name := _SEGMENT.fullmatch(path.name)):
            continue
        try:
            found.append(Segment(path, int(name[1]), path.stat().st_size))
        except FileNotFoundError:
            continue
    return tuple(found)


def base_position(segment: Path) -> int:
    """The tape's position of the segment's first byte, as its header says."""
    return _header(segment).base_position


def epoch_before(tape: Path, seq: int) -> int:
    """The epoch that last began before record `seq`, as EpochStarted and the headers of segments say; 0: none has.

    It is the same whatever retention removed before. Only the record's segment is read for it, and that only where a
    writer took over within it. Raises TapeError; TapeGone if that record was removed.
    """
    found = segments(tape)
    held = sum(one.first_seq <= seq for one in found)
    if not held:
        if found:
            raise TapeGone(f"{tape}: record {seq} was removed by retention; the first is {found[0].first_seq}")
        return 0
    epoch = _header(found[held - 1].path).epoch
    if held < len(found) and _header(found[held].path).epoch == epoch:
        return epoch
    with TapeReader(tape, from_seq=found[held - 1].first_seq, limit="written") as reader:
        # One at a time: for more it would read on to the tape's end.
        while records := reader.poll_type(m.MessageType.epoch_started, 1):
            started = m.EpochStarted.decode(records[0])
            if started.seq >= seq:
                break
            epoch = started.epoch
    return epoch


def _header(segment: Path) -> m.SegmentHeader:
    try:
        with segment.open("rb") as file:
            head = file.read(_FRAME_HEAD)
            return m.SegmentHeader.decode(file.read(int.from_bytes(head[:4], "little")))
    except FileNotFoundError:
        raise TapeGone(f"{segment}: removed by retention just now") from None


def inspect(tape: Path) -> TapeInfo:
    """Raises TapeError if there is no tape."""
    with TapeReader(tape, from_seq=None, limit="written") as reader:
        return TapeInfo(
            name=reader.name,
            path=tape,
            segments=segments(tape),
            positions=reader.positions,
            epoch=reader.epoch,
            durability=reader.durability,
            writer_pid=reader.writer_pid,
            consumers=consumers.positions(tape),
        )


@dataclass(frozen=True)
class CheckReport:
    """`damage` is None when every checksum and every seq from `first_seq` to `last_seq` holds."""

    name: str
    first_seq: int
    last_seq: int
    bytes: int
    seconds: float
    damage: TapeError | None

    @property
    def records(self) -> int:
        return max(0, self.last_seq - self.first_seq + 1)

    def to_dict(self) -> dict[str, object]:
        where = self.damage if isinstance(self.damage, TapeDamaged) else None
        return {
            "name": self.name,
            "ok": self.damage is None,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "records": self.records,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "damage": str(self.damage) if self.damage else None,
            "damaged_path": where.path if where else None,
            "damaged_offset": where.offset if where else None,
            "damaged_seq": where.seq if where else None,
        }


def check(tape: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> CheckReport:
    """Reads everything published: every checksum, every seq. `progress(records read, records in all)` now and then.

    Raises TapeError if there is no tape; damage is in the report.
    """
    began = time.perf_counter()
    damage: TapeError | None = None
    with TapeReader(tape, from_seq=None, limit="written") as reader:
        first, start, total = reader.next_seq, reader.position, reader.lag_records
        try:
            while reader.scan(SCAN_RECORDS):
                progress(reader.next_seq - first, total)
            # scan() hands back what it read before the fault; the fault itself comes with the call after it
        except TapeError as error:
            damage = error
        return CheckReport(
            name=reader.name,
            first_seq=first,
            last_seq=reader.next_seq - 1,
            bytes=reader.position - start,
            seconds=time.perf_counter() - began,
            damage=damage,
        )
