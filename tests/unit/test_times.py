"""Times as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import TimeError
from tapewire.times import DAY, NS, parse, show

NOW = 1_795_269_600_123_456_789  # 2026-11-21T14:00:00.123456789Z
TODAY = NOW // DAY * DAY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("today", TODAY),
        ("yesterday", TODAY - DAY),
        ("-5m", NOW - 300 * NS),
        ("-1h30m", NOW - 5400 * NS),
        ("-2d1ns", NOW - 2 * DAY - 1),
        ("-250ms", NOW - 250_000_000),
        ("2026-11-21", TODAY),
        ("2026-11-21T14:00", TODAY + 14 * 3600 * NS),
        ("2026-11-21 14:00:00.123456789Z", NOW),
        ("2026-11-21T15:00:00.123456789+01:00", NOW),
        ("2026-11-21T14:00:00.5", TODAY + 14 * 3600 * NS + NS // 2),
        ("20261121T140000.123456789Z", NOW),
        ("09:30", TODAY + 9 * 3600 * NS + 1800 * NS),
        ("09:30:00.25", TODAY + 9 * 3600 * NS + 1800 * NS + NS // 4),
        ("1795269600", 1_795_269_600 * NS),
        ("1795269600123", 1_795_269_600_123_000_000),
        ("1795269600123456", 1_795_269_600_123_456_000),
        ("1795269600123456789", NOW),
    ],
)
def test_every_way_to_write_a_time_means_that_nanosecond(text: str, expected: int) -> None:
    assert parse(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "-5",
        "5m",
        "2026-13-01",
        "25:00",
        "1" * 20,
        "9" * 19,
        "-5y",
        "--5m",
        "09:30,5",
        "2026-11-21T14:00.5",
        "00:00:00.1234567891",
    ],
)
def test_what_means_no_time_is_refused_with_how_times_are_written(text: str) -> None:
    with pytest.raises(TimeError, match=r"(expected ISO|too many digits)"):
        parse(text, NOW)


@given(st.integers(0, 253_402_300_799 * NS - 1))
def test_what_is_shown_can_be_read_back_to_the_nanosecond(ts: int) -> None:
    if ts < 1 << 63:
        assert parse(show(ts), NOW) == ts


@pytest.mark.parametrize("text", ["9999-12-31", "1969-12-31", "-99999d"])
def test_a_time_that_64_bits_of_ns_do_not_hold_is_refused(text: str) -> None:
    with pytest.raises(TimeError, match="expected one from 1970 to 2262"):
        parse(text, NOW)
