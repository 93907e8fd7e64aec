"""Self-trade prevention: the incoming order's choice says what happens instead of a trade within one group."""

from __future__ import annotations

import pytest

from tapewire import messages as m
from tests.unit.services.matcher.market import BUY, SELL, Market, Status, Tif

NEWEST, OLDEST = m.SelfTrade.cancel_newest, m.SelfTrade.cancel_oldest
BOTH, DECREMENT = m.SelfTrade.cancel_both, m.SelfTrade.decrement_and_cancel
OURS = 2**20 + 1


def asks(market: Market) -> None:
    """Another's 10 at 100, then our 20, then another's 30; 40 at 105."""
    market.order(SELL, 10, 100, account=7)
    market.order(SELL, 20, 100, self_trade_group=OURS, account=2)
    market.order(SELL, 30, 100, account=7)
    market.order(SELL, 40, 105, account=7)


def test_cancel_newest_ends_the_incoming_order(market: Market) -> None:
    asks(market)
    assert market.order(BUY, 50, 100, self_trade_group=OURS, self_trade=NEWEST) == [
        "accepted 5: buy 50 at 100",
        "match 1: 10 at 100, 1 leaves 0, 5 leaves 40",
        "cancelled 5: 40 of it, 10 done, self_trade",
    ]
    assert market.book() == ([], [(100, 50, 2), (105, 40, 1)])


def test_cancel_oldest_takes_the_resting_order_out_and_goes_on(market: Market) -> None:
    asks(market)
    assert market.order(BUY, 50, 100, self_trade_group=OURS, self_trade=OLDEST) == [
        "accepted 5: buy 50 at 100",
        "match 1: 10 at 100, 1 leaves 0, 5 leaves 40",
        "cancelled 2: 20 of it, 0 done, self_trade",
        "match 2: 30 at 100, 3 leaves 0, 5 leaves 10",
    ]
    assert market.book() == ([(100, 10, 1)], [(105, 40, 1)])


def test_cancel_both_ends_both(market: Market) -> None:
    asks(market)
    assert market.order(BUY, 50, 100, self_trade_group=OURS, self_trade=BOTH) == [
        "accepted 5: buy 50 at 100",
        "match 1: 10 at 100, 1 leaves 0, 5 leaves 40",
        "cancelled 2: 20 of it, 0 done, self_trade",
        "cancelled 5: 40 of it, 10 done, self_trade",
    ]
    assert market.book() == ([], [(100, 30, 1), (105, 40, 1)])


def test_decrement_takes_the_smaller_quantity_off_both_and_the_smaller_order_is_over(market: Market) -> None:
    asks(market)
    assert market.order(BUY, 50, 100, self_trade_group=OURS, self_trade=DECREMENT) == [
        "accepted 5: buy 50 at 100",
        "match 1: 10 at 100, 1 leaves 0, 5 leaves 40",
        "cancelled 2: 20 of it, 0 done, self_trade",
        "restated 5: 20 of 30 at 100, shows 0, keeps its place, self_trade_decrement",
        "match 2: 20 at 100, 3 leaves 10, 5 leaves 0",
    ]


def test_decrement_leaves_the_rest_of_a_greater_resting_order_where_it_is(market: Market) -> None:
    asks(market)
    assert market.order(BUY, 20, 100, self_trade_group=OURS, self_trade=DECREMENT)[1:] == [
        "match 1: 10 at 100, 1 leaves 0, 5 leaves 10",
        "restated 2: 10 of 10 at 100, shows 10, keeps its place, self_trade_decrement",
        "cancelled 5: 10 of it, 10 done, self_trade",
    ]
    assert market.order(BUY, 10, 100)[1:] == ["match 2: 10 at 100, 2 leaves 0, 6 leaves 0"]


def test_decrement_of_equals_ends_both(market: Market) -> None:
    market.order(SELL, 20, 100, self_trade_group=OURS)
    assert market.order(BUY, 20, 100, self_trade_group=OURS, self_trade=DECREMENT)[1:] == [
        "cancelled 1: 20 of it, 0 done, self_trade",
        "cancelled 2: 20 of it, 0 done, self_trade",
    ]
    assert market.matcher.live_orders == 0


def test_decrement_takes_the_reserve_of_an_iceberg_first_and_then_what_it_shows(market: Market) -> None:
    market.order(SELL, 50, 100, self_trade_group=OURS, display_qty=20)
    assert market.order(BUY, 10, 100, self_trade_group=OURS, self_trade=DECREMENT)[1:] == [
        "restated 1: 40 of 40 at 100, shows 20, keeps its place, self_trade_decrement",
        "cancelled 2: 10 of it, 0 done, self_trade",
    ]
    assert market.order(BUY, 30, 100, self_trade_group=OURS, self_trade=DECREMENT)[1:] == [
        "restated 1: 10 of 10 at 100, shows 10, keeps its place, self_trade_decrement",
        "cancelled 3: 30 of it, 0 done, self_trade",
    ]


