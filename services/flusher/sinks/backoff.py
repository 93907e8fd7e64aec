"""How long to wait before a target is tried again: ever longer, bounded, and never in step with others."""

from __future__ import annotations

import random
from typing import Final

FIRST_S: Final = 0.1
FACTOR: Final = 2.0


class Backoff:
    """`random` gives 0 to 1."""

    def __init__(self, longest_s: float, random: random.Random | None = None) -> None:
        self._longest, self._random = longest_s, random or _random()
        self._next = min(FIRST_S, longest_s)

    def pause(self) -> float:
        """The next pause, seconds: from half of the step to all of it, so that many sinks do not come at once."""
        step = self._next
        self._next = min(step * FACTOR, self._longest)
        return step * (0.5 + self._random.random() / 2)

    def reset(self) -> None:
        """It has worked."""
        self._next = min(FIRST_S, self._longest)


def _random() -> random.Random:
    return random.Random()
