"""What every bench shares: the row it prints, and a median that shows its spread.

A bench is a module `bench/<name>.py` with `run(probes: Probes) -> Iterable[Row]`. How to measure so that a number
means something is in docs/latency.md.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable

import msgspec


class Row(msgspec.Struct, kw_only=True):
    """One measured figure. `ratio` is value / the probe's value, both in the probe's unit; it is the result."""

    id: str
    metric: str
    value: float
    unit: str
    probe: str = ""
    ratio: float | None = None
    n: int = 0
    load: float = msgspec.field(default_factory=lambda: os.getloadavg()[0])
    spread: tuple[float, float] | None = None


def median(measure: Callable[[], float], runs: int = 5) -> tuple[float, tuple[float, float]]:
    """The median of `runs` calls of `measure`, and the (smallest, largest) beside it."""
    values = sorted(measure() for _ in range(runs))
    return statistics.median(values), (values[0], values[-1])
