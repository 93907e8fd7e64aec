"""What risk writes into orders and makes of stops, groups and amended trades, on the whole stack."""

from __future__ import annotations

import pytest

from services.engine import Audit
from services.risk import Risk
from tapewire import messages as m
from tests.sections import sections
from tests.unit.services.engine.conftest import Market

R, OrdType = m.RejectReason, m.OrdType


def last(records: list[m.Message]) -> m.Message:
    return records[-1]


def positions(market: Market, account: int) -> tuple[int, int, int]:
    """As a fold of the tape has them."""
    risk = Risk()
    for record in market.records():
        risk.fold(bytes(record))
    return risk.exposure(account, 1)


@pytest.mark.parametrize(
    ("limits", "asked", "group", "does"),
    [
        ({}, 0, 1, m.SelfTrade.allow),
        ({"self_trade_group": 9}, 0, 2**20 + 9, m.SelfTrade.allow),
        ({"self_trade": m.SelfTrade.cancel_both}, 0, 1, m.SelfTrade.cancel_both),
        ({"self_trade": m.SelfTrade.cancel_both}, m.SelfTrade.allow, 1, m.SelfTrade.allow),
    ],
)
def test_an_order_carries_its_accounts_group_and_choice(
    market: Market, limits: dict[str, int], asked: int, group: int, does: m.SelfTrade
) -> None:
    market.send(market.account(**limits))
    command, _ = market.send(market.order(1, 100, 5, self_trade=asked, self_trade_group=77))
    assert isinstance(command, m.NewOrder)
    assert (command.self_trade_group, command.self_trade) == (group, does)


def test_accounts_of_one_group_do_not_trade_with_each_other(market: Market) -> None:
    for account in (1, 2):
        market.send(market.account(account, self_trade_group=5, self_trade=m.SelfTrade.decrement_and_cancel))
    market.send(market.order(1, 100, 5))
    records = market.send(market.order(2, 100, 8, account=2))
    assert [type(r).__name__ for r in records] == ["NewOrder", "OrderAccepted", "OrderCancelled", "OrderRestated"]
    assert (positions(market, 1), positions(market, 2)) == ((0, 0, 0), (0, 0, 3))


@pytest.mark.parametrize(
    ("limits", "reason", "numbers"),
    [
        ({"self_trade_group": 2**20}, R.capacity, (2**20, 2**20 - 1)),
        ({"self_trade": 6}, R.invalid_field, (6, 0)),
    ],
)
def test_a_group_or_choice_there_is_not_is_refused(
    market: Market, limits: dict[str, int], reason: m.RejectReason, numbers: tuple[int, int]
) -> None:
    answer = last(market.send(market.account(**limits)))
    assert isinstance(answer, m.OrderRejected)
    assert (answer.reason, (answer.value, answer.limit)) == (reason, numbers)


def test_a_stop_is_protected_by_the_collar_around_its_stop_price(market: Market) -> None:
    market.send(market.instrument(status=0, reference_price=100, collar_bps=500))
    command, accepted = market.send(market.order(1, 0, 5, ord_type=OrdType.stop, stop_px=200))
    assert isinstance(command, m.NewOrder)
    assert isinstance(accepted, m.OrderAccepted)
    assert (command.price, accepted.price, accepted.stop_px, accepted.waiting) == (210, 210, 200, True)
    # 0 keeps the stop price, also one that was replaced.
    for cl_ord_id, (asked, price) in enumerate(((0, 210), (300, 315), (0, 315)), start=100):
        replace = m.ReplaceOrder(account=1, order_id=1, cl_ord_id=cl_ord_id, qty=5, stop_px=asked)
        command, replaced = market.send(replace)
        assert isinstance(command, m.ReplaceOrder)
        assert isinstance(replaced, m.OrderReplaced)
        assert (command.price, replaced.price) == (price, price)
    market.reopen()
    assert market.engine.recovery.redecided == 0


def test_a_stop_limit_is_held_to_the_collar_where_it_acts(market: Market) -> None:
    market.send(market.instrument(status=0, reference_price=100, collar_bps=500))
    far = market.order(1, 211, 5, ord_type=OrdType.stop_limit, stop_px=200)
    answer = last(market.send(far))
    assert isinstance(answer, m.OrderRejected)
    assert (answer.reason, answer.value, answer.limit) == (R.price_collar, 211, 210)
    near = market.order(1, 210, 5, ord_type=OrdType.stop_limit, stop_px=200)
    assert isinstance(last(market.send(near)), m.OrderAccepted)


def test_a_stops_price_is_the_engines_to_say(market: Market) -> None:
    answer = last(market.send(market.order(1, 205, 5, ord_type=OrdType.stop, stop_px=200)))
    assert isinstance(answer, m.OrderRejected)
    assert (answer.reason, answer.value) == (R.invalid_price, 205)


