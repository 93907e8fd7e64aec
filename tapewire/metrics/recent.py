"""What happened between two looks at a host: rates of counters, percentiles of what was recorded meanwhile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tapewire.histogram import Histogram
from tapewire.metrics.samples import Labels, Reading

Counts = dict[int, int]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """In ns, each up to 0.8 % above the exact one; `count` values were recorded."""

    p50: int
    p90: int
    p99: int
    p999: int
    max: int
    count: int


def percentiles(counts: Mapping[int, int]) -> Percentiles:
    """Of counts by bucket, as Histogram.counts has them. All zero if there are none."""
    filled = sorted((bucket, count) for bucket, count in counts.items() if count > 0)
    total = sum(count for _, count in filled)
    if not total:
        return Percentiles(0, 0, 0, 0, 0, 0)
    p50, p90, p99, p999, most = (_at(filled, total, share) for share in (0.5, 0.9, 0.99, 0.999, 1.0))
    return Percentiles(p50, p90, p99, p999, most, total)


def _at(filled: Sequence[tuple[int, int]], total: int, share: float) -> int:
    wanted, seen = max(1, math.ceil(share * total * (1 - 1e-12))), 0
    for bucket, count in filled:
        seen += count
        if seen >= wanted:
            return Histogram.highest_of(bucket)
    return Histogram.highest_of(filled[-1][0])


class Recent:
    """Compares each reading with the one before. The first shows what was since the start, and no rates."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._values: dict[str, dict[Labels, float]] = {}
        self._counts: dict[str, dict[Labels, Counts]] = {}
        self._rates: dict[str, dict[Labels, float]] = {}
        self._recent: dict[str, dict[Labels, Percentiles]] = {}

    def take(self, reading: Reading, now: float) -> None:
        """`now` in seconds of a clock that never goes back."""
        took = now - self._at if self._at is not None else 0.0
        self._rates = {
            name: {
                labels: (value - before) / took
                for labels, value in values.items()
                if took > 0 and (before := self._values.get(name, {}).get(labels)) is not None and value >= before
            }
            for name, values in reading.values.items()
            if name.endswith("_total")
        }
        counts = {
            name: {labels: dict(histogram.counts()) for labels, histogram in found.items()}
            for name, found in reading.histograms.items()
        }
        self._recent = {
            name: {
                labels: percentiles(_difference(new, self._counts.get(name, {}).get(labels, {})))
                for labels, new in found.items()
            }
            for name, found in counts.items()
        }
        self._at, self._values, self._counts = now, reading.values, counts

    def rate(self, name: str, *labels: str) -> float:
        """Of a counter, per second; 0 when it is not known yet, or began anew."""
        return self._rates.get(name, {}).get(labels, 0.0)

    def latency(self, name: str) -> dict[Labels, Percentiles]:
        """Of a histogram, what was recorded since the last look, by labels."""
        return self._recent.get(name, {})


def _difference(new: Counts, old: Counts) -> Counts:
    """All of `new` if its writer began anew."""
    if any(new.get(bucket, 0) < count for bucket, count in old.items()):
        return new
    return {bucket: count - old.get(bucket, 0) for bucket, count in new.items()}
