"""Sliding-window limits, as the venues document theirs. Time is an argument."""

from __future__ import annotations

from collections import OrderedDict, deque

MAX_CLIENTS = 1024  # addresses remembered; the one longest unseen is forgotten


class Window:
    """At most `limit` units in any `span_ns`."""

    __slots__ = ("_span_ns", "_taken", "_used", "limit")

    def __init__(self, limit: int, span_ns: int) -> None:
        self.limit, self._span_ns = limit, span_ns
        self._taken: deque[tuple[int, int]] = deque()
        self._used = 0

    def take(self, now_ns: int, units: int = 1) -> bool:
        """Takes `units`, or takes nothing and returns False."""
        self._expire(now_ns)
        if self._used + units > self.limit:
            return False
        self._taken.append((now_ns, units))
        self._used += units
        return True

    def used(self, now_ns: int) -> int:
        self._expire(now_ns)
        return self._used

    def _expire(self, now_ns: int) -> None:
        while self._taken and self._taken[0][0] <= now_ns - self._span_ns:
            self._used -= self._taken.popleft()[1]


class PerClient:
    """A window for each client address."""

    def __init__(self, limit: int, span_ns: int) -> None:
        self._limit, self._span_ns = limit, span_ns
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def of(self, address: str) -> Window:
        window = self._windows.pop(address, None) or Window(self._limit, self._span_ns)
        self._windows[address] = window
        if len(self._windows) > MAX_CLIENTS:
            self._windows.popitem(last=False)
        return window
