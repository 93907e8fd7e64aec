from __future__ import annotations

import pytest

from tapewire.histogram import Histogram


def filled(*values: int) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def test_an_empty_histogram_has_zeros() -> None:
    histogram = Histogram()
    assert (histogram.count, histogram.max, histogram.mean, histogram.percentile(99)) == (0, 0, 0.0, 0)


def test_small_values_are_exact() -> None:
    histogram = filled(*range(1, 101))
    assert [histogram.percentile(p) for p in (0, 1, 50, 99, 99.9, 100)] == [1, 1, 50, 99, 100, 100]
    assert (histogram.count, histogram.max, histogram.mean) == (100, 100, 50.5)


def test_a_percentile_never_exceeds_the_greatest_value() -> None:
    assert filled(1_000_003).percentile(50) == 1_000_003


def test_negative_and_endless_durations_are_counted_at_the_ends() -> None:
    histogram = filled(-5, 1 << 50)
    assert (histogram.count, histogram.percentile(50), histogram.percentile(100)) == (2, 0, 1 << 50)
    assert histogram.max == 1 << 50


def test_merging_adds_and_reset_forgets() -> None:
    histogram = filled(10, 20)
    histogram.merge(filled(30, 40))
    assert (histogram.count, histogram.max, histogram.mean) == (4, 40, 25.0)
    histogram.reset()
    assert (histogram.count, histogram.max, histogram.mean) == (0, 0, 0.0)


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_an_impossible_percentile_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="expected 0 to 100"):
        Histogram().percentile(percent)


def test_it_prints_as_what_one_wants_to_know() -> None:
    assert repr(filled(*range(1, 101))) == "Histogram(count=100, p50=50, p99=99, p999=100, max=100)"
