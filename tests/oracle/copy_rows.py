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


def numeric(field: bytes) -> Decimal:
    """A NUMERIC. Its scale is that of the Decimal."""
    count, weight, sign, scale = struct.unpack_from(">hhHH", field)
    digits = struct.unpack_from(f">{count}H", field, 8)
    assert len(field) == 8 + 2 * count
    assert not count or (digits[0] and digits[-1]), "groups of zeros at an end"
    value = sum(digit * 10_000 ** (weight - at) for at, digit in enumerate(digits) if weight >= at)
    whole = Decimal(value)
    for at, digit in enumerate(digits):
        if weight < at:
            whole += Decimal(digit).scaleb(4 * (weight - at))
    return (-whole if sign == 0x4000 else whole).quantize(Decimal(1).scaleb(-scale))
