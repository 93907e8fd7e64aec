"""The order client, over a real engine that is stepped by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.tape import TapeReader
from tests.unit.services.engine.conftest import Market


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    market.send(market.account(), market.instrument())
    yield market
    market.kill()


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
