"""Orders that wait until a trade reaches their stop price."""

from __future__ import annotations

from typing import Any

import pytest

from tapewire import messages as m
from tests.unit.services.matcher.market import BUY, SELL, Market, Status, Tif


def test_a_stop_waits_outside_the_book_until_a_trade_reaches_it(market: Market) -> None:
    market.order(SELL, 20, 110)
    assert market.stop(BUY, 10, 105) == ["accepted 2: buy 10 at 0, waits for 105"]
    assert market.book() == ([], [(110, 20, 1)])
    assert market.order(BUY, 10, 110) == [
        "accepted 3: buy 10 at 110",
        "match 1: 10 at 110, 1 leaves 10, 3 leaves 0",
        "triggered 2: 10 at 0, stop 105, last 110",
        "match 2: 10 at 110, 1 leaves 0, 2 leaves 0",
    ]
    assert market.matcher.live_orders == 0


def test_a_stop_to_sell_is_triggered_from_above(market: Market) -> None:
    market.stop(SELL, 10, 95)
    market.trade(100)
    market.order(BUY, 10, 90)
    market.order(BUY, 10, 95)
    assert market.order(SELL, 10, 95)[1:] == [
        "match 2: 10 at 95, 5 leaves 0, 6 leaves 0",
        "triggered 1: 10 at 0, stop 95, last 95",
        "match 3: 10 at 90, 4 leaves 0, 1 leaves 0",
    ]


def test_a_triggered_stop_goes_no_further_than_its_protection_price_and_never_rests(market: Market) -> None:
    market.stop(BUY, 50, 105, 110)
    market.order(SELL, 20, 105)
    market.order(SELL, 10, 110)
    market.order(SELL, 10, 115)
    assert market.order(BUY, 10, 105)[2:] == [
        "triggered 1: 50 at 110, stop 105, last 105",
        "match 2: 10 at 105, 2 leaves 0, 1 leaves 40",
        "match 3: 10 at 110, 3 leaves 0, 1 leaves 30",
        "cancelled 1: 30 of it, 20 done, market_remainder",
    ]


def test_a_triggered_stop_that_finds_nothing_is_cancelled(market: Market) -> None:
    market.stop(BUY, 50, 100)
    market.order(SELL, 10, 100)
    assert market.order(BUY, 10, 100)[2:] == [
        "triggered 1: 50 at 0, stop 100, last 100",
        "cancelled 1: 50 of it, 0 done, market_remainder",
    ]


def test_a_triggered_stop_limit_trades_to_its_limit_and_rests(market: Market) -> None:
    assert market.stop_limit(BUY, 50, 105, 110) == ["accepted 1: buy 50 at 110, waits for 105"]
    market.order(SELL, 20, 105)
    market.order(SELL, 20, 115)
    assert market.order(BUY, 10, 105)[2:] == [
        "triggered 1: 50 at 110, stop 105, last 105",
        "match 2: 10 at 105, 2 leaves 0, 1 leaves 40",
    ]
    assert market.book() == ([(110, 40, 1)], [(115, 20, 1)])
    assert market.replace(1, 50, 110, stop_px=120) == ["refused 1: invalid_field 120 0"]
    assert market.replace(1, 50, 100) == ["replaced 1: 40 of 50 at 100, loses its place"]


def test_a_stop_limit_may_be_an_iceberg_or_hidden(market: Market) -> None:
    market.stop_limit(BUY, 50, 100, 100, display_qty=20)
    market.stop_limit(BUY, 50, 100, 95, hidden=True)
    market.trade(100)
    assert market.book() == ([(100, 20, 1)], [])
    assert market.matcher.live_orders == 2


