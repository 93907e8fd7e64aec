"""The histogram against sorted lists and against HdrHistogram."""

from __future__ import annotations

import math
import random

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from tapewire.histogram import Histogram

MAX = (1 << 40) - 1
values = st.lists(
    st.one_of(st.integers(0, 300), st.integers(0, MAX), st.integers(0, 40).map(lambda e: min(1 << e, MAX))), min_size=1
)
thousandths = st.one_of(st.sampled_from([0, 50_000, 99_000, 99_900, 99_990, 100_000]), st.integers(0, 100_000))


def record_all(durations: list[int]) -> Histogram:
    histogram = Histogram()
    for value in durations:
        histogram.record(value)
    return histogram


@given(values, thousandths)
def test_a_percentile_is_that_of_the_sorted_list_or_up_to_a_128th_above(durations: list[int], thousandth: int) -> None:
    histogram = record_all(durations)
    exact = sorted(durations)[max(1, -(-thousandth * len(durations) // 100_000)) - 1]
    assert exact <= histogram.percentile(thousandth / 1000) <= exact + exact // 128
    assert (histogram.count, histogram.max) == (len(durations), max(durations))
    assert math.isclose(histogram.mean, sum(durations) / len(durations), rel_tol=1e-12)


@given(values, values, thousandths)
def test_merging_is_recording_both(some: list[int], more: list[int], thousandth: int) -> None:
    merged, both = record_all(some), record_all(some + more)
    merged.merge(record_all(more))
    assert (merged.count, merged.max, merged.mean, merged.percentile(thousandth / 1000)) == (
        both.count,
        both.max,
        both.mean,
        both.percentile(thousandth / 1000),
    )


def test_it_agrees_with_hdrhistogram_on_what_latencies_look_like() -> None:
    draw = random.Random(20_26)
    durations = [int(draw.lognormvariate(7, 1.5)) + 1 for _ in range(20_000)]
    ours, theirs = record_all(durations), HdrHistogram(1, MAX, 3)
    for value in durations:
        theirs.record_value(value)
    for percent in (1, 10, 50, 90, 99, 99.9, 99.99, 100):
        expected = theirs.get_value_at_percentile(percent)
        assert abs(ours.percentile(percent) - expected) <= max(1, expected / 100), percent
