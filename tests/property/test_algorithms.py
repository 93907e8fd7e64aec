"""Every algorithm in random markets: never too much, never beyond a bound, always the same, done in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.algorithms.schedule import DAY, by_profile, even, front_loaded, plan
from services.router.interfaces import Slice, Terms
from services.router.randomness import SplitMix64
from tapewire import messages as m
from tests.oracle.paper_desk import SECOND
from tests.oracle.paper_market import LOT, Conditions, Day

START = 19_000 * DAY + 9 * 3600 * SECOND
MINUTE = 60 * SECOND
A = m.Algorithm
SCHEDULED = (A.twap, A.vwap, A.shortfall)
PROFILE = m.VolumeProfile(
    bucket_ns=300 * SECOND, days=3, ticker="PAPER", buckets=[m.ProfileBucket(n * n % 97 + 1) for n in range(288)]
)


def terms(algorithm: m.Algorithm, **given: int) -> Terms:
    at = {
        "parent_id": 1,
        "instrument": 7,
        "side": m.Side.buy,
        "algorithm": algorithm,
        "qty": 20_000,
        "limit_price": 0,
        "start_time": START,
        "end_time": START + 20 * MINUTE,
        "participation": 1_000 if algorithm == A.pov else 0,
        "max_participation": 0,
        "display_qty": 500 if algorithm == A.iceberg else 0,
        "interval": 0,
        "randomness": 3_000,
        "urgency": 5_000 if algorithm == A.shortfall else 0,
        "seed": 1,
        "time_in_force": m.TimeInForce.unspecified,
    } | given
    if algorithm in (A.iceberg, A.sweep):
        at["limit_price"] = at["limit_price"] or (20_100 if at["side"] == m.Side.buy else 19_900)
    if algorithm == A.sweep and at["time_in_force"] == m.TimeInForce.unspecified:
        at["time_in_force"] = m.TimeInForce.day
    return Terms(**at)  # type: ignore[arg-type]


conditions = st.builds(
    Conditions,
    seed=st.integers(1, 1 << 32),
    venues=st.integers(1, 3),
    every=st.sampled_from((3 * SECOND, 7 * SECOND)),
    latency=st.sampled_from((0, 5_000_000, 4 * SECOND)),
    busy=st.sampled_from((0.1, 0.7)),
    walk=st.sampled_from((0.1, 0.6)),
    misses=st.sampled_from((0.0, 0.5)),
    refusals=st.sampled_from((0.0, 0.3)),
    depth=st.sampled_from((5, 400)),
)


@st.composite
def parents(draw: st.DrawFn) -> Terms:
    algorithm = draw(st.sampled_from([a for a in A if a != A.unspecified]))
    side = draw(st.sampled_from((m.Side.buy, m.Side.sell)))
    away = draw(st.sampled_from((0, 10, 100)))
    most = draw(st.sampled_from((0, 2_000, 10_000)))
    return terms(
        algorithm,
        side=side,
        qty=LOT * draw(st.integers(100, 4_000)),
        limit_price=(20_000 + away if side == m.Side.buy else 20_000 - away) if away else 0,
        max_participation=max(most, 1_000) if most and algorithm == A.pov else most,
        randomness=draw(st.sampled_from((0, 3_000, 10_000))),
        urgency=draw(st.sampled_from((0, 5_000, 9_500, 10_000))) if algorithm == A.shortfall else 0,
        interval=draw(st.sampled_from((0, 20 * SECOND))),
        seed=draw(st.integers(1, 1 << 62)),
    )


@settings(max_examples=60, deadline=None)
@given(parents(), conditions)
def test_no_bound_is_broken_and_nothing_stands_after_the_end(parent: Terms, market: Conditions) -> None:
    work_to_the_end(parent, market)


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None)
@given(parents(), conditions)
def test_no_bound_is_broken_at_length(parent: Terms, market: Conditions) -> None:
    work_to_the_end(parent, market)


def work_to_the_end(parent: Terms, market: Conditions) -> None:
    day = Day(parent, market, PROFILE).run(parent.end_time + MINUTE)
    assert day.algorithm.finished
    assert day.children == {}
    assert day.cum == sum(qty for _, _, qty in day.fills)
    told = [a for _, a in day.log if isinstance(a, Slice)]
    totals = [one.total_qty for one in told]
    assert [one.number for one in told] == list(range(1, len(told) + 1)) or parent.algorithm == A.pov
    assert totals == sorted(totals)
    assert [one.due for one in told] == sorted(one.due for one in told)
    assert sum(one.qty for one in told) == (totals[-1] if totals else 0)
    if parent.algorithm in SCHEDULED:
        assert totals[-1] == parent.qty


@settings(max_examples=25, deadline=None)
@given(parents(), conditions)
def test_the_same_inputs_give_the_same_actions(parent: Terms, market: Conditions) -> None:
    once, again = (Day(parent, market, PROFILE).run(parent.end_time) for _ in range(2))
    assert once.log == again.log
    assert once.fills == again.fills


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([*SCHEDULED, A.iceberg, A.sweep]), conditions, st.sampled_from((m.Side.buy, m.Side.sell)))
def test_a_market_that_allows_it_fills_the_parent_by_the_end(
    algorithm: m.Algorithm, market: Conditions, side: m.Side
) -> None:
    market = replace(market, misses=0.0, refusals=0.0, depth=400, latency=min(market.latency, 5_000_000), walk=0.0)
    parent = terms(algorithm, side=side, qty=3_000)
    assert Day(parent, market, PROFILE).run(parent.end_time).cum == parent.qty


@pytest.mark.parametrize("algorithm", [a for a in A if a != A.unspecified])
def test_a_whole_day_is_worked_in_a_second(algorithm: m.Algorithm) -> None:
    parent = terms(algorithm, qty=100_000, end_time=START + 8 * 60 * MINUTE, max_participation=2_500)
    desk = Day(parent, Conditions(every=30 * SECOND, walk=0.6), PROFILE).run(parent.end_time + MINUTE)
    measured = desk.benchmarks.measured(desk.now, desk.algorithm.scheduled)
    assert measured["cum_qty"] == desk.cum == 100_000
    assert measured["participation"] <= 2_500
    # It walks some two hundred ticks of 5 in a day: whoever did as told is not far from the market's average.
    assert abs(measured["versus_vwap"]) < 50_000


@settings(max_examples=20, deadline=None)
@given(conditions, st.integers(200, 3_000))
def test_pov_keeps_up_with_the_volume(market: Conditions, participation: int) -> None:
    market = replace(market, misses=0.0, refusals=0.0, depth=400, latency=0, busy=0.7)
    parent = terms(A.pov, participation=participation, qty=10_000_000)
    day = Day(parent, market).run(parent.end_time - 1)
    traded = day.view.volume - day.start_volume
    # One window and one move of the market late at most.
    assert traded * participation // 10_000 - day.cum <= (participation * 8 * LOT * 400) // 10_000 + 10 * LOT


@settings(max_examples=40, deadline=None)
@given(parents(), conditions, st.integers(1, 19), st.sampled_from((5_000, 15_000, 40_000)), st.booleans())
def test_amended_on_the_way_it_ends_where_the_new_terms_say(
    parent: Terms, market: Conditions, minute: int, part: int, longer: bool
) -> None:
    def amended(old: Terms) -> Terms:
        qty = max(old.qty * part // 10_000 // LOT * LOT, LOT, old.display_qty)
        return replace(old, qty=qty, end_time=old.end_time + 5 * MINUTE * longer)

    day = Day(parent, replace(market, busy=0.05, depth=5), PROFILE)
    at = START + minute * MINUTE
    day.amendments[at] = lambda old: amended(old) if day.desk and amended(old).qty >= day.desk.cum else old
    desk = day.run(parent.end_time + 6 * MINUTE)
    assert desk.algorithm.finished
    assert desk.children == {}
    told = [one for moment, one in desk.log if isinstance(one, Slice) and moment >= at]
    if parent.algorithm in SCHEDULED and told:
        assert told[-1].total_qty == desk.terms.qty


shapes = st.sampled_from([even, by_profile(PROFILE), *(front_loaded(u) for u in (0, 1, 2_500, 9_000, 9_999, 10_000))])


@given(
    shapes,
    st.integers(1, 10**15),
    st.integers(0, 3 * DAY),
    st.integers(2 * SECOND, 2 * DAY),
    st.integers(1, 300),
    st.sampled_from((1, 7, 1_000)),
    st.integers(0, 10_000),
    st.integers(0, (1 << 64) - 1),
)
def test_slices_add_up_and_rise_and_stay_within_their_draws(
    shape: object, qty: int, begin: int, length: int, count: int, lot: int, randomness: int, seed: int
) -> None:
    end, step = begin + length, max(length // count, SECOND)
    slices = plan(shape, qty, begin, end, step, lot, randomness, SplitMix64(seed))  # type: ignore[arg-type]
    totals = [one.total for one in slices]
    assert totals[-1] == qty
    assert totals == sorted(set(totals))
    assert all(total % lot == 0 for total in totals[:-1])
    begins = [one.begin for one in slices]
    assert begins == sorted(set(begins))
    assert begin <= begins[0]
    assert begins[-1] < end


@pytest.mark.parametrize("urgency", [0, 100, 3_000, 5_000, 9_000, 9_900])
def test_front_loading_is_what_almgren_and_chriss_say(urgency: int) -> None:
    """Against the optimum found the slow way: a tridiagonal system in exact fractions."""
    from fractions import Fraction

    qty, count = 10**9, 12
    c = 2 + Fraction(3 * urgency, (10_000 - urgency) * count) ** 2
    # x(k-1) - c x(k) + x(k+1) = 0 with x(0) = qty, x(n) = 0, by elimination.
    ratio = Fraction(0)
    ratios = []
    for _ in range(count):
        ratio = 1 / (c - ratio)
        ratios.append(ratio)
    left, expected = Fraction(qty), []
    for k in range(count - 1, 0, -1):
        left *= ratios[k - 1]
        expected.append(qty - left)
    got = front_loaded(urgency)(qty, 0, 1, count)
    assert got[-1] == qty
    assert all(abs(a - b) <= 1 for a, b in zip(got[:-1], expected, strict=True))
