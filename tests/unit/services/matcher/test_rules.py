"""Each rule of services/matcher/README.md, as the whole list of events it leads to."""

from __future__ import annotations

from typing import Any

import pytest

from tapewire import messages as m
from tests.unit.services.matcher.market import BUY, SELL, Market

IOC, FOK = m.TimeInForce.ioc, m.TimeInForce.fok


def test_an_order_that_meets_nothing_rests(market: Market) -> None:
    assert market.order(BUY, 50, 100) == ["accepted 1: buy 50 at 100"]
    assert market.book() == ([(100, 50, 1)], [])


def test_a_better_price_trades_first_and_then_who_came_first(market: Market) -> None:
    market.order(SELL, 10, 110)
    market.order(SELL, 10, 105)
    market.order(SELL, 10, 105)
    assert market.order(BUY, 30, 110) == [
        "accepted 4: buy 30 at 110",
        "match 1: 10 at 105, 2 leaves 0, 4 leaves 20",
        "match 2: 10 at 105, 3 leaves 0, 4 leaves 10",
        "match 3: 10 at 110, 1 leaves 0, 4 leaves 0",
    ]
    assert market.book() == ([], [])


def test_what_a_limit_order_cannot_trade_rests_at_its_price(market: Market) -> None:
    market.order(BUY, 20, 100)
    assert market.order(SELL, 50, 95) == ["accepted 2: sell 50 at 95", "match 1: 20 at 100, 1 leaves 0, 2 leaves 30"]
    assert market.book() == ([], [(95, 30, 1)])


def test_a_maker_that_is_filled_in_part_keeps_its_place(market: Market) -> None:
    market.order(BUY, 50, 100)
    market.order(BUY, 50, 100)
    market.order(SELL, 20, 100)
    assert market.order(SELL, 40, 100)[1:] == [
        "match 2: 30 at 100, 1 leaves 0, 4 leaves 10",
        "match 3: 10 at 100, 2 leaves 40, 4 leaves 0",
    ]


def test_the_rest_of_an_immediate_or_cancel_order_is_cancelled(market: Market) -> None:
    market.order(SELL, 20, 100)
    assert market.order(BUY, 50, 100, time_in_force=IOC) == [
        "accepted 2: buy 50 at 100",
        "match 1: 20 at 100, 1 leaves 0, 2 leaves 30",
        "cancelled 2: 30 of it, 20 done, immediate_or_cancel",
    ]


def test_a_fill_or_kill_order_fills_whole_or_is_rejected_with_what_there_was(market: Market) -> None:
    market.order(SELL, 20, 100)
    market.order(SELL, 20, 105)
    market.order(SELL, 20, 110)
    assert market.order(BUY, 50, 105, time_in_force=FOK) == ["rejected 4: would_not_fill 50 40"]
    assert market.order(BUY, 40, 105, time_in_force=FOK) == [
        "accepted 5: buy 40 at 105",
        "match 1: 20 at 100, 1 leaves 0, 5 leaves 20",
        "match 2: 20 at 105, 2 leaves 0, 5 leaves 0",
    ]


def test_a_market_order_takes_what_there_is_and_never_rests(market: Market) -> None:
    market.order(SELL, 20, 100)
    market.order(SELL, 20, 9000)
    assert market.market_order(BUY, 50) == [
        "accepted 3: buy 50 at 0",
        "match 1: 20 at 100, 1 leaves 0, 3 leaves 30",
        "match 2: 20 at 9000, 2 leaves 0, 3 leaves 10",
        "cancelled 3: 10 of it, 40 done, market_remainder",
    ]


@pytest.mark.parametrize(("protection", "filled"), [(99, 0), (100, 20), (104, 20), (105, 40), (2**62, 40)])
def test_a_market_order_goes_no_further_than_its_protection_price(market: Market, protection: int, filled: int) -> None:
    market.order(SELL, 20, 100)
    market.order(SELL, 20, 105)
    assert (
        market.market_order(BUY, 50, protection)[-1]
        == f"cancelled 3: {50 - filled} of it, {filled} done, market_remainder"
    )


