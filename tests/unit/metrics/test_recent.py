from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.histogram import Histogram
from tapewire.metrics.recent import Recent, percentiles
from tapewire.metrics.samples import Reading

STAGE = "tapewire_engine_stage_seconds"


def highest(value: int) -> int:
    histogram = Histogram()
    histogram.record(value)
    ((bucket, _),) = histogram.counts()
    return Histogram.highest_of(bucket)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1 << 39), min_size=1, max_size=80), st.lists(st.integers(0, 1 << 39), max_size=80))
def test_percentiles_are_of_what_was_recorded_since_the_last_look(new: list[int], before: list[int]) -> None:
    histogram, recent = Histogram(), Recent()
    for value in before:
        histogram.record(value)
    reading = Reading()
    reading.put_histogram(STAGE, histogram, "0", "answer")
    recent.take(reading, 1.0)
    for value in new:
        histogram.record(value)
    recent.take(reading, 2.0)
    found = recent.latency(STAGE)["0", "answer"]
    ordered = sorted(new)
    exact = [ordered[max(1, math.ceil(share * len(new))) - 1] for share in (0.5, 0.9, 0.99, 1.0)]
    assert [found.p50, found.p90, found.p99, found.max] == [highest(value) for value in exact]
    assert found.count == len(new)


def test_rates_are_per_second_and_not_told_when_a_counter_began_anew() -> None:
    recent = Recent()

    def look(value: float, now: float) -> float:
        reading = Reading()
        reading.put("tapewire_engine_commands_total", value, "0")
        recent.take(reading, now)
        return recent.rate("tapewire_engine_commands_total", "0")

    assert [look(100, 10.0), look(150, 10.5), look(7, 11.0), look(9, 12.0)] == [0.0, 100.0, 0.0, 2.0]


def test_a_histogram_whose_writer_began_anew_counts_from_zero() -> None:
    recent, old, new = Recent(), Histogram(), Histogram()
    for _ in range(5):
        old.record(10)
    new.record(10)
    for histogram in (old, new):
        reading = Reading()
        reading.put_histogram(STAGE, histogram, "0", "answer")
        recent.take(reading, histogram.count)
    assert recent.latency(STAGE)["0", "answer"].count == 1


def test_nothing_recorded_is_all_zero() -> None:
    assert percentiles({}) == percentiles({5: 0})
    assert percentiles({}).count == 0
