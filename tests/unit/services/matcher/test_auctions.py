"""Statuses, calls and auctions."""

from __future__ import annotations

import pytest

from tapewire import messages as m
from tests.unit.services.matcher.market import BUY, SELL, Market, Status, Tif

OPEN, CLOSE, HALT = Status.opening_auction, Status.closing_auction, Status.halt_auction
CALLS = [OPEN, CLOSE, HALT]


@pytest.mark.parametrize("call", CALLS)
def test_in_a_call_orders_are_collected_and_the_auction_is_indicated_as_it_changes(
    market: Market, call: m.InstrumentStatus
) -> None:
    assert market.set_status(call) == [f"trading -> {call.name}, unspecified", "done 1"]
    assert market.order(BUY, 50, 110) == ["accepted 1: buy 50 at 110"]
    assert market.order(SELL, 20, 100) == ["accepted 2: sell 20 at 100", "indicated 20 at 100, 30 left to buy"]
    assert market.order(SELL, 20, 105) == ["accepted 3: sell 20 at 105", "indicated 40 at 105, 10 left to buy"]
    assert market.order(SELL, 20, 200) == ["accepted 4: sell 20 at 200"]
    assert market.order(SELL, 10, 110) == ["accepted 5: sell 10 at 110", "indicated 50 at 110"]
    assert market.replace(1, 10, 110) == [
        "replaced 1: 10 of 10 at 110, keeps its place",
        "indicated 10 at 100, 10 left to sell",
    ]
    assert market.cancel(1) == ["cancelled 1: 10 of it, 0 done, requested", "indicated 0 at 0"]
    assert market.book() == ([], [(100, 20, 1), (105, 20, 1), (110, 10, 1), (200, 20, 1)])


def test_an_auction_trades_at_one_price_best_and_oldest_first_and_names_the_older_order_as_maker(
    market: Market,
) -> None:
    market.set_status(OPEN)
    market.order(BUY, 30, 105, account=1)
    market.order(SELL, 20, 95, account=2)
    market.order(BUY, 20, 110, account=3)
    market.order(SELL, 20, 100, account=4)
    market.order(SELL, 10, 100, account=5)
    market.order(BUY, 10, 90)
    assert market.set_status(Status.trading, reason=m.StatusReason.schedule) == [
        "auction 1: 20 at 100, 2 leaves 0, 3 leaves 0",
        "auction 2: 20 at 100, 1 leaves 10, 4 leaves 0",
        "auction 3: 10 at 100, 1 leaves 0, 5 leaves 0",
        "opening_auction -> trading, schedule, auction 50 at 100",
        "done 1",
    ]
    assert market.book() == ([(90, 10, 1)], [])


@pytest.mark.parametrize(
    ("reference", "price"), [(0, 100), (90, 100), (101, 100), (105, 105), (115, 115), (120, 120), (500, 120)]
)
def test_of_equal_prices_the_one_nearest_to_the_reference_is_taken(market: Market, reference: int, price: int) -> None:
    market.define(reference_price=reference)
    market.set_status(OPEN)
    market.order(BUY, 10, 120)
    assert market.order(SELL, 10, 100)[1:] == [f"indicated 10 at {price}"]


def test_the_reference_of_an_auction_is_the_last_trade_if_there_was_one(market: Market) -> None:
    market.define(reference_price=115)
    market.trade(105)
    market.set_status(HALT)
    market.order(BUY, 10, 120)
    assert market.order(SELL, 10, 100)[1:] == ["indicated 10 at 105"]


def test_the_least_imbalance_comes_before_the_reference(market: Market) -> None:
    market.define(reference_price=100)
    market.set_status(OPEN)
    market.order(BUY, 10, 120)
    market.order(BUY, 20, 105)
    assert market.order(SELL, 10, 100)[1:] == ["indicated 10 at 120"]


def test_a_redefined_reference_moves_the_indication(market: Market) -> None:
    market.set_status(OPEN)
    market.order(BUY, 10, 120)
    market.order(SELL, 10, 100)
    assert market.define(reference_price=110) == ["indicated 10 at 110", "done 0"]


