"""How often something happened lately, by key, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final

MOST_KEYS: Final = 4096


class Throttle:
    """At most `most` events of a key within `interval_ns`. Beyond `most_keys` the key seen longest ago is forgotten."""

    def __init__(self, most: int, interval_ns: int, most_keys: int = MOST_KEYS) -> None:
        self._most, self._interval, self._most_keys = most, interval_ns, most_keys
        self._events: OrderedDict[Hashable, deque[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._events)

    def wait(self, key: Hashable, now: int) -> int:
        """Nanoseconds until the next event of this key is allowed; 0: now."""
        events = self._events.get(key)
        if events is None:
            return 0
        while events and events[0] <= now - self._interval:
            events.popleft()
        return 0 if len(events) < self._most else events[0] + self._interval - now

    def count(self, key: Hashable, now: int) -> None:
        """One more. Events beyond `most` are not kept: refusing them must not make the wait longer."""
        events = self._events.setdefault(key, deque(maxlen=self._most))
        self._events.move_to_end(key)
        if len(events) < self._most:
            events.append(now)
        if len(self._events) > self._most_keys:
            self._events.popitem(last=False)
