"""Busts and corrections: records beside the past, which stays as it was."""

from __future__ import annotations

import pytest

from tapewire import messages as m
from tests.unit.services.matcher.market import BUY, SELL, Market

TRADE = {"instrument": 1, "match_id": 1, "maker_order_id": 1, "taker_order_id": 2, "price": 100, "qty": 10}
TRADE |= {"maker_account": 90, "taker_account": 91, "taker_side": BUY}


def test_a_bust_is_said_and_counts_once(market: Market) -> None:
    market.trade(100)
    assert market.send(m.BustTrade(**TRADE)) == ["busted 1: 10 at 100", "done 0"]
    assert market.send(m.BustTrade(**TRADE)) == ["rejected 0: unknown_trade 1 2"]
    assert market.send(m.CorrectTrade(**TRADE, new_price=95, new_qty=10)) == ["rejected 0: unknown_trade 1 2"]


def test_a_corrected_trade_is_corrected_again_or_busted_as_it_then_stands(market: Market) -> None:
    market.trade(100)
    assert market.send(m.CorrectTrade(**TRADE, new_price=95, new_qty=20)) == [
        "corrected 1: 20 at 95, was 10 at 100",
        "done 0",
    ]
    assert market.send(m.CorrectTrade(**TRADE, new_price=90, new_qty=20)) == ["rejected 0: unknown_trade 1 2"]
    stands = TRADE | {"price": 95, "qty": 20}
    assert market.send(m.CorrectTrade(**stands, new_price=90, new_qty=20)) == [
        "corrected 1: 20 at 90, was 20 at 95",
        "done 0",
    ]
    assert market.send(m.BustTrade(**stands)) == ["rejected 0: unknown_trade 1 2"]
    market.restart()
    assert market.send(m.BustTrade(**stands | {"price": 90})) == ["busted 1: 20 at 90", "done 0"]


def test_the_whole_trade_is_copied_into_the_record(market: Market) -> None:
    market.trade(100)
    command = m.CorrectTrade(
        **TRADE, seq=50, ts=7, ts_event=5, ts_recv=6, origin_seq=8, source=3, new_price=95, new_qty=20
    )
    corrected = m.decode(market.matcher.apply(bytes(command))[0])
    header = {"seq": 51, "cause": 50, "ts": 7, "ts_event": 5, "ts_recv": 6, "origin_seq": 8, "source": 3}
    expected = TRADE | header | {"old_price": 100, "old_qty": 10, "price": 95, "qty": 20}
    assert corrected == m.TradeCorrected(**expected)


def test_neither_changes_orders_nor_what_the_last_trade_was(market: Market) -> None:
    market.order(SELL, 20, 100)
    market.order(BUY, 10, 100)
    before = market.book()
    market.send(m.CorrectTrade(**TRADE, new_price=500, new_qty=10))
    market.send(m.BustTrade(**TRADE | {"price": 500}))
    assert market.book() == before
    assert market.stop(BUY, 10, 100) == ["rejected 3: would_trigger 100 100"]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"match_id": 0}, "unknown_trade 0 2"),
        ({"match_id": 2}, "unknown_trade 2 2"),
        ({"match_id": 2**64 - 1}, "unknown_trade -1 2"),
        ({"qty": 0}, "invalid_field 0 0"),
        ({"price": -5}, "invalid_field -5 0"),
    ],
)
def test_a_trade_that_never_was_is_neither_busted_nor_corrected(
    market: Market, terms: dict[str, int], why: str
) -> None:
    market.trade(100)
    assert market.send(m.BustTrade(**TRADE | terms)) == [f"rejected 0: {why}"]
    assert market.send(m.CorrectTrade(**TRADE | terms, new_price=95, new_qty=10)) == [f"rejected 0: {why}"]


@pytest.mark.parametrize(
    ("new_price", "new_qty", "why"),
    [
        (0, 10, f"invalid_price 0 {2**50}"),
        (2**50 + 1, 10, f"invalid_price {2**50 + 1} {2**50}"),
        (95, 0, f"invalid_qty 0 {2**50}"),
        (95, 2**50 + 1, f"invalid_qty {2**50 + 1} {2**50}"),
    ],
)
def test_a_correction_stays_within_the_bounds(market: Market, new_price: int, new_qty: int, why: str) -> None:
    market.trade(100)
    assert market.send(m.CorrectTrade(**TRADE, new_price=new_price, new_qty=new_qty)) == [f"rejected 0: {why}"]