def test_a_market_order_in_a_call_stands_at_the_end_of_the_prices_or_at_its_protection(market: Market) -> None:
    market.define(min_price=12, max_price=9_998)
    market.set_status(OPEN)
    assert market.market_order(BUY, 10) == ["accepted 1: buy 10 at 9995"]
    assert market.market_order(SELL, 10, 103)[0] == "accepted 2: sell 10 at 105"
    assert market.market_order(BUY, 10, 103)[0] == "accepted 3: buy 10 at 100"
    assert market.market_order(SELL, 10)[0] == "accepted 4: sell 10 at 15"
    assert market.market_order(SELL, 10, 2**62)[0] == "accepted 5: sell 10 at 9995"
    assert market.market_order(BUY, 10, 1)[0] == "accepted 6: buy 10 at 15"
    assert market.cancel(1)[0] == "cancelled 1: 10 of it, 0 done, requested"
    assert market.replace(3, 10, 100) == ["refused 3: invalid_field 2 0"]


def test_what_is_left_of_a_market_order_after_the_auction_is_cancelled(market: Market) -> None:
    market.set_status(OPEN)
    market.market_order(BUY, 30)
    market.order(SELL, 20, 100)
    assert market.set_status(Status.trading) == [
        "auction 1: 20 at 100, 1 leaves 10, 2 leaves 0",
        "cancelled 1: 10 of it, 20 done, market_remainder",
        "opening_auction -> trading, unspecified, auction 20 at 100",
        "done 1",
    ]


def test_icebergs_and_hidden_orders_take_part_whole_and_icebergs_say_what_they_show_then(market: Market) -> None:
    market.set_status(OPEN)
    market.order(SELL, 50, 100, display_qty=20)
    market.order(SELL, 50, 100, hidden=True)
    market.order(SELL, 30, 100)
    market.order(BUY, 70, 100)
    assert market.set_status(Status.trading) == [
        "auction 1: 50 at 100, 1 leaves 0, 4 leaves 20",
        "auction 2: 20 at 100, 3 leaves 10, 4 leaves 0",
        "opening_auction -> trading, unspecified, auction 70 at 100",
        "done 1",
    ]
    market.set_status(HALT)
    market.order(BUY, 90, 100, display_qty=40)
    market.order(BUY, 50, 100)
    assert market.set_status(Status.trading) == [
        "auction 3: 10 at 100, 3 leaves 0, 5 leaves 80",
        "auction 4: 50 at 100, 2 leaves 0, 5 leaves 30",
        "restated 5: 30 of 90 at 100, shows 30, keeps its place, display_refresh",
        "halt_auction -> trading, unspecified, auction 60 at 100",
        "done 1",
    ]
    assert market.order(SELL, 30, 100)[1:] == ["match 5: 30 at 100, 5 leaves 0, 7 leaves 0"]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"time_in_force": Tif.ioc}, "wrong_status 3 4"),
        ({"time_in_force": Tif.fok}, "wrong_status 4 4"),
        ({"min_qty": 20}, "wrong_status 20 4"),
        ({"post_only": True}, "wrong_status 1 4"),
    ],
)
def test_what_wants_to_trade_at_once_or_never_has_no_place_in_a_call(
    market: Market, terms: dict[str, int], why: str
) -> None:
    market.set_status(OPEN)
    assert market.order(BUY, 50, 100, **terms) == [f"rejected 1: {why}"]


def test_an_order_for_the_open_lives_in_the_opening_auction_only(market: Market) -> None:
    at_open = {"time_in_force": Tif.at_open}
    assert market.order(BUY, 10, 100, **at_open) == ["rejected 1: wrong_status 6 1"]
    market.set_status(CLOSE)
    assert market.order(BUY, 10, 100, **at_open) == ["rejected 2: wrong_status 6 5"]
    market.set_status(OPEN)
    assert market.order(BUY, 10, 100, **at_open) == ["accepted 3: buy 10 at 100"]
    assert market.market_order(BUY, 20, **at_open) == ["accepted 4: buy 20 at 10000"]
    assert market.set_status(Status.trading) == [
        "cancelled 3: 10 of it, 0 done, auction_remainder",
        "cancelled 4: 20 of it, 0 done, auction_remainder",
        "opening_auction -> trading, unspecified",
        "done 1",
    ]


