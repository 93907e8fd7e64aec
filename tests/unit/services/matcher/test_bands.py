"""Price bands, limit states, pauses; what happens as time goes on."""

from __future__ import annotations

import pytest

from tapewire import messages as m
from tests.unit.services.matcher.market import BUY, SELL, Market, Status, Tif

MS = 1_000_000


def banded(market: Market, **terms: object) -> None:
    """200 to 300: 20 % around 250."""
    market.define(**{"reference_price": 250, "static_band_bps": 2000} | terms)


def test_a_limit_order_beyond_the_band_is_rejected_with_the_edge(market: Market) -> None:
    banded(market)
    assert market.order(BUY, 10, 305) == ["rejected 1: price_band 305 300"]
    assert market.order(SELL, 10, 195) == ["rejected 2: price_band 195 200"]
    assert market.order(SELL, 10, 305) == ["accepted 3: sell 10 at 305"]
    assert market.order(BUY, 10, 195, time_in_force=Tif.ioc)[0] == "accepted 4: buy 10 at 195"
    assert market.stop_limit(BUY, 10, 290, 400) == ["accepted 5: buy 10 at 400, waits for 290"]
    assert market.order(BUY, 10, 400, time_in_force=Tif.at_close) == ["accepted 6: buy 10 at 400, waits for the close"]


@pytest.mark.parametrize(
    ("reference", "bps", "band"),
    [(250, 2000, (200, 300)), (252, 100, (250, 250)), (252, 10, (250, 250)), (7, 10_000, (5, 10)), (3, 1, (5, 5))],
)
def test_the_edges_are_on_a_tick_within_the_width_and_at_least_one_tick(
    market: Market, reference: int, bps: int, band: tuple[int, int]
) -> None:
    market.define(min_price=0, reference_price=reference, static_band_bps=bps)
    lower, upper = band
    assert market.order(BUY, 10, upper + 5) == [f"rejected 1: price_band {upper + 5} {upper}"]
    assert market.order(SELL, 10, upper + 5)[0] == f"accepted 2: sell 10 at {upper + 5}"
    if lower > 5:
        assert market.order(SELL, 10, lower - 5) == [f"rejected 3: price_band {lower - 5} {lower}"]


def test_no_band_without_a_reference(market: Market) -> None:
    market.define(static_band_bps=100, dynamic_band_bps=100)
    assert market.order(BUY, 10, 10_000) == ["accepted 1: buy 10 at 10000"]


def test_a_market_order_goes_no_further_than_the_band(market: Market) -> None:
    banded(market)
    market.order(SELL, 10, 295)
    market.order(SELL, 10, 305)
    assert market.market_order(BUY, 30, 400, min_qty=20) == ["rejected 3: would_not_fill 20 10"]
    assert market.market_order(BUY, 30) == [
        "accepted 4: buy 30 at 0",
        "match 1: 10 at 295, 1 leaves 0, 4 leaves 20",
        "cancelled 4: 20 of it, 10 done, market_remainder",
    ]
    assert market.market_order(BUY, 30, 200)[1:] == ["cancelled 5: 30 of it, 0 done, market_remainder"]


def test_the_dynamic_band_stands_around_the_last_trade_before_the_command(market: Market) -> None:
    market.define(dynamic_band_bps=1000)
    market.order(SELL, 10, 200)
    market.order(SELL, 10, 220)
    market.order(SELL, 10, 240)
    market.order(BUY, 10, 200)
    assert market.market_order(BUY, 30)[1:] == [
        "match 2: 10 at 220, 2 leaves 0, 5 leaves 20",
        "cancelled 5: 20 of it, 10 done, market_remainder",
    ]
    assert market.market_order(BUY, 30)[1] == "match 3: 10 at 240, 3 leaves 0, 6 leaves 20"


def test_the_narrower_edge_counts_and_bands_that_do_not_meet_leave_one_price(market: Market) -> None:
    banded(market, dynamic_band_bps=400)
    market.trade(250)
    assert market.order(BUY, 10, 265) == ["rejected 3: price_band 265 260"]
    assert market.order(SELL, 10, 235) == ["rejected 4: price_band 235 240"]
    market.define(reference_price=400, static_band_bps=500, dynamic_band_bps=400)
    assert market.order(BUY, 10, 265) == ["rejected 5: price_band 265 260"]
    assert market.order(SELL, 10, 255) == ["rejected 6: price_band 255 260"]


