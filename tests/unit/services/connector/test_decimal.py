"""Venue text to integers: exact, and refusing what is not a plain non-negative number."""

from __future__ import annotations

import msgspec
import pytest

from services.connector._decimal import (
    MAX_MANTISSA,
    checksum_digits,
    decimals,
    levels,
    lexeme_mantissa,
    mantissa,
    rfc3339_ns,
)


@pytest.mark.parametrize(
    ("text", "exponent", "expected"),
    [
        ("61737.63000000", -2, 6173763),
        ("0.00001305", -8, 1305),
        ("0.10203", -8, 10203000),
        ("0", -8, 0),
        ("0.00000000", 0, 0),
        ("7000", 3, 7),
        ("1e-8", -8, 1),
        ("1.05E+2", 0, 105),
        (str(MAX_MANTISSA), 0, MAX_MANTISSA),
    ],
)
def test_a_number_becomes_the_integer_at_its_exponent(text: str, exponent: int, expected: int) -> None:
    assert mantissa(text, exponent) == lexeme_mantissa(text.encode(), exponent) == expected


@pytest.mark.parametrize(
    ("text", "exponent"),
    [
        ("0.001", -2),  # finer than the exponent
        ("7001", 3),
        (str(MAX_MANTISSA + 1), 0),
        ("99999999999999999999999999", 0),
        ("92233720368547758.07", -8),
        ("-1", 0),
        ("+1", 0),
        ("", 0),
        (".", 0),
        (".5", -1),
        ("5.", 0),
        ("1.2.3", -2),
        ("1 ", 0),
        ("0x10", 0),
        ("1e", 0),
        ("1e999", 0),
        ("nan", 0),
        ("inf", 0),
        ("１", 0),
    ],
)
def test_what_is_malformed_negative_too_fine_or_too_large_is_refused(text: str, exponent: int) -> None:
    assert mantissa(text, exponent) == lexeme_mantissa(text.encode(), exponent) == -1


def test_written_decimal_places_are_counted_with_their_trailing_zeros() -> None:
    assert [decimals(t) for t in (b"63381.0", b"0.00005100", b"5", b"5.", b"-1.0", b"1e-8", b"")] == [
        1,
        8,
        0,
        -1,
        -1,
        -1,
        -1,
    ]


def test_times_are_read_to_the_nanosecond_and_year_one_is_refused() -> None:
    assert rfc3339_ns("2021-04-17T16:43:30.244075Z") == 1_618_677_810_244_075_000
    assert rfc3339_ns("1970-01-01T00:00:00Z") == 0
    assert rfc3339_ns("2024-02-29T23:59:59.999999999Z") == 1_709_251_199_999_999_999
    refused = (
        "0001-01-01T00:00:00.000000Z",
        "2021-04-17 16:43:30Z",
        "2021-04-17T16:43:30",
        "2021-04-17T16:43:30.Z",
        "2021-13-17T16:43:30Z",
        "2021-04-17T16:43:30+02:00",
        "",
    )
    assert [rfc3339_ns(text) for text in refused] == [-1] * len(refused)


def test_a_list_of_levels_is_read_whole_or_not_at_all() -> None:
    raw = b'[["61737.63000000","0.00000000"],["1","2.5"]]'
    assert levels(raw, -2, -8) == levels(msgspec.Raw(raw), -2, -8) == [(6173763, 0), (100, 250000000)]
    assert levels(b"[]", -2, -8) == []
    assert levels(b' [ [ "1" , "2" , 7 ] ] ', 0, 0) == [(1, 2)]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[",
        b"{}",
        b'[["0","1"]]',
        b'[["-1","1"]]',
        b'[["1","-1"]]',
        b'[["0.001","1"]]',
        b'[["1"]]',
        b'[["1","1"]',
        b'[["1","1"],]',
        b'[["1","1"]]]',
        b"[[1,1]]",
        b'[["1","1"]["1","1"]]',
        b'[["1","1',
    ],
)
def test_a_list_with_anything_impossible_is_refused(raw: bytes) -> None:
    assert levels(raw, -2, -8) is None


def test_checksum_digits_drop_the_point_and_leading_zeros_only() -> None:
    assert checksum_digits(b"45285.2", b"0.00100000") == b"452852100000"
    assert checksum_digits(b"0.05005", b"0.00000500") == b"5005500"
