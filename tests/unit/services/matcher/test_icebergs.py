"""Orders that show a part of themselves, or nothing."""

from __future__ import annotations

import pytest

from services.matcher import Matcher
from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher
from tests.unit.services.matcher.market import BUY, SELL, Market, Tif


def test_an_iceberg_shows_its_part_and_a_hidden_order_nothing(market: Market) -> None:
    assert market.order(SELL, 50, 100, display_qty=20) == ["accepted 1: sell 50 at 100, shows 20"]
    assert market.order(SELL, 50, 100) == ["accepted 2: sell 50 at 100"]
    assert market.order(SELL, 50, 100, hidden=True) == ["accepted 3: sell 50 at 100, hidden"]
    assert market.order(SELL, 50, 95, hidden=True) == ["accepted 4: sell 50 at 95, hidden"]
    assert market.book() == ([], [(100, 70, 2)])
    assert market.matcher.best(1) == (0, 0, 100, 70)


def test_a_part_that_is_used_up_is_followed_by_the_next_behind_what_is_shown_and_before_what_is_hidden(
    market: Market,
) -> None:
    market.order(SELL, 50, 100, hidden=True)
    market.order(SELL, 50, 100, display_qty=20)
    market.order(SELL, 30, 100)
    assert market.order(BUY, 150, 100) == [
        "accepted 4: buy 150 at 100",
        "match 1: 20 at 100, 2 leaves 30, 4 leaves 130",
        "restated 2: 30 of 50 at 100, shows 20, loses its place, display_refresh",
        "match 2: 30 at 100, 3 leaves 0, 4 leaves 100",
        "match 3: 20 at 100, 2 leaves 10, 4 leaves 80",
        "restated 2: 10 of 50 at 100, shows 10, loses its place, display_refresh",
        "match 4: 10 at 100, 2 leaves 0, 4 leaves 70",
        "match 5: 50 at 100, 1 leaves 0, 4 leaves 20",
    ]
    assert market.book() == ([(100, 20, 1)], [])


def test_a_part_that_is_not_used_up_keeps_its_place(market: Market) -> None:
    market.order(SELL, 50, 100, display_qty=20)
    market.order(SELL, 30, 100)
    assert market.order(BUY, 10, 100)[1:] == ["match 1: 10 at 100, 1 leaves 40, 3 leaves 0"]
    assert market.book()[1] == [(100, 40, 2)]
    assert market.order(BUY, 20, 100)[1:] == [
        "match 2: 10 at 100, 1 leaves 30, 4 leaves 10",
        "restated 1: 30 of 50 at 100, shows 20, loses its place, display_refresh",
        "match 3: 10 at 100, 2 leaves 20, 4 leaves 0",
    ]


def test_two_icebergs_are_taken_round_by_round(market: Market) -> None:
    market.order(BUY, 30, 100, display_qty=10)
    market.order(BUY, 20, 100, display_qty=10)
    assert [said.split(",")[0] for said in market.order(SELL, 60, 100) if said.startswith("match")] == [
        "match 1: 10 at 100",
        "match 2: 10 at 100",
        "match 3: 10 at 100",
        "match 4: 10 at 100",
        "match 5: 10 at 100",
    ]
    assert market.book() == ([], [(100, 10, 1)])


def test_an_incoming_iceberg_trades_with_all_it_has_and_then_shows_a_part(market: Market) -> None:
    market.order(SELL, 70, 100)
    assert market.order(BUY, 100, 100, display_qty=20) == [
        "accepted 2: buy 100 at 100, shows 20",
        "match 1: 70 at 100, 1 leaves 0, 2 leaves 30",
    ]
    assert market.book() == ([(100, 20, 1)], [])


def test_an_iceberg_that_shows_all_of_itself_is_a_plain_order(market: Market) -> None:
    assert market.order(BUY, 50, 100, display_qty=50) == ["accepted 1: buy 50 at 100"]
    market.restart()
    assert market.book() == ([(100, 50, 1)], [])


def test_hidden_orders_trade_after_all_that_is_shown_at_their_price_but_before_a_worse_one(market: Market) -> None:
    market.order(SELL, 10, 105)
    market.order(SELL, 10, 100, hidden=True)
    market.order(SELL, 10, 100, hidden=True)
    market.order(SELL, 10, 100)
    assert market.order(BUY, 40, 105)[1:] == [
        "match 1: 10 at 100, 4 leaves 0, 5 leaves 30",
        "match 2: 10 at 100, 2 leaves 0, 5 leaves 20",
        "match 3: 10 at 100, 3 leaves 0, 5 leaves 10",
        "match 4: 10 at 105, 1 leaves 0, 5 leaves 0",
    ]


