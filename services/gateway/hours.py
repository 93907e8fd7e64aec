"""When a session is open: pure, time is an argument. `07:00-16:30`, UTC; past midnight if the end is the earlier."""

from __future__ import annotations

from typing import Final

MINUTE_NS: Final = 60 * 10**9
DAY_NS: Final = 24 * 60 * MINUTE_NS


def is_open(hours: str, now: int) -> bool:
    """`now`: UTC ns. Without hours it always is."""
    if not hours:
        return True
    minute = now % DAY_NS // MINUTE_NS
    begin, end = _minutes(hours)
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def opened_at(hours: str, now: int) -> int:
    """The last opening until now, UTC ns; 0: without hours there is none."""
    if not hours:
        return 0
    today = now - now % DAY_NS + _minutes(hours)[0] * MINUTE_NS
    return today if today <= now else today - DAY_NS


def _minutes(hours: str) -> tuple[int, int]:
    begin, _, end = hours.partition("-")
    return int(begin[:2]) * 60 + int(begin[3:]), int(end[:2]) * 60 + int(end[3:])