def test_stops_are_elected_buys_upwards_then_sells_downwards_then_by_time(market: Market) -> None:
    market.trade(100)
    market.stop(BUY, 10, 115)
    market.stop(BUY, 10, 110)
    market.stop(BUY, 10, 110)
    market.stop(SELL, 10, 85)
    market.stop(SELL, 10, 90)
    market.order(SELL, 10, 120)
    assert market.order(BUY, 10, 120)[1:] == [
        "match 2: 10 at 120, 8 leaves 0, 9 leaves 0",
        "triggered 4: 10 at 0, stop 110, last 120",
        "triggered 5: 10 at 0, stop 110, last 120",
        "triggered 3: 10 at 0, stop 115, last 120",
        "cancelled 4: 10 of it, 0 done, market_remainder",
        "cancelled 5: 10 of it, 0 done, market_remainder",
        "cancelled 3: 10 of it, 0 done, market_remainder",
    ]
    market.order(BUY, 10, 80)
    assert market.order(SELL, 10, 80)[2:4] == [
        "triggered 7: 10 at 0, stop 90, last 80",
        "triggered 6: 10 at 0, stop 85, last 80",
    ]


def test_what_a_triggered_stop_trades_triggers_more_and_each_waits_its_turn(market: Market) -> None:
    market.stop(BUY, 10, 100)
    market.stop(BUY, 10, 110)
    market.stop_limit(BUY, 10, 100, 120)
    market.order(SELL, 10, 100)
    market.order(SELL, 10, 110)
    market.order(SELL, 10, 115)
    market.order(SELL, 10, 120)
    assert market.order(BUY, 10, 100)[1:] == [
        "match 1: 10 at 100, 4 leaves 0, 8 leaves 0",
        "triggered 1: 10 at 0, stop 100, last 100",
        "triggered 3: 10 at 120, stop 100, last 100",
        "match 2: 10 at 110, 5 leaves 0, 1 leaves 0",
        "triggered 2: 10 at 0, stop 110, last 110",
        "match 3: 10 at 115, 6 leaves 0, 3 leaves 0",
        "match 4: 10 at 120, 7 leaves 0, 2 leaves 0",
    ]


def test_a_stop_that_the_last_trade_has_reached_is_rejected(market: Market) -> None:
    market.trade(100)
    assert market.stop(BUY, 10, 100) == ["rejected 3: would_trigger 100 100"]
    assert market.stop(SELL, 10, 100) == ["rejected 4: would_trigger 100 100"]
    assert market.stop(BUY, 10, 105) == ["accepted 5: buy 10 at 0, waits for 105"]
    assert market.stop(SELL, 10, 95) == ["accepted 6: sell 10 at 0, waits for 95"]
    assert market.stop_limit(SELL, 10, 105, 200) == ["rejected 7: would_trigger 105 100"]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"stop_px": 0}, "invalid_price 0 10"),
        ({"stop_px": 5}, "invalid_price 5 10"),
        ({"stop_px": 10_005}, "invalid_price 10005 10000"),
        ({"stop_px": 102}, "off_tick 102 5"),
        ({"price": -1}, "invalid_price -1 0"),
        ({"time_in_force": Tif.ioc}, "invalid_field 3 0"),
        ({"time_in_force": Tif.fok}, "invalid_field 4 0"),
        ({"time_in_force": Tif.at_open}, "invalid_field 6 0"),
        ({"time_in_force": Tif.at_close}, "invalid_field 7 0"),
        ({"post_only": True}, "invalid_field 3 0"),
        ({"ord_type": m.OrdType.stop_limit, "price": 102}, "off_tick 102 5"),
        ({"ord_type": m.OrdType.stop_limit, "price": 0}, "invalid_price 0 10"),
        ({"ord_type": m.OrdType.limit, "price": 100}, "invalid_field 105 0"),
        ({"ord_type": m.OrdType.market}, "invalid_field 105 0"),
    ],
)
def test_a_stop_that_makes_no_sense_is_rejected(market: Market, terms: dict[str, Any], why: str) -> None:
    given: dict[str, Any] = {"side": BUY, "qty": 10, "price": 0, "stop_px": 105, "ord_type": m.OrdType.stop}
    assert market.order(**given | terms) == [f"rejected 1: {why}"]


