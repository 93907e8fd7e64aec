"""Times as people write them, to UTC ns and back, without losing a nanosecond.

2026-11-21   2026-11-21T09:00   2026-11-21T09:00:00.123456789Z   2026-11-21T10:00+01:00      ISO; no zone means UTC
09:30        today at that time, UTC                       now   today   yesterday           words
-5m   -1h30m   -2d                                                                           before now
1795251600   1795251600123   1795251600123456   1795251600123456789                          s, ms, µs or ns since 1970
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tapewire.errors import TimeError

NS: Final = 10**9
DAY: Final = 86_400 * NS
_UNITS: Final = {"d": DAY, "h": 3600 * NS, "m": 60 * NS, "s": NS, "ms": 10**6, "us": 10**3, "ns": 1}
_RELATIVE: Final = re.compile(r"-((?:\d{1,9}(?:ms|us|ns|d|h|m|s))+)")
_PART: Final = re.compile(r"(\d+)(ms|us|ns|d|h|m|s)")
_CLOCK: Final = re.compile(r"\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?")
_FRACTION: Final = re.compile(r"(?:(?<=:\d\d:\d\d)|(?<=[T ]\d{6}))[.,](\d{1,9})(?=$|[Z+-])")


def parse(text: str, now: int) -> int:
    """The time that `text` means, UTC ns; `now` (UTC ns) is what relative times count from.

    Raises TimeError for anything else, and for times before 1970 or after 2262, which 64 bits of ns do not hold.
    """
    ts = _parsed(text.strip(), now)
    if not 0 <= ts < 1 << 63:
        raise TimeError(f"time {text!r}: expected one from 1970 to 2262, where 64 bits of ns end")
    return ts


def _parsed(text: str, now: int) -> int:
    if text == "now":
        return now
    if text in ("today", "yesterday"):
        return now // DAY * DAY - (DAY if text == "yesterday" else 0)
    if text.isascii() and text.isdigit():
        return _epoch(text)
    if relative := _RELATIVE.fullmatch(text):
        return now - sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(relative[1]))
    if _CLOCK.fullmatch(text):
        text = f"{show(now)[:10]}T{text}"
    return _iso(text)


def show(ts: int) -> str:
    """ISO with all nine places: 2026-11-21T09:00:00.123456789Z."""
    seconds, ns = divmod(ts, NS)
    return f"{datetime(1970, 1, 1) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def _epoch(digits: str) -> int:
    """Seconds until the year 5138, milliseconds from 1973, and so on: no unit is ever in doubt for a market's times."""
    unit = next((unit for places, unit in ((11, NS), (14, 10**6), (17, 10**3), (19, 1)) if len(digits) <= places), 0)
    if unit == 0 or int(digits) * unit >= 1 << 63:
        raise TimeError(f"time {digits}: too many digits; expected seconds, ms, µs or ns since 1970")
    return int(digits) * unit


def _iso(text: str) -> int:
    fraction = _FRACTION.search(text)
    ns = int(fraction[1].ljust(9, "0")) if fraction else 0
    whole = text[: fraction.start()] + text[fraction.end() :] if fraction else text
    try:
        moment = datetime.fromisoformat(whole)
        # What is left of a fraction here was none of seconds, or longer than nine places, and has lost its end already.
        known = moment.microsecond == 0
    except ValueError:
        known = False
    if not known:
        raise TimeError(
            f"time {text!r}: expected ISO (2026-11-21T09:00, UTC unless it says otherwise), a time of today (09:30), "
            f"now, today, yesterday, -5m (units d h m s ms us ns), or s, ms, µs, ns since 1970"
        )
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS + ns
