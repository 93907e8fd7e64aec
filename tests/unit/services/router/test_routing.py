"""Where orders go and why: worked decisions, whole."""

from __future__ import annotations

from typing import Any

import pytest

from services.router import routing
from services.router.learned import Learned
from services.router.markets import View
from services.router.routing import Planned, Routed
from tapewire import messages as m

BUY, SELL = m.Side.buy, m.Side.sell
LIVE, READY = m.BookQuality.live, m.VenueState.ready
U = m.Unusable


def market(**venues: tuple[Any, ...]) -> View:
    """v1=(bids, asks, quality, state), … of instrument 4; the latter two may be left out."""
    view = View(m.InstrumentDefinition(instrument=4, ticker="X", tick_size=1, lot_size=1))
    for name, (bids, asks, *more) in venues.items():
        book = view.book(int(name[1:]), READY)
        book.bids, book.asks = bids, asks
        book.quality = more[0] if more else LIVE
        book.state = more[1] if len(more) > 1 else READY
    return view


def definitions(**venues: dict[str, int]) -> dict[int, m.MarketDefinition]:
    return {
        int(name[1:]): m.MarketDefinition(
            **{"instrument": 4, "venue": int(name[1:]), "tick_size": 1, "lot_size": 1} | of
        )
        for name, of in venues.items()
    }


def takes(routed: Routed) -> list[tuple[int, int, int]]:
    return [(child.venue, child.price, child.qty) for child in routed.children]


def why(routed: Routed) -> list[m.Unusable]:
    return [score.unusable for score in routed.scores]


def test_a_sweep_takes_the_cheapest_levels_over_venues_fees_included() -> None:
    view = market(v1=([], [(100_000, 5), (100_010, 5)]), v2=([], [(100_000, 5), (100_020, 50)]))
    fees = definitions(v1={"taker_fee": 500}, v2={"taker_fee": 450})
    routed = routing.take(view, fees, Learned(), BUY, 12, 0)
    # v1: 100,050 and 100,060.005; v2: 100,045 and 100,065.009
    assert takes(routed) == [(1, 100_010, 7), (2, 100_000, 5)]
    assert routed.unrouted == 0
    assert routed.scores == [
        m.VenueScore(
            price=100_000, size=10, fee=500, fill_rate=10_000, venue=1, state=READY, score=100_050_000, qty=7
        ),
        m.VenueScore(
            price=100_000, size=55, fee=450, fill_rate=10_000, venue=2, state=READY, score=100_045_000, qty=5
        ),
    ]  # fmt: skip
    assert routed.children[0] == Planned(1, 100_010, 7, m.OrdType.limit, m.TimeInForce.ioc, False, 0)


def test_a_seller_wants_the_dearest_after_fees() -> None:
    view = market(v1=([(100_000, 5)], []), v2=([(99_990, 5)], []))
    fees = definitions(v1={"taker_fee": 200}, v2={"taker_fee": 50})
    # v1 brings 99,980, v2 99,985.0005
    assert takes(routing.take(view, fees, Learned(), SELL, 5, 0)) == [(2, 99_990, 5)]
    assert takes(routing.take(view, fees, Learned(), SELL, 5, 100_000)) == [(1, 100_000, 5)]


def test_equal_prices_go_to_the_lower_number() -> None:
    view = market(v2=([], [(100, 5)]), v1=([], [(100, 5)]))
    assert takes(routing.take(view, definitions(v1={}, v2={}), Learned(), BUY, 7, 0)) == [(1, 100, 5), (2, 100, 2)]


def test_never_beyond_the_limit_or_what_is_shown() -> None:
    view = market(v1=([], [(100, 5), (101, 5), (102, 5)]))
    for limit, expected, left in ((99, [], 20), (101, [(1, 101, 10)], 10), (0, [(1, 102, 15)], 5)):
        routed = routing.take(view, definitions(v1={}), Learned(), BUY, 20, limit)
        assert (takes(routed), routed.unrouted) == (expected, left)


def test_what_a_venue_allows_is_kept() -> None:
    view = market(v1=([], [(100, 17)]), v2=([], [(101, 50)]), v3=([], [(102, 9)]))
    fine = definitions(v1={"lot_size": 5}, v2={"max_qty": 10}, v3={"min_qty": 10})
    routed = routing.take(view, fine, Learned(), BUY, 28, 0)
    assert takes(routed) == [(1, 100, 15), (2, 101, 10)]
    assert why(routed) == [U.unspecified, U.unspecified, U.too_small]
    assert routed.unrouted == 3


