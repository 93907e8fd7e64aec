"""Exact decimal text to integer mantissa and back: value = mantissa x 10^exponent. No float is involved."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from tapewire.errors import FixedError

MIN_EXPONENT = -18
MAX_EXPONENT = 18
MAX_MANTISSA = (1 << 63) - 1
_MAX_TEXT = 64


def to_mantissa(text: str, exponent: int) -> int:
    """The integer m with m x 10^exponent == text, exactly. `to_mantissa("64000.1", -2)` is 6400010.

    Takes plain decimals and scientific ones ("1e-8"), zeros at the end included. Raises FixedError if a digit
    would be lost, the text is no number, or the result needs more than 64 bits.
    """
    whole, _, fraction = text.partition(".")
    # The fast path: digits, at most one dot, no more places than the exponent keeps. Venues send almost only these.
    if (
        text.isascii()
        and len(text) <= 20
        and whole.isdigit()
        and (fraction.isdigit() or (not fraction and whole == text))
        and (missing := -exponent - len(fraction)) >= 0
        and len(whole) - exponent <= 18
    ):
        return int(whole + fraction) * _POWERS[missing]
    return _slow_mantissa(text, exponent)


def _slow_mantissa(text: str, exponent: int) -> int:
    if not MIN_EXPONENT <= exponent <= MAX_EXPONENT:
        raise FixedError(f"exponent {exponent}: expected {MIN_EXPONENT} to {MAX_EXPONENT}")
    sign, digits, places = _parts(text)
    if not digits:
        return 0
    shift = places - exponent
    if shift >= 0:
        # A bound before the power is taken: "1e999999" must not build a number of a million digits.
        if shift > 40:
            raise FixedError(f"{text!r} does not fit 64 bits at exponent {exponent}")
        mantissa = digits * int(10**shift)
    else:
        mantissa, lost = divmod(digits, int(10 ** min(-shift, _MAX_TEXT + 1)))
        if lost:
            raise FixedError(f"{text!r} has more digits than exponent {exponent} keeps; nothing is rounded here")
    if mantissa > MAX_MANTISSA:
        raise FixedError(f"{text!r} does not fit 64 bits at exponent {exponent}")
    return -mantissa if sign else mantissa


def _parts(text: str) -> tuple[int, int, int]:
    """Sign, digits and decimal exponent of a text, or FixedError."""
    if len(text) > _MAX_TEXT or not text.isascii() or "_" in text or text != text.strip():
        raise FixedError(f"{text[: _MAX_TEXT + 1]!r} is not a decimal number")
    try:
        sign, digits, places = Decimal(text).as_tuple()
    except InvalidOperation:
        raise FixedError(f"{text!r} is not a decimal number") from None
    if not isinstance(places, int):
        raise FixedError(f"{text!r} is not a finite number")
    return sign, int("".join(map(str, digits))), places


def to_text(mantissa: int, exponent: int) -> str:
    """The decimal text of mantissa x 10^exponent, all places kept. `to_text(6400010, -2)` is "64000.10"."""
    if exponent >= 0:
        return str(mantissa * int(10**exponent))
    if mantissa < 0:
        return "-" + to_text(-mantissa, exponent)
    digits = str(mantissa)
    places = -exponent
    if len(digits) <= places:
        digits = digits.zfill(places + 1)
    return f"{digits[:-places]}.{digits[-places:]}"


def exponent_of(text: str) -> int:
    """The largest exponent (at most 0) at which `text` is an integer: -2 for "0.01", -1 for "0.50", 0 for "25"."""
    _, digits, places = _parts(text)
    if not digits:
        return 0
    while places < 0 and digits % 10 == 0:
        digits, places = digits // 10, places + 1
    if places < MIN_EXPONENT:
        raise FixedError(f"{text!r} has more than {-MIN_EXPONENT} decimal places")
    return min(places, 0)


_POWERS: tuple[int, ...] = tuple(10**n for n in range(-MIN_EXPONENT + 1))
