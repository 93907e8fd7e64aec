"""Real clients trade through a real gateway and a real engine, over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.client import OrderClient
from tests.fix.processes import Exchange, order, skip_reason

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_two_clients_trade_and_each_is_told_its_side(exchange: Exchange) -> None:
    alice, bob = exchange.client("ALICE"), exchange.client("BOB")
    alice.wait_for("logon")
    bob.wait_for("logon")
    alice.send(order("a1", "1", "100.00"))
    accepted = alice.next(t35="8", t150="0", t39="0", t11="a1", t38="10", t151="10", t14="0", t6="0", t44="100.00")
    bob.send(order("b1", "2", "99.50", 4))
    bob.next(t35="8", t150="0", t11="b1")
    sold = bob.next(t150="F", t39="2", t32="4", t31="100.00", t151="0", t14="4", t6="100.00", t851="2", t1057="Y")
    bought = alice.next(t150="F", t39="1", t32="4", t31="100.00", t151="6", t14="4", t6="100.00", t851="1", t1057="N")
    assert bought[37] == accepted[37] != sold[37]
    assert bought[880] == sold[880]
    assert bought[17].removesuffix("-m") == sold[17].removesuffix("-t")

    alice.send("35=G|11=a2|41=a1|55=ACME|54=1|60=20261121-12:00:00|38=8|40=2|44=100.00|59=1|")
    alice.next(t35="8", t150="5", t39="1", t11="a2", t41="a1", t38="8", t151="4", t14="4")
    alice.send("35=F|11=a3|41=a2|55=ACME|54=1|60=20261121-12:00:00|")
    alice.next(t35="8", t150="4", t39="4", t11="a3", t41="a2", t151="0", t14="4")
    alice.send("35=F|11=a4|41=a2|55=ACME|54=1|60=20261121-12:00:00|")
    alice.next(t35="9", t11="a4", t41="a2", t39="4", t434="1", t102="0")
    bob.send(order("b2", "2", "99.505"))
    bob.next(t35="8", t150="8", t39="8", t11="b2", t103="99")
    bob.send(order("b1", "2", "99.50"))
    bob.next(t35="8", t150="8", t11="b1", t103="6")


def test_a_session_hears_nothing_of_another_producers_orders_that_name_the_same_number(exchange: Exchange) -> None:
    alice = exchange.client("ALICE")
    alice.wait_for("logon")
    with OrderClient.open(exchange.engine.folders.data, producer="traders") as trader:
        accepted = trader.new_order(instrument=1, side=m.Side.buy, price=9900, qty=10, account=1, session=1)
        assert [type(one).__name__ for one in trader.answers(accepted)] == ["OrderAccepted"]
    alice.send(order("a1", "1", "99.00"))
    alice.next(t35="8", t150="0", t11="a1")
