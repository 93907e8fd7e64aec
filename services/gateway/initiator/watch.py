"""Orders from which an answer is due: entered and not acknowledged, a request open, a fill that the venue's CumQty
speaks of and that did not come. Pure; time is an argument."""

from __future__ import annotations

from collections import deque
from typing import Final

from services.gateway.initiator.child import Child

TRIES: Final = 3


class Watch:
    def __init__(self, timeout_ns: int) -> None:
        self._timeout = timeout_ns
        self._since: dict[int, int] = {}
        self._tries: dict[int, int] = {}

    def look(self, child: Child, now: int) -> None:
        """Something was sent for an order, or came of it."""
        number = child.child_id
        waits = child.live and (not child.acknowledged or bool(child.requests) or child.moving is not None)
        if waits or child.behind or child.doubt is not None:
            self._since[number] = now
        else:
            self._since.pop(number, None)
            self._tries.pop(number, None)

    def suspect(self, child: Child) -> None:
        """The venue refused something as if it did not know the order: it is asked for at once."""
        if child.live:
            self._since[child.child_id] = 0

    def due(self, now: int) -> list[int]:
        """Orders to ask for now; each counts as asked."""
        found = [child for child, since in self._since.items() if now - since >= self._timeout]
        for child in found:
            self._since[child] = now
            self._tries[child] = self._tries.get(child, 0) + 1
        return found

    def gave_up(self, child: int) -> bool:
        """Whether it was asked for as often as it may be, and never answered."""
        return self._tries.get(child, 0) > TRIES

    def clear(self) -> set[int]:
        """What was due, when the connection is lost."""
        found = set(self._since)
        self._since.clear()
        self._tries.clear()
        return found


class Throttle:
    """At most so many messages in any interval of that length."""

    def __init__(self, messages: int, interval_ns: int) -> None:
        self._interval = interval_ns
        self._times: deque[int] = deque(maxlen=messages)

    def free(self, now: int) -> bool:
        times = self._times
        return len(times) < (times.maxlen or 1) or now - times[0] >= self._interval

    def take(self, now: int) -> None:
        self._times.append(now)
