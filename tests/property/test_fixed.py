from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import FixedError
from tapewire.fixed import MAX_MANTISSA, exponent_of, to_mantissa, to_text

EXPONENTS = st.integers(-18, 6)


@given(st.integers(-MAX_MANTISSA, MAX_MANTISSA), EXPONENTS)
def test_every_number_comes_back_from_its_text(mantissa: int, exponent: int) -> None:
    text = to_text(mantissa, exponent)
    assert to_mantissa(text, exponent) == mantissa
    assert Decimal(text) == Decimal(mantissa).scaleb(exponent)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12), EXPONENTS)
def test_text_is_converted_exactly_or_refused(value: Decimal, exponent: int) -> None:
    exact = Decimal(value).scaleb(-exponent) if abs(value.as_tuple().exponent) < 60 else None  # type: ignore[arg-type]
    try:
        mantissa = to_mantissa(str(value), exponent)
    except FixedError:
        assert exact is None or exact != exact.to_integral_value() or abs(exact) > MAX_MANTISSA
        return
    assert Decimal(mantissa).scaleb(exponent) == value


@pytest.mark.parametrize(
    ("text", "exponent", "mantissa"),
    [
        ("64000.1", -2, 6400010),
        ("64000.10", -2, 6400010),
        ("64000.1000", -2, 6400010),
        ("0.00000001", -8, 1),
        ("1e-8", -8, 1),
        ("1E2", 0, 100),
        ("1200", 2, 12),
        (".5", -1, 5),
        ("5.", -1, 50),
        ("-0.25", -2, -25),
        ("+1", 0, 1),
        ("0", -18, 0),
        ("0e999999999999", -2, 0),
        ("-0e-999999999999", -2, 0),
        ("9223372036854775807", 0, MAX_MANTISSA),
    ],
)
def test_texts_as_venues_write_them(text: str, exponent: int, mantissa: int) -> None:
    assert to_mantissa(text, exponent) == mantissa


@pytest.mark.parametrize(
    ("text", "exponent"),
    [
        ("0.001", -2),
        ("9223372036854775808", 0),
        ("1e999999", 0),
        ("1e-999999", 0),
        ("", 0),
        (".", 0),
        ("1.2.3", -2),
        ("1_000", 0),
        (" 1", 0),
        ("٣", 0),
        ("²", 0),
        ("nan", 0),
        ("Infinity", 0),
        ("0x10", 0),
        ("1", -19),
        ("1" * 65, 0),
    ],
)
def test_what_is_no_number_or_does_not_fit_is_refused(text: str, exponent: int) -> None:
    with pytest.raises(FixedError):
        to_mantissa(text, exponent)


@pytest.mark.parametrize(
    ("text", "exponent"),
    [("0.01", -2), ("0.50", -1), ("25", 0), ("1e-8", -8), ("100", 0), ("0.0", 0), ("0e-999999999999", 0)],
)
def test_the_exponent_of_a_tick_is_the_largest_that_keeps_it_whole(text: str, exponent: int) -> None:
    assert exponent_of(text) == exponent