def test_a_waiting_stop_is_replaced_and_keeps_its_place_unless_it_moves_or_grows(market: Market) -> None:
    market.stop_limit(BUY, 20, 105, 110)
    market.stop_limit(BUY, 20, 105, 110)
    assert market.replace(1, 10, 115) == ["replaced 1: 10 of 10 at 115, keeps its place"]
    assert market.replace(2, 10, 110, stop_px=105) == ["replaced 2: 10 of 10 at 110, keeps its place"]
    assert market.replace(1, 20, 115) == ["replaced 1: 20 of 20 at 115, loses its place"]
    assert market.replace(2, 10, 110, stop_px=100) == ["replaced 2: 10 of 10 at 110, loses its place"]
    assert market.replace(2, 10, 110, stop_px=105) == ["replaced 2: 10 of 10 at 110, loses its place"]
    market.order(SELL, 10, 105)
    assert market.order(BUY, 10, 105)[2:] == [
        "triggered 1: 20 at 115, stop 105, last 105",
        "triggered 2: 10 at 110, stop 105, last 105",
    ]


def test_a_replaced_stop_may_not_be_reached_already_nor_stand_off_the_instrument_s_prices(market: Market) -> None:
    market.trade(100)
    market.stop(BUY, 10, 105, 200)
    assert market.replace(3, 10, 200, stop_px=100) == ["refused 3: would_trigger 100 100"]
    assert market.replace(3, 10, 200, stop_px=103) == ["refused 3: off_tick 103 5"]
    assert market.replace(3, 10, -1) == ["refused 3: invalid_price -1 0"]
    assert market.replace(3, 10, 0) == ["replaced 3: 10 of 10 at 0, keeps its place"]
    market.define(min_price=110)
    assert market.replace(3, 10, 0) == ["refused 3: invalid_price 105 110"]


def test_a_waiting_stop_is_cancelled_like_any_other_order(market: Market) -> None:
    market.stop(BUY, 10, 105, 107)
    market.stop_limit(SELL, 10, 95, 90)
    assert market.cancel(1) == ["cancelled 1: 10 of it, 0 done, requested"]
    assert market.send(m.MassCancel(side=SELL)) == ["cancelled 2: 10 of it, 0 done, mass_cancel", "done 1"]
    assert market.matcher.live_orders == 0


def test_a_waiting_stop_needs_room(market: Market) -> None:
    small = Market(1, type(market.matcher))
    small.stop(BUY, 10, 105)
    assert small.stop(BUY, 10, 105) == ["rejected 2: capacity 1 1"]


def test_stops_are_not_elected_while_orders_are_collected_and_are_when_trading_begins_with_a_trade(
    market: Market,
) -> None:
    market.set_status(Status.opening_auction)
    market.stop(BUY, 10, 105)
    market.order(BUY, 10, 110)
    market.order(SELL, 20, 110)
    assert market.set_status(Status.trading) == [
        "auction 1: 10 at 110, 2 leaves 0, 3 leaves 10",
        "opening_auction -> trading, unspecified, auction 10 at 110",
        "triggered 1: 10 at 0, stop 105, last 110",
        "match 2: 10 at 110, 3 leaves 0, 1 leaves 0",
        "done 1",
    ]


def test_a_stop_reached_by_the_auction_of_a_close_waits_for_the_next_trade(market: Market) -> None:
    market.set_status(Status.closing_auction)
    market.stop(BUY, 10, 105)
    market.order(BUY, 10, 110)
    market.order(SELL, 20, 110)
    assert market.set_status(Status.closed)[0] == "auction 1: 10 at 110, 2 leaves 0, 3 leaves 10"
    assert market.set_status(Status.trading) == ["closed -> trading, unspecified", "done 1"]
    assert market.replace(1, 10, 0) == ["refused 1: would_trigger 105 110"]
    assert market.order(BUY, 10, 110)[2:] == [
        "triggered 1: 10 at 0, stop 105, last 110",
        "cancelled 1: 10 of it, 0 done, market_remainder",
    ]
