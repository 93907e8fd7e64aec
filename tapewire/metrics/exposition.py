"""The samples for Prometheus: its text format and OpenMetrics, with exemplars in the latter.

A histogram of ours has 128 buckets for each power of two; two of them become bounds here, each the exact end of one of
ours, so no count is guessed: (2^k - 1) ns and (1.5 * 2^k - 1) ns, from 127 ns to 17 s. All of it is in a .hlog
(`tapewire tape latency --hlog`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as PrometheusExemplar

from tapewire.folders import Folders
from tapewire.histogram import Histogram
from tapewire.metrics.definitions import METRICS
from tapewire.metrics.exemplars import Exemplar, Exemplars
from tapewire.metrics.metric import Kind
from tapewire.metrics.metric import Metric as Definition
from tapewire.metrics.reading import HostReader
from tapewire.metrics.samples import Reading

BOUNDS_NS: Final = tuple((1 << k) + half - 1 for k in range(7, 34) for half in (0, 1 << (k - 1)))
"""The largest duration of each exported bucket but the last, which has no bound."""


class HostCollector(Collector):
    """Reads the host once per scrape."""

    def __init__(self, reader: HostReader, exemplars: Exemplars | None = None) -> None:
        self._reader, self._exemplars = reader, exemplars

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering would otherwise read the host to learn the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        reading = self._reader.read()
        for definition in METRICS.values():
            if definition.kind is Kind.histogram:
                yield from self._histograms(definition, reading)
            elif values := reading.values.get(definition.name):
                family = _family(definition)
                for labels, value in values.items():
                    family.add_metric(labels, value)
                yield family

    def _histograms(self, definition: Definition, reading: Reading) -> Iterable[Metric]:
        if not (found := reading.histograms.get(definition.name)):
            return
        family = HistogramMetricFamily(definition.name, definition.help, labels=definition.labels)
        for labels, histogram in found.items():
            exemplars: list[Exemplar] = []
            if self._exemplars is not None and definition.name == "tapewire_engine_stage_seconds":
                exemplars = self._exemplars.of(*labels)
            # Read before the counts: a value that comes meanwhile is then in a bucket and not yet in the sum.
            total = histogram.sum
            family.add_metric(labels, buckets(histogram, exemplars), sum_value=total / 1e9)
        yield family


def buckets(
    histogram: Histogram, exemplars: Iterable[Exemplar] = ()
) -> list[tuple[str, float] | tuple[str, float, PrometheusExemplar]]:
    """Cumulative counts by bound in seconds, the newest trace of each bucket beside it."""
    counts = [0] * (len(BOUNDS_NS) + 1)
    at = 0
    for bucket, count in histogram.counts():
        highest = Histogram.highest_of(bucket)
        while at < len(BOUNDS_NS) and highest > BOUNDS_NS[at]:
            at += 1
        counts[at] += count
    traces: dict[int, Exemplar] = {}
    for one in exemplars:
        place = next((i for i, bound in enumerate(BOUNDS_NS) if one.ns <= bound), len(BOUNDS_NS))
        if place not in traces or traces[place].ts < one.ts:
            traces[place] = one
    found: list[tuple[str, float] | tuple[str, float, PrometheusExemplar]] = []
    seen = 0
    for i, bound in enumerate((*(_seconds(ns) for ns in BOUNDS_NS), "+Inf")):
        seen += counts[i]
        if trace := traces.get(i):
            exemplar = PrometheusExemplar({"trace_id": trace.trace_id}, trace.ns / 1e9, trace.ts / 1e9)
            found.append((bound, seen, exemplar))
        else:
            found.append((bound, seen))
    return found


def registry(
    folders: Folders, exemplars: Exemplars | None = None, reader: HostReader | None = None
) -> CollectorRegistry:
    """A registry that reads the host of `folders` at each scrape, and nothing else."""
    made = CollectorRegistry(auto_describe=False)
    made.register(HostCollector(reader or HostReader(folders), exemplars))
    return made


def scrape(collectors: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The answer to a scrape and its content type, in the format that the Accept header asks for. 10 to 50 ms."""
    encode, content_type = choose_encoder(accept)
    return encode(collectors), content_type


def _family(definition: Definition) -> CounterMetricFamily | GaugeMetricFamily:
    if definition.kind is Kind.counter:
        return CounterMetricFamily(definition.name, definition.help, labels=definition.labels)
    return GaugeMetricFamily(definition.name, definition.help, labels=definition.labels)


def _seconds(ns: int) -> str:
    """Exact, without an exponent for what a person reads."""
    return f"{ns / 1e9:.9f}".rstrip("0")
