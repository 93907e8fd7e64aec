"""Steps of rates, and the time at which each order is meant to be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tapewire.errors import ConfigError

MOST_RATE: Final = 1_000_000.0
MOST_ORDERS: Final = 100_000_000
_STEP: Final = re.compile(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Step:
    """`rate` orders a second for `seconds`."""

    rate: float
    seconds: float

    @property
    def orders(self) -> int:
        return int(self.rate * self.seconds + 0.5)


def parse(text: str) -> list[Step]:
    """`100x5,1000x10`: 100 a second for 5 s, then 1,000 a second for 10 s. Raises ConfigError."""
    steps = []
    for part in text.split(","):
        found = _STEP.fullmatch(part.strip())
        step = Step(float(found[1]), float(found[2])) if found else Step(0, 0)
        if not 0 < step.rate <= MOST_RATE or step.orders < 1:
            raise ConfigError(
                f"step {part!r}: expected RATExSECONDS such as 1000x5, a rate up to {MOST_RATE:,.0f} a second and time "
                f"for one order at least"
            )
        steps.append(step)
    if sum(step.orders for step in steps) > MOST_ORDERS:
        raise ConfigError(f"steps {text!r}: more than {MOST_ORDERS:,} orders in all")
    return steps


def intended(steps: list[Step]) -> Iterator[tuple[int, int]]:
    """(step, ns since the beginning) of every order, evenly spaced within its step."""
    begin = 0
    for number, step in enumerate(steps):
        for i in range(step.orders):
            yield number, begin + int(i * 1e9 / step.rate)
        begin += int(step.seconds * 1e9)
