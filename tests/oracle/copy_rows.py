"""PostgreSQL's binary COPY, read back slowly and plainly: the oracle of the compiled encoder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from decimal import Decimal

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def rows(copy: bytes) -> Iterator[list[bytes | None]]:
    """The fields of each row, as bytes. Raises AssertionError for anything that is not exactly a COPY."""
    assert copy.startswith(HEAD), copy[:19]
    at = len(HEAD)
    while True:
        (count,) = struct.unpack_from(">h", copy, at)
        at += 2
        if count == -1:
            assert at == len(copy), "bytes behind the end"
            return
        row: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", copy, at)
            at += 4
            row.append(None if length < 0 else copy[at : at + length])
            at += max(length, 0)
        yield row


def numeric_digits(field: bytes) -> tuple[int, int, int]:
    """A NUMERIC as sign (1: negative), its digits as a number without point, and how many are behind the point."""
    count, weight, sign, scale = struct.unpack_from(">hhHH", field)
    groups = struct.unpack_from(f">{count}H", field, 8)
    assert len(field) == 8 + 2 * count
    assert not count or (groups[0] and groups[-1]), "groups of zeros at an end"
    text = "".join(f"{group:04}" for group in groups) or "0"
    # The digits stand for text x 10^(4 x (weight + 1 - count)); as many as the scale says are behind the point.
    shift = 4 * (weight + 1 - count) + scale if count else 0
    if shift < 0:
        assert set(text[shift:]) <= {"0"}, "digits behind the scale"
        text = text[:shift] or "0"
        shift = 0
    return int(sign == 0x4000), int(text) * 10**shift, scale


def numeric(field: bytes) -> Decimal:
    """A NUMERIC. Its scale is that of the Decimal."""
    sign, digits, scale = numeric_digits(field)
    return Decimal((sign, tuple(map(int, str(digits))), -scale))