def test_a_band_that_moves_by_command_cancels_what_is_beyond_it(market: Market) -> None:
    market.order(BUY, 10, 310)
    market.order(SELL, 10, 400)
    market.order(BUY, 10, 305)
    market.order(BUY, 10, 290)
    assert market.define(reference_price=250, static_band_bps=2000) == [
        "cancelled 1: 10 of it, 0 done, price_band",
        "cancelled 3: 10 of it, 0 done, price_band",
        "done 0",
    ]
    assert market.define(reference_price=500, static_band_bps=1000) == [
        "cancelled 2: 10 of it, 0 done, price_band",
        "done 0",
    ]


def test_a_band_that_is_set_while_orders_are_collected_is_enforced_when_trading_begins(market: Market) -> None:
    market.define(reference_price=250, static_band_bps=1000)
    market.set_status(Status.opening_auction)
    assert market.order(BUY, 10, 300) == ["accepted 1: buy 10 at 300"]
    market.order(SELL, 10, 400)
    assert market.define(reference_price=200, static_band_bps=1000) == ["done 0"]
    assert market.set_status(Status.trading) == [
        "opening_auction -> trading, unspecified",
        "cancelled 1: 10 of it, 0 done, price_band",
        "done 1",
    ]


def test_after_an_auction_the_band_stands_around_its_price(market: Market) -> None:
    market.define(reference_price=250, static_band_bps=1000)
    market.set_status(Status.opening_auction)
    market.order(BUY, 10, 300)
    market.order(SELL, 10, 300)
    market.order(SELL, 10, 400)
    market.order(BUY, 10, 250)
    assert market.set_status(Status.trading)[1] == "opening_auction -> trading, unspecified, auction 10 at 300"
    assert market.order(BUY, 10, 335) == ["rejected 5: price_band 335 330"]
    assert market.order(SELL, 10, 265) == ["rejected 6: price_band 265 270"]


def test_the_reference_of_a_redefinition_counts_until_the_next_auction_and_none_keeps_the_old_one(
    market: Market,
) -> None:
    banded(market)
    market.define(static_band_bps=1000)
    assert market.order(BUY, 10, 280) == ["rejected 1: price_band 280 275"]
    market.define(static_band_bps=1000, reference_price=500)
    assert market.order(BUY, 10, 555) == ["rejected 2: price_band 555 550"]


def test_a_replace_beyond_the_band_is_refused_unless_the_order_waits(market: Market) -> None:
    banded(market)
    market.order(BUY, 10, 290)
    market.stop_limit(BUY, 10, 295, 300)
    assert market.replace(1, 10, 305) == ["refused 1: price_band 305 300"]
    assert market.replace(2, 10, 305) == ["replaced 2: 10 of 10 at 305, keeps its place"]


def test_a_triggered_stop_limit_beyond_the_band_trades_to_the_edge_and_is_cancelled(market: Market) -> None:
    banded(market)
    market.stop_limit(BUY, 50, 280, 320)
    market.order(SELL, 10, 280)
    market.order(SELL, 10, 300)
    market.order(SELL, 10, 310)
    assert market.order(BUY, 10, 280)[2:] == [
        "triggered 1: 50 at 320, stop 280, last 280",
        "match 2: 10 at 300, 3 leaves 0, 1 leaves 40",
        "cancelled 1: 40 of it, 10 done, price_band",
    ]


def test_the_limit_state_follows_the_best_bid_and_the_best_ask(market: Market) -> None:
    banded(market)
    assert market.order(BUY, 10, 300) == ["accepted 1: buy 10 at 300", "limit_up, band 200 to 300"]
    assert market.order(BUY, 10, 300) == ["accepted 2: buy 10 at 300"]
    assert market.order(SELL, 20, 300)[-1] == "normal, band 200 to 300"
    assert market.order(SELL, 10, 200, hidden=True) == [
        "accepted 4: sell 10 at 200, hidden",
        "limit_down, band 200 to 300",
    ]
    assert market.cancel(4)[1:] == ["normal, band 200 to 300"]
    market.order(BUY, 10, 300)
    assert market.define() == ["normal, band 0 to 0", "done 0"]


def test_a_limit_state_that_lasts_becomes_a_pause_and_the_pause_ends(market: Market) -> None:
    banded(market, limit_state_ms=15_000, pause_ms=300_000)
    market.order(BUY, 10, 300)
    due = 1000 + 15_000 * MS
    assert market.matcher.next_due() == due
    assert market.advance(due - 1) == ["done 0"]
    resume = due + 300_000 * MS
    assert market.advance(due) == [f"trading -> halt_auction, price_band, until {resume}", "done 1"]
    assert market.order(SELL, 10, 250) == ["accepted 2: sell 10 at 250", "indicated 10 at 250"]
    assert market.matcher.next_due() == resume
    assert market.advance(resume + 5) == [
        "auction 1: 10 at 250, 1 leaves 0, 2 leaves 0",
        "halt_auction -> trading, price_band, auction 10 at 250",
        "done 1",
    ]
    assert market.matcher.next_due() == 0


