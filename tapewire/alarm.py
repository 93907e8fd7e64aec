"""An alarm that speaks at most once per interval, with the count of what happened since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Later = Callable[[float, Callable[[], None]], Any]


class Alarm:
    """Counts events and tells of them: the first at once, then one line per interval until it has been quiet for one.

    `say(since, total)` gets the events since it last spoke and all so far. `later` schedules, as `loop.call_later`.
    """

    def __init__(self, say: Callable[[int, int], None], later: Later, interval_s: float = 1.0) -> None:
        self._say, self._later, self._interval_s = say, later, interval_s
        self._since = 0
        self._waiting = False
        self.total = 0

    def hit(self) -> None:
        """One more event."""
        self.total += 1
        self._since += 1
        if not self._waiting:
            self._speak()

    def _speak(self) -> None:
        since, self._since = self._since, 0
        self._waiting = True
        self._later(self._interval_s, self._tick)
        self._say(since, self.total)

    def _tick(self) -> None:
        self._waiting = False
        if self._since:
            self._speak()