def test_an_order_for_the_close_waits_for_the_closing_auction(market: Market) -> None:
    at_close = {"time_in_force": Tif.at_close}
    assert market.order(BUY, 10, 100, **at_close) == ["accepted 1: buy 10 at 100, waits for the close"]
    assert market.market_order(SELL, 20, **at_close) == ["accepted 2: sell 20 at 0, waits for the close"]
    market.set_status(OPEN)
    assert market.market_order(SELL, 20, 97, **at_close) == ["accepted 3: sell 20 at 97, waits for the close"]
    market.set_status(Status.trading)
    assert market.matcher.live_orders == 3
    assert market.set_status(CLOSE) == [
        "trading -> closing_auction, unspecified",
        "triggered 1: 10 at 100, for closing_auction",
        "triggered 2: 20 at 10, for closing_auction",
        "triggered 3: 20 at 100, for closing_auction",
        "indicated 10 at 10, 10 left to sell",
        "done 1",
    ]
    assert market.order(BUY, 10, 105, **at_close)[0] == "accepted 4: buy 10 at 105"
    assert market.set_status(Status.closed) == [
        "auction 1: 10 at 10, 2 leaves 10, 4 leaves 0",
        "auction 2: 10 at 10, 1 leaves 0, 2 leaves 0",
        "cancelled 3: 20 of it, 0 done, auction_remainder",
        "closing_auction -> closed, unspecified, auction 20 at 10",
        "done 1",
    ]


def test_a_waiting_order_for_the_close_is_replaced_and_loses_its_place_only_if_it_grows(market: Market) -> None:
    at_close = {"time_in_force": Tif.at_close}
    market.order(BUY, 20, 100, **at_close)
    market.order(BUY, 20, 100, **at_close)
    market.market_order(BUY, 20, **at_close)
    assert market.replace(1, 20, 110) == ["replaced 1: 20 of 20 at 110, keeps its place"]
    assert market.replace(1, 20, 100) == ["replaced 1: 20 of 20 at 100, keeps its place"]
    assert market.replace(2, 10, 100) == ["replaced 2: 10 of 10 at 100, keeps its place"]
    assert market.replace(1, 30, 100) == ["replaced 1: 30 of 30 at 100, loses its place"]
    assert market.replace(3, 20, 100) == ["refused 3: invalid_field 2 0"]
    assert market.replace(1, 30, 100, stop_px=105) == ["refused 1: invalid_field 105 0"]
    assert market.set_status(CLOSE)[1:-1] == [
        "triggered 2: 10 at 100, for closing_auction",
        "triggered 3: 20 at 10000, for closing_auction",
        "triggered 1: 30 at 100, for closing_auction",
    ]


def test_a_waiting_order_for_the_close_ends_when_trading_is_closed_without_an_auction(market: Market) -> None:
    market.order(BUY, 20, 100, time_in_force=Tif.at_close)
    assert market.set_status(Status.closed)[0] == "cancelled 1: 20 of it, 0 done, auction_remainder"


def test_at_the_close_of_the_day_day_orders_expire_and_others_stay(market: Market) -> None:
    market.order(BUY, 10, 100, time_in_force=Tif.day)
    market.order(BUY, 10, 100)
    market.order(BUY, 10, 100, time_in_force=Tif.gtd, expire_time=5000)
    market.stop(BUY, 10, 105, time_in_force=Tif.day)
    market.stop(BUY, 10, 105)
    assert market.set_status(Status.closed) == [
        "cancelled 1: 10 of it, 0 done, expired",
        "cancelled 4: 10 of it, 0 done, expired",
        "trading -> closed, unspecified",
        "done 1",
    ]
    assert market.matcher.live_orders == 3


def test_a_market_order_of_the_day_that_rests_in_a_call_expires_at_the_close(market: Market) -> None:
    market.set_status(CLOSE)
    market.market_order(BUY, 10, time_in_force=Tif.day)
    market.market_order(BUY, 10, time_in_force=Tif.gtc)
    assert market.set_status(Status.closed)[:2] == [
        "cancelled 1: 10 of it, 0 done, expired",
        "cancelled 2: 10 of it, 0 done, market_remainder",
    ]


def test_a_halt_keeps_the_crossed_book_of_a_call_and_trading_uncrosses_it(market: Market) -> None:
    market.set_status(HALT)
    market.order(BUY, 10, 100)
    market.order(SELL, 10, 100)
    assert market.set_status(Status.halted) == ["halt_auction -> halted, unspecified", "done 1"]
    assert market.book() == ([(100, 10, 1)], [(100, 10, 1)])
    assert market.set_status(Status.trading)[0] == "auction 1: 10 at 100, 1 leaves 0, 2 leaves 0"