def test_a_pause_without_an_end_lasts_until_it_is_commanded(market: Market) -> None:
    banded(market, limit_state_ms=1)
    market.order(SELL, 10, 200)
    assert market.advance(1000 + MS) == ["trading -> halt_auction, price_band", "done 1"]
    assert market.matcher.next_due() == 0


def test_a_limit_state_that_ends_and_begins_again_counts_anew(market: Market) -> None:
    banded(market, limit_state_ms=1)
    market.order(BUY, 10, 300)
    market.time = 5000
    market.cancel(1)
    assert market.matcher.next_due() == 0
    market.order(BUY, 10, 300)
    assert market.matcher.next_due() == 5000 + MS


def test_a_limit_state_without_a_limit_lasts_for_ever(market: Market) -> None:
    banded(market)
    market.order(BUY, 10, 300)
    assert market.matcher.next_due() == 0


def test_a_halt_resumes_by_itself_at_its_time(market: Market) -> None:
    market.set_status(Status.halted, resume_time=2000, reason=m.StatusReason.news)
    assert market.advance(1999) == ["done 0"]
    assert market.advance(2000) == ["halted -> trading, schedule", "done 1"]


def test_orders_good_till_a_date_expire_when_the_clock_has_passed_it(market: Market) -> None:
    gtd = {"time_in_force": Tif.gtd}
    market.define(instrument=2)
    market.order(BUY, 10, 100, expire_time=3000, instrument=2, **gtd)
    market.order(BUY, 10, 100, expire_time=2000, **gtd)
    market.order(BUY, 10, 100, expire_time=3001, **gtd)
    market.stop(BUY, 10, 105, expire_time=3000, **gtd)
    assert market.matcher.next_due() == 2000
    assert market.advance(3000) == [
        "cancelled 2: 10 of it, 0 done, expired",
        "cancelled 4: 10 of it, 0 done, expired",
        "cancelled 1: 10 of it, 0 done, expired",
        "done 0",
    ]
    assert market.matcher.next_due() == 3001


def test_an_expiry_may_end_a_limit_state_before_it_becomes_a_pause(market: Market) -> None:
    banded(market, limit_state_ms=1)
    market.order(BUY, 10, 300, time_in_force=Tif.gtd, expire_time=2000)
    assert market.advance(1000 + MS) == ["cancelled 1: 10 of it, 0 done, expired", "normal, band 200 to 300", "done 0"]


@pytest.mark.parametrize("expire", [0, 999, 1000, -1])
def test_an_expiry_that_is_past_is_rejected(market: Market, expire: int) -> None:
    terms = {"time_in_force": Tif.gtd, "expire_time": expire}
    assert market.order(BUY, 10, 100, **terms) == [f"rejected 1: invalid_field {expire} 0"]


def test_no_expiry_lies_before_the_epoch_whatever_the_time(market: Market) -> None:
    market.time = -5
    terms = {"time_in_force": Tif.gtd}
    assert market.order(BUY, 10, 100, expire_time=0, **terms) == ["rejected 1: invalid_field 0 0"]
    assert market.order(BUY, 10, 100, expire_time=-1, **terms) == ["rejected 2: invalid_field -1 0"]
    assert market.order(BUY, 10, 100, expire_time=1, **terms) == ["accepted 3: buy 10 at 100"]


def test_only_orders_good_till_a_date_have_one(market: Market) -> None:
    assert market.order(BUY, 10, 100, expire_time=5000) == ["rejected 1: invalid_field 5000 0"]


def test_the_clock_goes_forward_only(market: Market) -> None:
    assert market.advance(0) == ["rejected 0: invalid_field 0 0"]
    assert market.advance(-1) == ["rejected 0: invalid_field -1 0"]
    assert market.advance(3000) == ["done 0"]
    assert market.advance(3000) == ["done 0"]
    assert market.advance(2999) == ["rejected 0: invalid_field 2999 3000"]
    market.restart()
    assert market.advance(2999) == ["rejected 0: invalid_field 2999 3000"]


def test_timers_beyond_all_time_are_due_at_its_end(market: Market) -> None:
    banded(market, limit_state_ms=2**32 - 1)
    market.time = 2**63 - 10
    market.order(BUY, 10, 300)
    assert market.matcher.next_due() == 2**63 - 1
