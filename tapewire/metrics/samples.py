"""What a reading gives: samples of the metrics in definitions.py, collected by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tapewire.histogram import Histogram
from tapewire.metrics.definitions import METRICS
from tapewire.metrics.metric import Kind

Labels = tuple[str, ...]


@dataclass(slots=True)
class Reading:
    """Samples by metric and label values, those in the order of the metric's labels. A sample put twice is the last."""

    values: dict[str, dict[Labels, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Labels, Histogram]] = field(default_factory=dict)

    def put(self, name: str, value: float, *labels: str) -> None:
        """Raises KeyError for a metric that is not in the table, ValueError for other labels than its own."""
        metric = METRICS[name]
        if len(labels) != len(metric.labels) or metric.kind is Kind.histogram:
            raise ValueError(f"{name}: a value with labels {labels}; it is a {metric.kind.value} with {metric.labels}")
        self.values.setdefault(name, {})[labels] = value

    def put_histogram(self, name: str, histogram: Histogram, *labels: str) -> None:
        metric = METRICS[name]
        if len(labels) != len(metric.labels) or metric.kind is not Kind.histogram:
            raise ValueError(
                f"{name}: a histogram with labels {labels}; it is a {metric.kind.value} with {metric.labels}"
            )
        self.histograms.setdefault(name, {})[labels] = histogram

    def value(self, name: str, *labels: str) -> float | None:
        return self.values.get(name, {}).get(labels)

    def of(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Every sample of a metric with its labels by name."""
        names = METRICS[name].labels
        for labels, value in self.values.get(name, {}).items():
            yield dict(zip(names, labels, strict=True)), value