@pytest.mark.parametrize(("protection", "filled"), [(106, 0), (105, 20), (101, 20), (100, 40), (1, 40), (2**62, 0)])
def test_a_market_order_to_sell_is_protected_from_below(market: Market, protection: int, filled: int) -> None:
    market.order(BUY, 20, 100)
    market.order(BUY, 20, 105)
    assert (
        market.market_order(SELL, 50, protection)[-1]
        == f"cancelled 3: {50 - filled} of it, {filled} done, market_remainder"
    )


def test_a_market_order_into_an_empty_book_is_rejected(market: Market) -> None:
    market.order(BUY, 20, 100)
    assert market.market_order(BUY, 50) == ["rejected 2: no_liquidity 50 0"]


def test_a_market_order_may_be_fill_or_kill(market: Market) -> None:
    market.order(SELL, 20, 100)
    market.order(SELL, 20, 105)
    assert market.market_order(BUY, 30, 100, time_in_force=FOK) == ["rejected 3: would_not_fill 30 20"]
    assert market.market_order(BUY, 50, time_in_force=FOK) == ["rejected 4: would_not_fill 50 40"]
    assert len(market.market_order(BUY, 40, time_in_force=FOK)) == 3


def test_a_post_only_order_that_would_cross_is_rejected_with_the_price_it_met(market: Market) -> None:
    market.order(SELL, 10, 100)
    assert market.order(BUY, 10, 105, post_only=True) == ["rejected 2: would_cross 105 100"]
    assert market.order(BUY, 10, 100, post_only=True) == ["rejected 3: would_cross 100 100"]
    assert market.order(BUY, 10, 95, post_only=True) == ["accepted 4: buy 10 at 95"]


def test_less_at_the_same_price_keeps_its_place(market: Market) -> None:
    market.order(BUY, 50, 100)
    market.order(BUY, 50, 100)
    assert market.replace(1, 20, 100) == ["replaced 1: 20 of 20 at 100, keeps its place"]
    assert market.order(SELL, 30, 100)[1:] == [
        "match 1: 20 at 100, 1 leaves 0, 3 leaves 10",
        "match 2: 10 at 100, 2 leaves 40, 3 leaves 0",
    ]


@pytest.mark.parametrize(("qty", "price"), [(60, 100), (50, 105), (50, 95)])
def test_more_or_another_price_loses_the_place(market: Market, qty: int, price: int) -> None:
    market.order(BUY, 50, 100)
    market.order(BUY, 50, price)
    assert market.replace(1, qty, price) == [f"replaced 1: {qty} of {qty} at {price}, loses its place"]
    assert market.order(SELL, 10, price)[1:] == [f"match 1: 10 at {price}, 2 leaves 40, 3 leaves 0"]


def test_a_replace_that_changes_nothing_keeps_its_place(market: Market) -> None:
    market.order(BUY, 50, 100)
    assert market.replace(1, 50, 100) == ["replaced 1: 50 of 50 at 100, keeps its place"]


def test_the_quantity_of_a_replace_counts_what_is_done(market: Market) -> None:
    market.order(BUY, 50, 100)
    market.order(SELL, 20, 100)
    assert market.replace(1, 40, 100) == ["replaced 1: 20 of 40 at 100, keeps its place"]
    assert market.replace(1, 20, 100) == ["cancelled 1: 20 of it, 20 done, requested"]
    assert market.book() == ([], [])


def test_a_replaced_price_that_crosses_trades(market: Market) -> None:
    market.order(SELL, 20, 110)
    market.order(BUY, 50, 100)
    assert market.replace(2, 50, 115) == [
        "replaced 2: 50 of 50 at 115, loses its place",
        "match 1: 20 at 110, 1 leaves 0, 2 leaves 30",
    ]
    assert market.book() == ([(115, 30, 1)], [])
    assert market.cancel(2) == ["cancelled 2: 30 of it, 20 done, requested"]


