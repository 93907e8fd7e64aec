"""The slow, obvious twins of the tape: a list of bytes, and the decision table of recovery.hpp word by word."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEAD = struct.Struct("<IIHHI")
DISK, PADDING = 1, 2
HEADER_FRAME = 216
MESSAGE_MAX = 1 << 20
POLYNOMIAL = 0x82F63B78


def _table() -> list[int]:
    table = []
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class NaiveTape:
    """What a tape should hold. `committed` is what everybody may see, `open_batch` what a clean close forgets."""

    def __init__(self) -> None:
        self.committed: list[bytes] = []
        self.open_batch: list[bytes] = []

    @property
    def next_seq(self) -> int:
        return len(self.committed) + len(self.open_batch) + 1

    def append(self, raw: bytes) -> None:
        self.open_batch.append(raw)

    def commit(self) -> None:
        self.committed += self.open_batch
        self.open_batch = []

    def close(self) -> None:
        self.open_batch = []

    def read(self, seq: int, count: int) -> list[bytes]:
        return self.committed[seq - 1 : seq - 1 + count]

    def first_at(self, ts: int) -> int:
        """The seq of the first record with that ts or later; one past the last if there is none."""
        later = (i for i, raw in enumerate(self.committed, start=1) if int.from_bytes(raw[32:40], "little") >= ts)
        return next(later, len(self.committed) + 1)


@dataclass(frozen=True)
class Outcome:
    """What opening a tape with this last segment must lead to. `refused_at`: the offset named, None if it opens."""

    last_seq: int
    refused_at: int | None = None
    cut_at: int | None = None


@dataclass
class _Frame:
    length: int
    flags: int
    index: int
    seq: int
    message: bytes


def _frame(segment: bytes, at: int) -> _Frame | None:
    """The frame at `at`, if it holds by itself."""
    room = len(segment) - at
    if room < 24:
        return None
    length, crc, kind, flags, index = HEAD.unpack_from(segment, at)
    end = at + 16 + length
    if length == 0 or length % 8 or flags & ~3 or end > len(segment):
        return None
    if flags & PADDING:
        if end != len(segment) or kind or index:
            return None
    elif not 72 <= length <= MESSAGE_MAX or len(segment) - end < 24:
        return None
    if crc32c(segment[at : at + 4] + segment[at + 8 : end]) != crc:
        return None
    message = segment[at + 16 : end]
    seq = int.from_bytes(message[16:24], "little") if length >= 72 else 0
    if not flags & PADDING and (int.from_bytes(message[64:66], "little") != kind or index >= max(seq, 1)):
        return None
    return _Frame(length, flags, index, seq, message)


def read_segment(segment: bytes, first_seq: int) -> tuple[list[bytes], int, bool]:
    """The records that hold, the offset behind them, and whether the segment is full."""
    records: list[bytes] = []
    at = HEADER_FRAME
    while at < len(segment):
        frame = _frame(segment, at)
        if frame is None:
            return records, at, False
        if frame.flags & PADDING:
            return records, len(segment), True
        if frame.seq != first_seq + len(records):
            return records, at, False
        records.append(frame.message)
        at += 16 + frame.length
    return records, at, True


def recover(segment: bytes, *, first_seq: int, base: int, written: int, durable: int, same_boot: bool) -> Outcome:
    """The decision table, for a last segment whose header holds and whose file has its length."""
    records, at, full = read_segment(segment, first_seq)
    last = first_seq - 1 + len(records)
    damaged = last + 1
    if same_boot and base + at < written:
        return Outcome(last, refused_at=at)  # (b)
    if base + at < durable:
        return Outcome(last, refused_at=at)  # (b')
    if full or not any(segment[at:]):
        return Outcome(last)  # (a)
    for ahead in range(at + 8, len(segment), 8):
        frame = _frame(segment, ahead) if segment[ahead] else None
        if frame and frame.flags == DISK and frame.seq > damaged and frame.seq - frame.index > damaged:
            return Outcome(last, refused_at=at)  # (c)
    return Outcome(last, cut_at=at)  # (d)