def test_a_status_that_is_commanded_again_says_nothing_and_takes_the_new_time_to_resume(market: Market) -> None:
    assert market.set_status(Status.halted, resume_time=5000) == [
        "trading -> halted, unspecified, until 5000",
        "done 1",
    ]
    assert market.matcher.next_due() == 5000
    assert market.set_status(Status.halted, resume_time=7000) == ["done 0"]
    assert market.matcher.next_due() == 7000
    assert market.set_status(Status.halted) == ["done 0"]
    assert market.matcher.next_due() == 0


def test_the_indication_is_said_again_in_the_next_call(market: Market) -> None:
    market.set_status(HALT)
    market.order(BUY, 10, 100)
    market.order(SELL, 10, 100)
    assert market.set_status(CLOSE) == [
        "halt_auction -> closing_auction, unspecified",
        "indicated 10 at 100",
        "done 1",
    ]


def test_a_market_wide_halt_stops_every_instrument_that_is_not_halted(market: Market) -> None:
    for instrument in (2, 3):
        market.define(instrument=instrument)
    market.set_status(Status.halted, instrument=2)
    assert market.set_status(Status.halted, instrument=0, reason=m.StatusReason.market_wide) == [
        "trading -> halted, market_wide",
        "trading -> halted, market_wide",
        "done 2",
    ]
    assert [market.matcher.status(i) for i in (1, 2, 3)] == [Status.halted] * 3


def test_a_delisted_instrument_is_forgotten_and_may_be_defined_anew(market: Market) -> None:
    market.trade(100)
    market.order(BUY, 10, 90)
    market.stop(BUY, 10, 105)
    assert market.set_status(Status.delisted) == [
        "cancelled 3: 10 of it, 0 done, delisted",
        "cancelled 4: 10 of it, 0 done, delisted",
        "trading -> delisted, unspecified",
        "done 1",
    ]
    assert market.order(BUY, 10, 90) == ["rejected 5: unknown_instrument 1 0"]
    with pytest.raises(KeyError):
        market.matcher.best(1)
    assert market.define(tick_size=1, status=OPEN) == ["done 0"]
    assert market.stop(BUY, 10, 95) == ["accepted 6: buy 10 at 0, waits for 95"]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"status": 0}, "invalid_field 0 0"),
        ({"status": 8}, "invalid_field 8 0"),
        ({"reason": 6}, "invalid_field 6 0"),
        ({"resume_time": -1}, "invalid_field -1 0"),
        ({"status": Status.trading, "resume_time": 5000}, "invalid_field 5000 0"),
        ({"status": Status.closed, "resume_time": 5000}, "invalid_field 5000 0"),
        ({"status": Status.delisted, "resume_time": 5000}, "invalid_field 5000 0"),
        ({"resume_time": 1000}, "invalid_field 1000 1000"),
        ({"instrument": 2}, "unknown_instrument 2 0"),
    ],
)
def test_a_status_that_makes_no_sense_is_rejected(market: Market, terms: dict[str, int], why: str) -> None:
    assert market.send(m.SetInstrumentStatus(**{"instrument": 1, "status": Status.halted} | terms)) == [
        f"rejected 0: {why}"
    ]


@pytest.mark.parametrize("status", [Status.halted, Status.closed])
def test_orders_are_refused_while_halted_or_closed_and_can_be_cancelled(
    market: Market, status: m.InstrumentStatus
) -> None:
    market.order(BUY, 10, 100)
    market.set_status(status)
    assert market.order(BUY, 10, 100) == [f"rejected 2: instrument_halted 1 {status.value}"]
    assert market.stop(BUY, 10, 100) == [f"rejected 3: instrument_halted 1 {status.value}"]
    assert market.replace(1, 20, 100) == [f"refused 1: instrument_halted 1 {status.value}"]
    assert market.cancel(1) == ["cancelled 1: 10 of it, 0 done, requested"]


def test_a_replace_in_a_call_does_not_trade_and_goes_to_the_back(market: Market) -> None:
    market.order(BUY, 10, 100)
    market.set_status(HALT)
    market.order(SELL, 10, 110)
    market.order(BUY, 10, 110)
    assert market.replace(1, 10, 110) == [
        "replaced 1: 10 of 10 at 110, loses its place",
        "indicated 10 at 110, 10 left to buy",
    ]
    assert market.set_status(Status.trading)[0] == "auction 1: 10 at 110, 2 leaves 0, 3 leaves 0"
