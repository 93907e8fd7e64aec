"""The latency histogram and the clock that feeds it."""

from __future__ import annotations

import timeit
from collections.abc import Iterator

from bench import _native
from bench.harness import Row, median
from bench.probes import Probes
from tapewire.histogram import Histogram


def run(probes: Probes) -> Iterator[Row]:
    rounds = probes.scale(5_000_000)
    value, spread = median(lambda: _native.histogram_record_ns(rounds))
    yield Row(id="H1", metric="histogram, record, native", value=value, unit="ns", n=5 * rounds, spread=spread)
    value, spread = median(lambda: _native.clock_ns(rounds))
    yield Row(id="H2", metric="clock, utc_ns, native", value=value, unit="ns", n=5 * rounds, spread=spread)
    record = Histogram().record
    empty = probes.value("empty_call_ns")
    number = probes.scale(1_000_000)
    value, spread = median(lambda: timeit.timeit(lambda: record(12345), number=number) / number * 1e9 - empty)
    yield Row(
        id="H3",
        metric="histogram, record, from Python",
        value=value,
        unit="ns",
        probe="empty_call_ns",
        ratio=value / empty,
        n=5 * number,
        spread=spread,
    )