def test_a_hidden_order_keeps_a_post_only_order_away_and_is_liquidity_for_a_market_order(market: Market) -> None:
    market.order(SELL, 10, 100, hidden=True)
    assert market.order(BUY, 10, 100, post_only=True) == ["rejected 2: would_cross 100 100"]
    assert market.order(BUY, 10, 100, post_only=True, slide=True) == ["accepted 3: buy 10 at 95"]
    assert market.market_order(BUY, 10)[1:] == ["match 1: 10 at 100, 1 leaves 0, 4 leaves 0"]


def test_less_of_an_iceberg_keeps_its_place_and_shows_no_more_than_there_is(market: Market) -> None:
    market.order(BUY, 50, 100, display_qty=20)
    market.order(BUY, 50, 100)
    assert market.replace(1, 30, 100) == ["replaced 1: 30 of 30 at 100, keeps its place"]
    assert market.book()[0] == [(100, 70, 2)]
    assert market.replace(1, 10, 100) == ["replaced 1: 10 of 10 at 100, keeps its place"]
    assert market.book()[0] == [(100, 60, 2)]
    assert market.order(SELL, 10, 100)[1:] == ["match 1: 10 at 100, 1 leaves 0, 3 leaves 0"]


def test_less_of_an_iceberg_whose_part_was_hit_shows_what_was_left_of_the_part(market: Market) -> None:
    market.order(BUY, 80, 100, display_qty=40)
    market.order(SELL, 10, 100)
    market.replace(1, 60, 100)
    assert market.book()[0] == [(100, 30, 1)]
    market.replace(1, 30, 100)
    assert market.book()[0] == [(100, 20, 1)]


def test_more_of_an_iceberg_or_another_price_shows_a_whole_part_again(market: Market) -> None:
    market.order(BUY, 80, 100, display_qty=40)
    market.order(SELL, 10, 100)
    assert market.replace(1, 90, 100) == ["replaced 1: 80 of 90 at 100, loses its place"]
    assert market.book()[0] == [(100, 40, 1)]
    market.order(SELL, 10, 100)
    market.replace(1, 90, 105)
    assert market.book()[0] == [(105, 40, 1)]


def test_a_hidden_order_that_is_replaced_stays_hidden(market: Market) -> None:
    market.order(BUY, 50, 100, hidden=True)
    assert market.replace(1, 60, 105) == ["replaced 1: 60 of 60 at 105, loses its place"]
    assert market.book()[0] == []


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"display_qty": -10}, "invalid_qty -10 50"),
        ({"display_qty": 60}, "invalid_qty 60 50"),
        ({"display_qty": 15}, "invalid_qty 15 50"),
        ({"display_qty": 20, "time_in_force": Tif.ioc}, "invalid_field 3 0"),
        ({"display_qty": 20, "time_in_force": Tif.fok}, "invalid_field 4 0"),
        ({"display_qty": 20, "ord_type": m.OrdType.market}, "invalid_field 2 0"),
        ({"display_qty": 20, "ord_type": m.OrdType.stop, "stop_px": 200}, "invalid_field 3 0"),
        ({"display_qty": 20, "hidden": True}, "invalid_field 20 0"),
        ({"hidden": True, "time_in_force": Tif.ioc}, "invalid_field 3 0"),
        ({"hidden": True, "ord_type": m.OrdType.market}, "invalid_field 2 0"),
        ({"hidden": True, "ord_type": m.OrdType.stop, "stop_px": 200}, "invalid_field 3 0"),
    ],
)
def test_what_cannot_be_shown_in_parts_is_rejected(market: Market, terms: dict[str, int], why: str) -> None:
    assert market.order(BUY, 50, 100, **terms) == [f"rejected 1: {why}"]


def test_an_iceberg_has_at_most_a_thousand_parts(market: Market) -> None:
    market.define(instrument=2, lot_size=1, max_qty=0)
    assert market.order(BUY, 2001, 100, display_qty=2, instrument=2) == ["rejected 1: invalid_qty 2 3"]
    assert market.order(BUY, 2000, 100, display_qty=2, instrument=2) == ["accepted 2: buy 2000 at 100, shows 2"]
    assert market.replace(2, 2001, 100) == ["refused 2: invalid_qty 2 3"]
    market.order(SELL, 2, 100, instrument=2)
    assert market.replace(2, 2002, 100) == ["replaced 2: 2000 of 2002 at 100, loses its place"]
    assert market.replace(2, 2, 100) == ["cancelled 2: 2000 of it, 2 done, requested"]