def test_a_replaced_order_may_fill_whole(market: Market) -> None:
    market.order(SELL, 50, 110)
    market.order(BUY, 50, 100)
    assert market.replace(2, 50, 110)[1:] == ["match 1: 50 at 110, 1 leaves 0, 2 leaves 0"]
    assert market.matcher.live_orders == 0
    assert market.cancel(2) == ["refused 2: unknown_order 2 0"]


def test_a_post_only_order_stays_post_only_when_it_is_replaced(market: Market) -> None:
    market.order(SELL, 20, 110)
    market.order(BUY, 50, 100, post_only=True)
    assert market.replace(2, 50, 110) == ["refused 2: would_cross 110 110"]
    assert market.book() == ([(100, 50, 1)], [(110, 20, 1)])


def test_a_cancelled_order_leaves_with_what_it_had_done(market: Market) -> None:
    market.order(BUY, 50, 100)
    market.order(SELL, 20, 100)
    assert market.cancel(1) == ["cancelled 1: 30 of it, 20 done, requested"]
    assert market.cancel(1) == ["refused 1: unknown_order 1 0"]


def test_orders_that_never_were_or_are_another_s_cannot_be_touched(market: Market) -> None:
    market.order(BUY, 50, 100)
    assert market.cancel(7) == ["refused 7: unknown_order 7 0"]
    assert market.cancel(2**64 - 1) == [f"refused {2**64 - 1}: unknown_order -1 0"]
    assert market.cancel(1, account=2) == ["refused 1: not_your_order 1 0"]
    assert market.replace(1, 50, 105, account=2) == ["refused 1: not_your_order 1 0"]
    assert market.replace(9, 50, 105) == ["refused 9: unknown_order 9 0"]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"instrument": 2}, "unknown_instrument 2 0"),
        ({"instrument": 0}, "unknown_instrument 0 0"),
        ({"instrument": 2**32 - 1}, f"unknown_instrument {2**32 - 1} 0"),
        ({"side": 0}, "invalid_field 0 0"),
        ({"side": 3}, "invalid_field 3 0"),
        ({"ord_type": 0}, "invalid_field 0 0"),
        ({"ord_type": 9}, "invalid_field 9 0"),
        ({"time_in_force": 0}, "invalid_field 0 0"),
        ({"time_in_force": 9}, "invalid_field 9 0"),
        ({"post_only": True, "time_in_force": IOC}, "invalid_field 3 0"),
        ({"post_only": True, "ord_type": m.OrdType.market}, "invalid_field 2 0"),
        ({"qty": 0}, "invalid_qty 0 10"),
        ({"qty": -10}, "invalid_qty -10 10"),
        ({"qty": 15}, "invalid_qty 15 10"),
        ({"qty": 1010}, "invalid_qty 1010 1000"),
        ({"price": 0}, "invalid_price 0 10"),
        ({"price": -5}, "invalid_price -5 10"),
        ({"price": 5}, "invalid_price 5 10"),
        ({"price": 10_005}, "invalid_price 10005 10000"),
        ({"price": 2**63 - 1}, f"invalid_price {2**63 - 1} 10000"),
        ({"price": 102}, "off_tick 102 5"),
        ({"price": -1, "ord_type": m.OrdType.market}, "invalid_price -1 0"),
        ({"order_id": 0}, "invalid_field 0 0"),
        ({"order_id": 2**44}, f"capacity {2**44} {2**44 - 1}"),
    ],
)
def test_an_order_that_does_not_fit_is_rejected_with_the_numbers_compared(
    market: Market, terms: dict[str, Any], why: str
) -> None:
    id = terms.get("order_id", 1)
    assert market.order(**({"side": BUY, "qty": 50, "price": 100} | terms)) == [f"rejected {id}: {why}"]
    assert market.book() == ([], [])


def test_an_order_id_is_never_used_twice(market: Market) -> None:
    market.order(BUY, 50, 100)
    market.cancel(1)
    assert market.order(BUY, 50, 100, order_id=1) == ["rejected 1: invalid_field 1 0"]


