"""Bars of one instrument, 1 s to 1 d, from its trades as they were printed.

A trade changes the shortest bar alone; a bar that has ended goes into the next longer one. What a longer bar is now is
therefore the one it has, and on top of it those of the shorter intervals that are still under way:

    1d  [........................]
    1h                           [.........]
    ...                                    [...]
    1s                                         [.]   <- trades

Busts and corrections change no bar: a bar says what was printed, the trade log what became of it. An interval without
trades has no bar. Times are UTC ns; intervals begin at multiples of themselves since 1970.
"""

from __future__ import annotations

from collections import deque
from typing import Any

INTERVALS = {
    **{"1s": 1, "5s": 5, "15s": 15, "1m": 60, "5m": 300, "15m": 900},
    **{"1h": 3600, "1d": 86_400},
}
BARS_KEPT = 1_000  # of each interval and instrument, besides the one under way
_NS = 1_000_000_000
_SPANS = tuple(seconds * _NS for seconds in INTERVALS.values())
_LEVELS = {name: level for level, name in enumerate(INTERVALS)}
# A bar is a list that grows in place: start, open, high, low, close, volume, trades.
_START, _OPEN, _HIGH, _LOW, _CLOSE, _VOLUME, _TRADES = range(7)
Bar = tuple[int, int, int, int, int, int, int]
"""Start (UTC ns), open, high, low, close (mantissas), volume, number of trades."""


class Bars:
    def __init__(self) -> None:
        self._now: list[list[int] | None] = [None] * len(_SPANS)
        self._ended: tuple[deque[Bar], ...] = tuple(deque(maxlen=BARS_KEPT) for _ in _SPANS)

    def trade(self, ts: int, price: int, qty: int) -> None:
        """Takes a trade; a time before that of the last trade counts as that."""
        bar = self._now[0]
        if bar is not None and ts < bar[0] + _NS:
            if price > bar[2]:
                bar[2] = price
            elif price < bar[3]:
                bar[3] = price
            bar[4] = price
            bar[5] += qty
            bar[6] += 1
            return
        if bar is not None:
            self._end(0, bar)
        self._now[0] = [ts - ts % _NS, price, price, price, price, qty, 1]

    def last(self, interval: str, most: int) -> list[Bar]:
        """The last bars of an interval, the one under way included, oldest first. KeyError: no such interval."""
        level = _LEVELS[interval]
        span = _SPANS[level]
        under_way: list[list[int]] = []
        for shorter in range(level, -1, -1):
            part = self._now[shorter]
            if part is None:
                continue
            start = part[0] - part[0] % span
            if under_way and under_way[-1][0] == start:
                _add(under_way[-1], part)
            else:
                under_way.append([start, *part[1:]])
        bars = [*self._ended[level], *((b[0], b[1], b[2], b[3], b[4], b[5], b[6]) for b in under_way)]
        return bars[-most:] if most > 0 else []

    def kept(self) -> list[Any]:
        """For `restore`."""
        return [self._now, [list(ended) for ended in self._ended]]

    def restore(self, kept: list[Any]) -> None:
        now, ended = kept
        self._now = [None if bar is None else list(bar) for bar in now]
        for mine, theirs in zip(self._ended, ended, strict=True):
            mine.extend(tuple(bar) for bar in theirs)

    def _end(self, level: int, bar: list[int]) -> None:
        """A bar has ended: it is kept, and goes into the next longer one."""
        self._ended[level].append((bar[0], bar[1], bar[2], bar[3], bar[4], bar[5], bar[6]))
        if level + 1 == len(_SPANS):
            return
        longer, span = self._now[level + 1], _SPANS[level + 1]
        start = bar[0] - bar[0] % span
        if longer is not None:
            if longer[0] == start:
                _add(longer, bar)
                return
            self._end(level + 1, longer)
        self._now[level + 1] = [start, *bar[1:]]


def _add(bar: list[int], later: list[int]) -> None:
    bar[_HIGH] = max(bar[_HIGH], later[_HIGH])
    bar[_LOW] = min(bar[_LOW], later[_LOW])
    bar[_CLOSE] = later[_CLOSE]
    bar[_VOLUME] += later[_VOLUME]
    bar[_TRADES] += later[_TRADES]