@pytest.mark.parametrize("of", [Matcher, NaiveMatcher])
def test_all_icebergs_together_have_a_bound_of_parts_to_come(of: type[Matcher] | type[NaiveMatcher]) -> None:
    market = Market(2000, of)
    market.define(instrument=2, lot_size=1, max_qty=0)
    for _ in range(1049):
        assert len(market.order(BUY, 1000, 100, display_qty=1, instrument=2)) == 1
    there = 1049 * 999
    assert market.order(BUY, 1000, 100, display_qty=1, instrument=2) == [
        f"rejected 1050: capacity {there + 999} {2**20}"
    ]
    assert market.order(BUY, 626, 100, display_qty=1, instrument=2) == ["accepted 1051: buy 626 at 100, shows 1"]
    assert market.replace(1051, 627, 100) == [f"refused 1051: capacity {2**20 + 1} {2**20}"]
    assert market.order(BUY, 1000, 100, instrument=2) == ["accepted 1052: buy 1000 at 100"]


def test_a_fill_or_kill_order_counts_what_is_not_shown(market: Market) -> None:
    market.order(SELL, 50, 100, display_qty=10)
    market.order(SELL, 20, 100, hidden=True)
    assert market.order(BUY, 80, 100, time_in_force=Tif.fok) == ["rejected 3: would_not_fill 80 70"]
    assert market.order(BUY, 70, 100, time_in_force=Tif.fok)[-1] == "match 6: 20 at 100, 2 leaves 0, 4 leaves 0"


def test_an_order_with_a_minimum_quantity_is_rejected_unless_so_much_trades_at_once(market: Market) -> None:
    market.order(SELL, 20, 100)
    market.order(SELL, 20, 105)
    assert market.order(BUY, 50, 100, min_qty=30) == ["rejected 3: would_not_fill 30 20"]
    assert market.order(BUY, 50, 105, min_qty=30) == [
        "accepted 4: buy 50 at 105",
        "match 1: 20 at 100, 1 leaves 0, 4 leaves 30",
        "match 2: 20 at 105, 2 leaves 0, 4 leaves 10",
    ]
    assert market.book() == ([(105, 10, 1)], [])
    assert market.market_order(SELL, 50, min_qty=20) == ["rejected 5: would_not_fill 20 10"]
    assert market.market_order(SELL, 50, min_qty=10)[-1] == "cancelled 6: 40 of it, 10 done, market_remainder"


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"min_qty": -10}, "invalid_qty -10 50"),
        ({"min_qty": 60}, "invalid_qty 60 50"),
        ({"min_qty": 15}, "invalid_qty 15 50"),
        ({"min_qty": 20, "time_in_force": Tif.fok}, "invalid_field 4 0"),
        ({"min_qty": 20, "time_in_force": Tif.at_open}, "invalid_field 6 0"),
        ({"min_qty": 20, "time_in_force": Tif.at_close}, "invalid_field 7 0"),
        ({"min_qty": 20, "ord_type": m.OrdType.stop, "stop_px": 200}, "invalid_field 3 0"),
        ({"min_qty": 20, "post_only": True}, "invalid_field 20 0"),
    ],
)
def test_a_minimum_quantity_that_makes_no_sense_is_rejected(market: Market, terms: dict[str, int], why: str) -> None:
    assert market.order(BUY, 50, 100, **terms) == [f"rejected 1: {why}"]


def test_a_post_only_order_slides_one_tick_off_the_best(market: Market) -> None:
    market.order(SELL, 10, 100)
    market.order(BUY, 10, 80)
    assert market.order(BUY, 10, 110, post_only=True, slide=True) == ["accepted 3: buy 10 at 95"]
    assert market.order(BUY, 10, 90, post_only=True, slide=True) == ["accepted 4: buy 10 at 90"]
    assert market.order(SELL, 10, 90, post_only=True, slide=True) == ["accepted 5: sell 10 at 100"]
    assert market.replace(4, 10, 100) == ["replaced 4: 10 of 10 at 95, loses its place"]
    assert market.replace(3, 10, 105) == ["replaced 3: 10 of 10 at 95, keeps its place"]
    assert market.cancel(3) == ["cancelled 3: 10 of it, 0 done, requested"]


def test_a_post_only_order_does_not_slide_out_of_the_instrument_s_prices(market: Market) -> None:
    market.order(SELL, 10, 10)
    assert market.order(BUY, 10, 15, post_only=True, slide=True) == ["rejected 2: would_cross 15 10"]


def test_only_a_post_only_order_slides(market: Market) -> None:
    assert market.order(BUY, 10, 100, slide=True) == ["rejected 1: invalid_field 1 0"]
