"""CRC32C: both ways of computing it agree with each other, with the oracle, and with published vectors."""

from __future__ import annotations

import random

import pytest

from tapewire.tape import crc32c
from tests.oracle import naive_tape

# RFC 3720, B.4, and the customary check value.
VECTORS = [
    (b"", 0x00000000),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]


def has_instruction() -> bool:
    try:
        crc32c(b"", hardware=True)
    except ValueError:
        return False
    return True


WAYS = [
    pytest.param(False, id="table"),
    pytest.param(
        True,
        id="instruction",
        marks=pytest.mark.skipif(not has_instruction(), reason="this processor has no SSE4.2"),
    ),
]


@pytest.mark.parametrize("hardware", WAYS)
def test_the_published_vectors_come_out(hardware: bool) -> None:
    assert [crc32c(data, hardware=hardware) for data, _ in VECTORS] == [value for _, value in VECTORS]


@pytest.mark.parametrize("hardware", WAYS)
def test_every_length_and_alignment_agrees_with_the_oracle(hardware: bool) -> None:
    data = random.Random(7).randbytes(300)
    slices = [data[start : start + n] for start in range(9) for n in range(0, 280, 3)]
    assert [crc32c(one, hardware=hardware) for one in slices] == [naive_tape.crc32c(one) for one in slices]