def test_decrement_of_a_hidden_order_shows_nothing(market: Market) -> None:
    market.order(SELL, 50, 100, self_trade_group=OURS, hidden=True)
    assert market.order(BUY, 10, 100, self_trade_group=OURS, self_trade=DECREMENT)[1] == (
        "restated 1: 40 of 40 at 100, shows 0, keeps its place, self_trade_decrement"
    )


@pytest.mark.parametrize(
    "terms",
    [
        {"self_trade_group": OURS, "self_trade": m.SelfTrade.allow},
        {"self_trade_group": OURS, "self_trade": m.SelfTrade.unspecified},
        {"self_trade_group": OURS + 1, "self_trade": NEWEST},
        {"self_trade_group": 0, "self_trade": NEWEST},
    ],
)
def test_orders_of_different_groups_trade_and_so_do_those_that_allow_it(market: Market, terms: dict[str, int]) -> None:
    market.order(SELL, 20, 100, self_trade_group=OURS, self_trade=NEWEST)
    assert market.order(BUY, 20, 100, **terms)[1:] == ["match 1: 20 at 100, 1 leaves 0, 2 leaves 0"]


def test_orders_without_a_group_trade_with_each_other(market: Market) -> None:
    market.order(SELL, 20, 100)
    assert market.order(BUY, 20, 100, self_trade=NEWEST)[1:] == ["match 1: 20 at 100, 1 leaves 0, 2 leaves 0"]


def test_a_replaced_order_acts_by_the_choice_it_came_with(market: Market) -> None:
    market.order(SELL, 20, 110, self_trade_group=OURS)
    market.order(BUY, 50, 100, self_trade_group=OURS, self_trade=BOTH)
    assert market.replace(2, 50, 110) == [
        "replaced 2: 50 of 50 at 110, loses its place",
        "cancelled 1: 20 of it, 0 done, self_trade",
        "cancelled 2: 50 of it, 0 done, self_trade",
    ]


def test_a_triggered_stop_acts_by_the_choice_it_came_with(market: Market) -> None:
    market.stop(BUY, 30, 100, self_trade_group=OURS, self_trade=OLDEST)
    market.order(SELL, 10, 100)
    market.order(SELL, 20, 105, self_trade_group=OURS)
    assert market.order(BUY, 10, 100)[2:] == [
        "triggered 1: 30 at 0, stop 100, last 100",
        "cancelled 3: 20 of it, 0 done, self_trade",
        "cancelled 1: 30 of it, 0 done, market_remainder",
    ]


@pytest.mark.parametrize(
    ("mode", "available"), [(NEWEST, 10), (BOTH, 10), (DECREMENT, 10), (OLDEST, 40), (m.SelfTrade.allow, 60)]
)
def test_a_fill_or_kill_order_counts_only_what_it_would_be_let_trade(
    market: Market, mode: m.SelfTrade, available: int
) -> None:
    asks(market)
    terms = {"time_in_force": Tif.fok, "self_trade_group": OURS, "self_trade": mode}
    assert market.order(BUY, 70, 100, **terms) == [f"rejected 5: would_not_fill 70 {available}"]
    assert market.order(BUY, available, 100, **terms)[-1].endswith("6 leaves 0")


def test_an_iceberg_before_an_own_order_counts_by_what_it_shows(market: Market) -> None:
    market.order(SELL, 100, 100, display_qty=20)
    market.order(SELL, 10, 100, self_trade_group=OURS)
    terms = {"time_in_force": Tif.fok, "self_trade_group": OURS, "self_trade": NEWEST}
    assert market.order(BUY, 30, 100, **terms) == ["rejected 3: would_not_fill 30 20"]
    assert len(market.order(BUY, 20, 100, **terms)) == 3


def test_an_iceberg_before_a_hidden_own_order_counts_whole(market: Market) -> None:
    market.order(SELL, 100, 100, display_qty=20)
    market.order(SELL, 10, 100, self_trade_group=OURS, hidden=True)
    terms = {"time_in_force": Tif.fok, "self_trade_group": OURS, "self_trade": NEWEST}
    assert market.order(BUY, 110, 100, **terms) == ["rejected 3: would_not_fill 110 100"]


def test_an_order_with_a_minimum_quantity_counts_the_same_way(market: Market) -> None:
    asks(market)
    terms = {"min_qty": 20, "self_trade_group": OURS, "self_trade": NEWEST}
    assert market.order(BUY, 70, 100, **terms) == ["rejected 5: would_not_fill 20 10"]


def test_nothing_is_prevented_in_an_auction(market: Market) -> None:
    market.set_status(Status.opening_auction)
    market.order(SELL, 20, 100, self_trade_group=OURS, self_trade=NEWEST)
    market.order(BUY, 20, 100, self_trade_group=OURS, self_trade=NEWEST)
    assert market.set_status(Status.trading)[0] == "auction 1: 20 at 100, 1 leaves 0, 2 leaves 0"


def test_a_choice_that_is_none_is_rejected(market: Market) -> None:
    assert market.order(BUY, 20, 100, self_trade=6) == ["rejected 1: invalid_field 6 0"]