def test_orders_that_wait_count_as_open(market: Market) -> None:
    market.send(market.account(max_position=8), market.order(1, 0, 5, ord_type=OrdType.stop, stop_px=200))
    answer = last(market.send(market.order(1, 100, 5)))
    assert isinstance(answer, m.OrderRejected)
    assert (answer.reason, answer.value, answer.limit) == (R.max_position, 10, 8)


def traded(market: Market) -> dict[str, int]:
    """Account 1 buys 5 at 100 from account 2, which had offered them."""
    market.send(market.order(2, 100, 5, account=2), market.order(1, 100, 5))
    parties = {"maker_account": 2, "taker_account": 1, "taker_side": 1}
    return {"instrument": 1, "match_id": 1, "price": 100, "qty": 5, **parties}


def test_a_corrected_and_a_busted_trade_move_both_positions(market: Market) -> None:
    trade = traded(market)
    assert (positions(market, 1)[0], positions(market, 2)[0]) == (5, -5)
    market.send(m.CorrectTrade(**trade, new_price=101, new_qty=3))
    assert (positions(market, 1)[0], positions(market, 2)[0]) == (3, -3)
    market.send(m.BustTrade(**trade | {"price": 101, "qty": 3}))
    assert (positions(market, 1)[0], positions(market, 2)[0]) == (0, 0)
    assert Audit(market.tape).run() == market.engine.next_seq - 1


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"match_id": 2}, R.unknown_trade),
        ({"instrument": 0}, R.unknown_instrument),
        ({"maker_account": 9}, R.unknown_account),
        ({"taker_side": 0}, R.invalid_field),
        ({"qty": 2**50 + 1}, R.invalid_qty),
        ({"qty": -(2**63)}, R.invalid_qty),
        ({"price": 0}, R.invalid_field),
    ],
)
def test_a_bust_that_cannot_be_is_refused(market: Market, wrong: dict[str, int], reason: m.RejectReason) -> None:
    trade = traded(market)
    answer = last(market.send(m.BustTrade(**trade | wrong)))
    assert isinstance(answer, m.OrderRejected)
    assert answer.reason == reason
    assert positions(market, 1)[0] == 5


def test_no_amendment_moves_a_position_beyond_the_platforms_bound() -> None:
    risk = Risk()
    for account in (1, 2):
        risk.fold(bytes(m.AccountLimits(account=account)))
    trade = {"instrument": 1, "maker_account": 2, "taker_account": 1, "taker_side": 2, "qty": 2**50}
    busted = bytes(m.TradeBusted(**trade))
    for _ in range(1024):
        assert risk.check(bytes(m.BustTrade(**trade)))[0] == R.unspecified
        risk.fold(busted)
    assert risk.check(bytes(m.BustTrade(**trade)))[:3] == (R.max_position, 2**60 + 2**50, 2**60)
    assert risk.exposure(1, 1)[0] == 2**60


def test_a_definition_the_matcher_refuses_says_so_itself_and_changes_nothing(market: Market) -> None:
    market.send(market.order(1, 100, 5))
    before = sections(market.engine.snapshot().state)._replace(sequencer=b"")
    for terms, reason in (({"tick_size": 5}, R.instrument_exists), ({"status": 2}, R.invalid_field)):
        command, answer = market.send(market.instrument(**{"status": 0, **terms}))
        assert isinstance(command, m.InstrumentDefinition)
        assert isinstance(answer, m.OrderRejected)
        assert (command.decision, answer.reason) == (reason, reason)
    assert sections(market.engine.snapshot().state)._replace(sequencer=b"") == before
    market.send(m.CancelOrder(account=1, order_id=1, cl_ord_id=50))
    assert isinstance(last(market.send(market.instrument(status=0, tick_size=5))), m.CommandCompleted)
    answer = last(market.send(market.order(1, 101, 5, cl_ord_id=60)))
    assert isinstance(answer, m.OrderRejected)
    assert answer.reason == R.off_tick


def test_a_delisted_instrument_is_unknown_to_risk_and_matcher_alike(market: Market) -> None:
    market.send(market.order(1, 100, 5))
    delist = m.SetInstrumentStatus(instrument=1, status=m.InstrumentStatus.delisted)
    records = market.send(delist)
    assert [type(r).__name__ for r in records[1:]] == ["OrderCancelled", "InstrumentStatusChanged", "CommandCompleted"]
    answer = last(market.send(market.order(1, 100, 5)))
    assert isinstance(answer, m.OrderRejected)
    assert (answer.reason, answer.order_id) == (R.unknown_instrument, 0)
    assert isinstance(last(market.send(market.instrument(tick_size=5))), m.CommandCompleted)
