"""Schedules and their random numbers, as worked examples."""

from __future__ import annotations

import pytest

from services.router.algorithms.schedule import (
    DAY,
    SECOND,
    Planned,
    by_profile,
    even,
    front_loaded,
    interval,
    plan,
    volume,
)
from services.router.randomness import SplitMix64
from tapewire import messages as m

HOUR = 3600 * SECOND


def profile(*quantities: int) -> m.VolumeProfile:
    """Buckets of equal length that make a day."""
    buckets = [m.ProfileBucket(qty) for qty in quantities]
    return m.VolumeProfile(bucket_ns=DAY // len(buckets), days=1, ticker="X", buckets=buckets)


def test_splitmix64_gives_the_published_numbers() -> None:
    """The first outputs for seed 1234567, as published with the reference implementation."""
    draw = SplitMix64(1234567)
    assert [draw.next() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_bounds_are_drawn_inclusive_and_one_number_is_used_for_each() -> None:
    draw = SplitMix64(1)
    assert {draw.between(-1, 1) for _ in range(100)} == {-1, 0, 1}
    one, other = SplitMix64(5), SplitMix64(5)
    assert one.between(3, 3) == 3
    other.next()
    assert one.next() == other.next()


@pytest.mark.parametrize(
    ("asked", "length", "expected"),
    [
        (7, HOUR, 7),
        (0, HOUR, 180 * SECOND),
        (0, 5 * SECOND, SECOND),
        (0, 8 * HOUR, 300 * SECOND),
        (0, 100 * DAY, 864 * SECOND),
    ],
)
def test_a_slice_is_as_long_as_asked_or_a_twentieth_of_the_whole(asked: int, length: int, expected: int) -> None:
    assert interval(asked, length) == expected


def test_even() -> None:
    assert even(10, 0, 1, 4) == [2, 5, 7, 10]


def test_by_profile_over_midnight() -> None:
    shape = by_profile(profile(1, 2, 3, 4))
    # 18:00 to 12:00: one bucket of 4, then 1, then 2.
    assert shape(70, 18 * HOUR, 36 * HOUR, 3) == [40, 50, 70]
    assert shape(70, 18 * HOUR, 36 * HOUR, 6) == [20, 40, 45, 50, 60, 70]
    assert shape(100, 3 * DAY, 5 * DAY, 2) == [50, 100]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(0, 6, 1), (0, 7, 3), (5, 6, 1), (18, 30, 5), (0, 24, 10), (23, 48, 10), (0, 480, 10)],
)
def test_volume_between_two_times(begin: int, end: int, expected: int) -> None:
    assert volume(profile(1, 2, 3, 4), begin * HOUR, end * HOUR) == expected


def test_where_the_profile_has_nothing_left_the_rest_is_even() -> None:
    assert by_profile(profile(1, 0, 0, 0))(90, 6 * HOUR, 12 * HOUR, 3) == [30, 60, 90]


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [
        (0, [200, 400, 600, 800, 1000]),
        (2_500, [245, 459, 651, 829, 1000]),
        (5_000, [450, 702, 846, 935, 1000]),
        (9_000, [968, 999, 1000, 1000, 1000]),
        (10_000, [1000] * 5),
    ],
)
def test_front_loading_by_urgency(urgency: int, expected: list[int]) -> None:
    assert front_loaded(urgency)(1_000, 0, 1, 5) == expected


def test_without_randomness_slices_begin_on_time_and_hold_whole_lots() -> None:
    slices = plan(even, 105, 0, 40, 10, 10, 0, SplitMix64(1))
    assert slices == [Planned(0, 20), Planned(10, 50), Planned(20, 70), Planned(30, 105)]


def test_slices_that_ask_for_nothing_are_left_out() -> None:
    assert plan(even, 20, 0, 40, 10, 10, 0, SplitMix64(1)) == [Planned(10, 10), Planned(30, 20)]


def test_the_same_seed_draws_the_same_slices_for_ever() -> None:
    slices = plan(even, 10_000, 0, 400, 100, 1, 10_000, SplitMix64(42))
    assert slices == [Planned(37, 1_649), Planned(114, 4_610), Planned(201, 8_421), Planned(311, 10_000)]
