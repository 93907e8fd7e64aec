"""When topics are told: at once after a rest, then not more often than their interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Paced(Protocol):
    def flush(self) -> None:
        """Tells what changed since the last time."""


class Pacer:
    """One for each interval: all that a client follows at the same one leaves in one turn of the loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, interval_s: float, on_failure: Callable[[BaseException], None]
    ) -> None:
        """`on_failure`: called with what a topic raised; nothing is told afterwards."""
        self._loop = loop
        self._on_failure = on_failure
        self._interval = interval_s
        self._due: dict[Paced, None] = {}
        self._handle: asyncio.Handle | None = None
        self._next = 0.0

    def mark(self, topic: Paced) -> None:
        """It has something to tell."""
        self._due[topic] = None
        if self._handle is None:
            now = self._loop.time()
            late = self._next <= now
            self._handle = self._loop.call_soon(self._run) if late else self._loop.call_at(self._next, self._run)

    def forget(self, topic: Paced) -> None:
        """Nobody follows it any more."""
        self._due.pop(topic, None)

    def stop(self) -> None:
        """Nothing is told any more."""
        self._due.clear()
        if self._handle is not None:
            self._handle.cancel()

    def soon(self, work: Callable[[], None]) -> asyncio.Handle:
        """Calls it in the next turn of the loop."""
        return self._loop.call_soon(self._guard, work)

    def _run(self) -> None:
        self._handle = None
        self._next = self._loop.time() + self._interval
        due, self._due = self._due, {}
        for topic in due:
            self._guard(topic.flush)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - ends the service
            self._on_failure(error)