@pytest.mark.parametrize(
    ("qty", "price", "why"),
    [
        (0, 100, "invalid_qty 0 10"),
        (15, 100, "invalid_qty 15 10"),
        (50, 5, "invalid_price 5 10"),
        (50, 101, "off_tick 101 5"),
    ],
)
def test_a_replace_that_does_not_fit_leaves_the_order_as_it_is(market: Market, qty: int, price: int, why: str) -> None:
    market.order(BUY, 50, 100)
    assert market.replace(1, qty, price) == [f"refused 1: {why}"]
    assert market.book() == ([(100, 50, 1)], [])


def test_while_halted_orders_can_be_cancelled_and_nothing_else(market: Market) -> None:
    market.order(BUY, 50, 100)
    assert market.set_status(m.InstrumentStatus.halted) == ["trading -> halted, unspecified", "done 1"]
    assert market.order(SELL, 50, 100) == ["rejected 2: instrument_halted 1 2"]
    assert market.replace(1, 10, 100) == ["refused 1: instrument_halted 1 2"]
    assert market.cancel(1) == ["cancelled 1: 50 of it, 0 done, requested"]
    market.set_status(m.InstrumentStatus.trading)
    assert market.order(SELL, 50, 100) == ["accepted 3: sell 50 at 100"]


def test_the_tick_and_the_lot_change_only_while_there_are_no_orders(market: Market) -> None:
    market.order(BUY, 50, 100)
    assert market.define(tick_size=1) == ["rejected 0: instrument_exists 1 5"]
    assert market.define(lot_size=1) == ["rejected 0: instrument_exists 1 10"]
    assert market.define(min_price=200) == ["done 0"]
    market.cancel(1)
    assert market.define(tick_size=1, lot_size=1) == ["done 0"]
    assert market.order(BUY, 7, 101) == ["accepted 2: buy 7 at 101"]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"instrument": 0}, f"capacity 0 {2**20 - 1}"),
        ({"instrument": 2**20}, f"capacity {2**20} {2**20 - 1}"),
        ({"tick_size": 0}, f"invalid_price 0 {2**50}"),
        ({"tick_size": 2**51}, f"invalid_price {2**51} {2**50}"),
        ({"lot_size": -1}, f"invalid_qty -1 {2**50}"),
        ({"max_qty": 2**51}, f"invalid_qty {2**51} {2**50}"),
        ({"min_price": -1}, f"invalid_price -1 {2**50}"),
        ({"max_price": 2**51}, f"invalid_price {2**51} {2**50}"),
        ({"min_price": 30, "max_price": 20}, "invalid_price 30 20"),
        ({"tick_size": 100, "min_price": 110, "max_price": 190}, "invalid_price 100 190"),
        ({"reference_price": -1}, f"invalid_price -1 {2**50}"),
        ({"reference_price": 2**50 + 1}, f"invalid_price {2**50 + 1} {2**50}"),
        ({"static_band_bps": 10_001}, "invalid_field 10001 10000"),
        ({"dynamic_band_bps": 10_001}, "invalid_field 10001 10000"),
        ({"instrument": 2, "status": 0}, "invalid_field 0 0"),
        ({"instrument": 2, "status": 7}, "invalid_field 7 0"),
        ({"status": 2}, "invalid_field 2 1"),
        ({"status": 77}, "invalid_field 77 1"),
    ],
)
def test_an_impossible_instrument_is_rejected(market: Market, terms: dict[str, int], why: str) -> None:
    assert market.define(**terms) == [f"rejected 0: {why}"]


def test_bounds_that_are_not_given_are_the_platform_s(market: Market) -> None:
    market.define(instrument=2, tick_size=1, lot_size=1, max_qty=0, min_price=0, max_price=0)
    assert market.order(BUY, 2**50, 2**50, instrument=2) == [f"accepted 1: buy {2**50} at {2**50}"]
    assert market.order(BUY, 2**50, 2**50 + 1, instrument=2) == [f"rejected 2: invalid_price {2**50 + 1} {2**50}"]
    assert market.order(BUY, 2**50 + 1, 1, instrument=2) == [f"rejected 3: invalid_qty {2**50 + 1} {2**50}"]
    assert market.order(SELL, 1, 1, instrument=2)[1:] == [f"match 1: 1 at {2**50}, 1 leaves {2**50 - 1}, 4 leaves 0"]


