"""A clock that stands still until it is told otherwise."""

from __future__ import annotations


class ManualClock:
    """Implements `tapewire.clock.Clock`."""

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000) -> None:
        self.now_ns = now_ns

    def now(self) -> int:
        return self.now_ns

    def advance(self, ns: int) -> int:
        """Moves the clock by `ns` (below 0: it was set back) and returns the new time."""
        self.now_ns += ns
        return self.now_ns