def test_every_venue_says_why_it_was_not_used() -> None:
    asks = [(100, 5)]
    view = market(
        v1=([], asks), v2=([], asks, LIVE, m.VenueState.down), v3=([], asks, m.BookQuality.stale),
        v4=([(101, 1)], asks, m.BookQuality.crossed), v5=([], [(105, 5)]), v6=([], []), v8=([], asks), v9=([], asks),
    )  # fmt: skip
    defined = definitions(v1={}, v2={}, v3={}, v4={}, v5={}, v6={}, v7={}, v9={})
    routed = routing.take(view, defined, Learned(), BUY, 5, 100, allowed=0b0111111110)
    assert [(score.venue, score.unusable) for score in routed.scores] == [
        (1, U.unspecified), (2, U.down), (3, U.stale), (4, U.crossed), (5, U.beyond_limit), (6, U.too_small),
        (7, U.stale), (8, U.excluded), (9, U.excluded),
    ]  # fmt: skip
    assert takes(routed) == [(1, 100, 5)]


def test_a_venue_that_refuses_is_avoided_until_it_is_five_basis_points_better() -> None:
    learned = Learned()
    for child in range(1, 100):
        learned.fold(m.NewChild(child_id=child, venue=1, instrument=4, qty=1, time_in_force=m.TimeInForce.ioc))
        learned.fold(m.VenueReported(child_id=child, kind=m.VenueReportKind.rejected, live=False))
    assert learned.of(1, 4).rejects == 9_983
    for ask, venue in ((99_951, 2), (99_950, 1)):
        view = market(v1=([], [(ask, 5)]), v2=([], [(100_000, 5)]))
        assert takes(routing.take(view, definitions(v1={}, v2={}), learned, BUY, 5, 0))[0][0] == venue


@pytest.mark.parametrize(
    ("fees", "queues", "expected"),
    [((0, 0), (10, 10), 1), ((0, -20), (10, 10), 2), ((0, 0), (90, 10), 2), ((0, 60), (90, 10), 1)],
)
def test_rests_where_fee_and_queue_are_best(fees: tuple[int, int], queues: tuple[int, int], expected: int) -> None:
    view = market(v1=([(100_000, queues[0])], []), v2=([(100_000, queues[1])], []))
    defined = definitions(v1={"maker_fee": fees[0]}, v2={"maker_fee": fees[1]})
    # A queue of 90 before 30 costs 75 millionths, one of 10 costs 25.
    routed = routing.rest(view, defined, Learned(), BUY, 30, 100_000)
    assert [child.venue for child in routed.children] == [expected]
    assert routed.children[0][1:] == (100_000, 30, m.OrdType.limit, m.TimeInForce.gtc, True, 0)


def test_rests_on_the_venue_s_tick_and_not_where_it_would_trade() -> None:
    view = market(v1=([(98, 1)], [(103, 1)]), v2=([(95, 1)], [(101, 1)]))
    coarse = definitions(v1={"tick_size": 5}, v2={})
    buy = routing.rest(view, coarse, Learned(), BUY, 10, 102)
    assert (takes(buy), why(buy)) == ([(1, 100, 10)], [U.unspecified, U.crossed])
    crossing = routing.rest(view, coarse, Learned(), BUY, 10, 102, post_only=False)
    assert (takes(crossing), why(crossing)) == ([(2, 102, 10)], [U.unspecified, U.unspecified])
    # v1 would rest at 100, which counts against it as much as 92 would.
    sell = routing.rest(view, coarse, Learned(), SELL, 10, 96)
    assert (takes(sell), why(sell)) == ([(2, 96, 10)], [U.unspecified, U.unspecified])


def test_what_the_largest_order_leaves_rests_at_the_next_best_venue() -> None:
    view = market(v1=([(100, 1)], []), v2=([(100, 50)], []))
    routed = routing.rest(view, definitions(v1={"max_qty": 20}, v2={"lot_size": 4}), Learned(), BUY, 30, 100, 6)
    assert [(c.venue, c.qty, c.display_qty) for c in routed.children] == [(1, 20, 6), (2, 8, 4)]
    assert routed.unrouted == 2


def test_learned_latency_costs_a_hundredth_of_a_basis_point_each_ten_milliseconds() -> None:
    learned = Learned()
    learned.fold(m.NewChild(child_id=1, venue=1, instrument=4, qty=1, time_in_force=m.TimeInForce.gtc))
    report = m.VenueReported(
        child_id=1, ts=500_000_000, kind=m.VenueReportKind.accepted, live=True, origin=m.ReportOrigin.live
    )
    learned.fold(report)
    routed = routing.take(market(v1=([], [(100_000, 5)])), definitions(v1={}), learned, BUY, 5, 0)
    assert (routed.scores[0].latency, routed.scores[0].score) == (500_000_000, 100_005_000)