def fill_for_mass_cancel(market: Market) -> None:
    market.define(instrument=2)
    market.order(BUY, 10, 100, account=1, instrument=2, session=1)
    market.order(SELL, 20, 200, account=2, instrument=1, session=2)
    market.order(BUY, 30, 100, account=1, instrument=1, session=1)
    market.order(SELL, 40, 205, account=1, instrument=1, session=2)


@pytest.mark.parametrize(
    ("terms", "gone"),
    [
        ({}, [2, 3, 4, 1]),
        ({"account": 1}, [3, 4, 1]),
        ({"instrument": 1}, [2, 3, 4]),
        ({"side": SELL}, [2, 4]),
        ({"account": 1, "instrument": 1, "side": BUY}, [3]),
        ({"account": 9}, []),
        ({"session": 1}, [3, 1]),
        ({"session": 2, "side": SELL}, [2, 4]),
        ({"session": 3}, []),
    ],
)
def test_a_mass_cancel_takes_what_fits_by_instrument_and_then_order_id(
    market: Market, terms: dict[str, int], gone: list[int]
) -> None:
    fill_for_mass_cancel(market)
    expected = [f"cancelled {id}: {10 * id} of it, 0 done, mass_cancel" for id in gone]
    assert market.send(m.MassCancel(**terms)) == [*expected, f"done {len(gone)}"]
    assert market.matcher.live_orders == 4 - len(gone)


def test_a_mass_cancel_says_why_in_its_events(market: Market) -> None:
    market.order(BUY, 10, 100)
    assert market.send(m.MassCancel(reason=m.CancelReason.disconnected)) == [
        "cancelled 1: 10 of it, 0 done, disconnected",
        "done 1",
    ]


def test_a_mass_cancel_that_makes_no_sense_is_refused(market: Market) -> None:
    assert market.send(m.MassCancel(instrument=3)) == ["refused 0: unknown_instrument 3 0"]
    assert market.send(m.MassCancel(side=5)) == ["refused 0: invalid_field 5 0"]
    assert market.send(m.MassCancel(reason=m.CancelReason.self_trade)) == ["refused 0: invalid_field 7 0"]


def test_the_kill_switch_cancels_if_it_is_asked_to(market: Market) -> None:
    fill_for_mass_cancel(market)
    assert market.send(m.KillSwitch(account=1, engaged=True)) == ["done 0"]
    assert market.send(m.KillSwitch(account=1, engaged=True, cancel_open=True)) == [
        "cancelled 3: 30 of it, 0 done, kill_switch",
        "cancelled 4: 40 of it, 0 done, kill_switch",
        "cancelled 1: 10 of it, 0 done, kill_switch",
        "done 3",
    ]


def test_what_risk_refused_and_what_is_no_command_of_the_matcher_changes_nothing(market: Market) -> None:
    before = market.matcher.digest()
    assert market.order(BUY, 50, 100, decision=m.RejectReason.max_notional) == []
    assert market.send(m.AccountLimits(account=1)) == ["done 0"]
    assert market.send(m.Trade(instrument=1, price=100)) == []
    assert market.matcher.digest() == before


def test_an_order_that_may_rest_needs_room_and_others_do_not() -> None:
    market = Market(max_live_orders=2)
    market.order(BUY, 10, 100)
    market.order(BUY, 10, 95)
    assert market.order(BUY, 10, 90) == ["rejected 3: capacity 2 2"]
    assert len(market.order(SELL, 10, 100, time_in_force=IOC)) == 2
    assert market.order(BUY, 10, 90) == ["accepted 5: buy 10 at 90"]
