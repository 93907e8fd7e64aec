"""The order client, over a real engine that is stepped by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.tape import TapeReader
from tests.unit.services.engine.conftest import NOW, Market


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    market.send(market.account(), market.instrument())
    yield market
    market.kill()


@pytest.fixture
def client(market: Market) -> Iterator[OrderClient]:
    reader = TapeReader(market.tape, market.engine.next_seq, "released")
    client = OrderClient(market.producer, 1, reader)
    yield client
    client.close()


def answered(market: Market, client: OrderClient, cl_ord_id: int) -> list[m.Message]:
    """What answers(cl_ord_id) yields once the engine has worked."""
    while market.engine.do_work():
        pass
    return list(client.answers(cl_ord_id, timeout_s=30.0))


PLAIN: dict[str, Any] = {"instrument": 1, "side": m.Side.buy, "qty": 8, "account": 1}
TERMS: list[dict[str, Any]] = [
    {"price": 100, "display_qty": 2},
    {"price": 100, "time_in_force": m.TimeInForce.ioc, "min_qty": 3},
    {"price": 100, "time_in_force": m.TimeInForce.gtd, "expire_time": NOW + 10**9},
    {"price": 100, "hidden": True, "session": 7},
    {"price": 100, "post_only": True, "slide": True, "client_text": "ABC-1"},
    {"ord_type": m.OrdType.stop_limit, "price": 100, "stop_px": 99},
    {"price": 100, "self_trade": m.SelfTrade.cancel_both},
]


@pytest.mark.parametrize("terms", TERMS, ids=lambda terms: "-".join(terms))
def test_every_term_of_an_order_reaches_the_tape(market: Market, client: OrderClient, terms: dict[str, Any]) -> None:
    sent = client.new_order(**PLAIN, **terms)
    (event, *_) = answered(market, client, sent)
    assert type(event).__name__ in ("OrderAccepted", "OrderRejected")
    (command,) = [record for record in market.records() if isinstance(record, m.NewOrder)]
    asked = {"ord_type": m.OrdType.limit, "time_in_force": m.TimeInForce.gtc, "self_trade": m.SelfTrade.allow}
    expected = {**asked, **PLAIN, **terms}
    assert {name: getattr(command, name) for name in expected} == expected


def test_a_term_there_is_not_is_refused_by_name(client: OrderClient) -> None:
    with pytest.raises(TypeError, match="displayed_qty"):
        client.new_order(**PLAIN, price=100, displayed_qty=2)  # type: ignore[call-arg]


def test_a_stop_is_replaced_by_its_stop_price(market: Market, client: OrderClient) -> None:
    stop: dict[str, Any] = {"ord_type": m.OrdType.stop, "stop_px": 120}
    (accepted,) = answered(market, client, client.new_order(**PLAIN, **stop))
    assert isinstance(accepted, m.OrderAccepted)
    asked = client.replace(accepted.order_id, 1, price=0, qty=8, stop_px=130)
    assert [type(event).__name__ for event in answered(market, client, asked)] == ["OrderReplaced"]
    (command,) = [record for record in market.records() if isinstance(record, m.ReplaceOrder)]
    assert command.stop_px == 130


def test_a_mass_cancel_is_answered_when_all_its_orders_are(market: Market, client: OrderClient) -> None:
    for session in (1, 2, 2):
        last = client.new_order(**PLAIN, price=100, session=session)
    answered(market, client, last)
    of_session = answered(market, client, client.mass_cancel(1, session=2))
    assert [type(event).__name__ for event in of_session] == ["OrderCancelled", "OrderCancelled", "CommandCompleted"]
    assert isinstance(of_session[-1], m.CommandCompleted)
    assert of_session[-1].count == 2
    rest = answered(market, client, client.mass_cancel(1, side=m.Side.buy, reason=m.CancelReason.disconnected))
    assert isinstance(rest[0], m.OrderCancelled)
    assert rest[0].reason == m.CancelReason.disconnected
    refused = answered(market, client, client.mass_cancel(9))
    assert [type(event).__name__ for event in refused] == ["CancelRejected"]


def test_after_the_clock_was_set_back_one_order_is_refused_and_the_next_is_taken(market: Market) -> None:
    future = time.time_ns() + 10**15
    market.send(market.order(1, 100, 5, cl_ord_id=future))
    reader = TapeReader(market.tape, market.engine.next_seq, "released")
    client = OrderClient(market.producer, 1, reader)
    found = list[m.Message]()
    for _ in range(2):
        client.new_order(instrument=1, side=m.Side.buy, qty=5, price=100, account=1)
        while market.engine.do_work():
            pass
        found += client.poll()
    assert [type(event).__name__ for event in found] == ["OrderRejected", "OrderAccepted"]
    assert isinstance(found[1], m.OrderAccepted)
    assert found[1].cl_ord_id == future + 1
    client.close()
