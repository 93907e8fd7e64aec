"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    counter = "counter"
    gauge = "gauge"
    histogram = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` is the name of the samples, `_total` included; those of a histogram add `_bucket`, `_sum`, `_count`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    """`seconds`, `bytes` or `ratio`, which then ends the name (before `_total`); else it counts things."""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    source: str
    """Where its numbers come from, a sentence."""
    metrics: tuple[Metric, ...]


def counter(name: str, help: str, *labels: str, unit: str = "") -> Metric:
    return Metric(f"tapewire_{name}_total", Kind.counter, help, labels, unit)


def gauge(name: str, help: str, *labels: str, unit: str = "") -> Metric:
    return Metric(f"tapewire_{name}", Kind.gauge, help, labels, unit)


def histogram(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"tapewire_{name}_seconds", Kind.histogram, help, labels, "seconds")
