"""Every request and what it is answered by, through a real gateway and a real engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tapewire import messages as m
from tests.engine_process import ACCOUNTS, INSTRUMENT
from tests.fix.processes import SESSIONS, Client, Exchange, Fields, order, skip_reason

# Processes of QuickFIX, seconds each, not yet steady where the machine is busy: part of `make test-all`.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")]
OTHERS = """
[[gateway.sessions]]
name = "quotes"
number = 3
kind = "market-data"
comp_id = "QUOTES"
username = "quotes"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
[[gateway.sessions]]
name = "copies"
number = 4
kind = "drop-copy"
comp_id = "COPIES"
username = "copies"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
accounts = [1, 2]
[[gateway.sessions]]
name = "old"
number = 5
version = "FIX.4.2"
comp_id = "OLD"
username = "old"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
accounts = [2]
[[gateway.sessions]]
name = "new"
number = 6
version = "FIXT.1.1"
comp_id = "NEW"
username = "new"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
accounts = [2]
messages = 5
interval = 60.0
"""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    made = Exchange(tmp_path_factory.mktemp("fix"), sessions=SESSIONS + OTHERS, more=INSTRUMENT + ACCOUNTS)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def alice(exchange: Exchange) -> Client:
    return logged_on(exchange, "ALICE")


@pytest.fixture(scope="module")
def bob(exchange: Exchange) -> Client:
    return logged_on(exchange, "BOB")


def logged_on(exchange: Exchange, comp_id: str, version: str = "FIX.4.4", *logon: str) -> Client:
    client = exchange.client(comp_id, version, *logon)
    client.wait_for("logon")
    return client


def only(message: Fields, *tags: int) -> dict[int, str | None]:
    return {tag: message.get(tag) for tag in tags}


def test_mass_cancel_reports_each_order_and_then_their_number(alice: Client) -> None:
    for name, price in (("m1", "10.00"), ("m2", "11.00")):
        alice.send(order(name, "1", price))
        alice.next(t150="0", t11=name)
    alice.send("35=AF|584=s1|585=7|")
    alice.next(t35="8", t150="I", t39="0", t11="m1", t584="s1", t911="2", t912="N")
    alice.next(t35="8", t150="I", t39="0", t11="m2", t584="s1", t911="2", t912="Y")
    alice.send("35=q|11=m3|530=7|60=20261121-12:00:00|")
    alice.next(t35="8", t150="4", t39="4", t11="m1", t378="107", t151="0")
    alice.next(t35="8", t150="4", t39="4", t11="m2", t378="107", t151="0")
    alice.next(t35="r", t11="m3", t530="7", t531="7", t533="2")
    alice.send("35=AF|584=s2|585=7|")
    alice.next(t35="8", t150="I", t39="8", t37="NONE", t584="s2", t911="0", t912="Y")
    alice.send("35=q|11=m4|530=1|55=NONE|60=20261121-12:00:00|")
    alice.next(t35="r", t11="m4", t531="0", t532="1")


def test_status_of_an_order_by_either_name(alice: Client) -> None:
    alice.send(order("h1", "1", "10.00"))
    placed = alice.next(t150="0", t11="h1")
    alice.send("35=H|11=h1|55=ACME|54=1|790=q1|")
    alice.next(t35="8", t150="I", t39="0", t17="0", t37=placed[37], t11="h1", t790="q1", t151="10")
    alice.send(f"35=H|37={placed[37]}|55=ACME|54=1|")
    alice.next(t35="8", t150="I", t11="h1")
    alice.send("35=H|11=never|55=ACME|54=1|")
    alice.next(t35="8", t150="I", t39="8", t103="5", t37="NONE", t11="never")
    alice.send(f"35=F|37={placed[37]}|11=h2|55=ACME|54=1|60=20261121-12:00:00|")
    alice.next(t150="4", t11="h2", t41="h1")


def test_an_order_carries_all_that_it_may_say(alice: Client) -> None:
    alice.send(
        order("t1", "1", "10.00", 100, "18=6|111=20|528=A|7928=N|453=2|448=DESK|447=D|452=24|448=JO|447=D|452=11|")
    )
    report = alice.next(t150="0", t11="t1", t18="6", t111="20", t7928="N", t528="A", t453="2", t448="DESK")
    raw = alice.events[-1][1]
    assert "\x01453=2\x01448=DESK\x01447=D\x01452=24\x01448=JO\x01447=D\x01452=11\x01" in raw
    alice.send(f"35=G|11=t2|37={report[37]}|55=ACME|54=1|60=20261121-12:00:00|38=50|40=2|44=10.00|59=1|")
    alice.next(t150="5", t11="t2", t41="t1", t38="50", t528="A", t453="2")
    alice.send("35=F|41=t2|11=t3|55=ACME|54=1|60=20261121-12:00:00|")
    alice.next(t150="4", t11="t3")
    for name, changes, expected in (
        ("t4", ("40=2", "40=1"), {"t150": "8", "t103": "11"}),  # a market order with a price
        ("t5", ("59=1", "59=6"), {"t35": "j", "t380": "5"}),  # good till date, and no date
        ("t6", ("55=ACME", "55=OTHER"), {"t150": "8", "t103": "1"}),
        ("t7", ("54=1", "1=2|54=1"), {"t150": "8", "t103": "15"}),  # an account of others
        ("t8", ("44=10.00", "44=10.001"), {"t150": "8", "t103": "99"}),
    ):
        alice.send(order(name, "1", "10.00").replace(*changes))
        alice.next(**expected)
    alice.send(order("t9", "1", "10.00", 10, "110=5|").replace("59=1", "59=3"))
    alice.next(t150="8", t11="t9", t110="5")  # nothing would trade


def test_a_cancel_waits_for_the_order_that_it_is_sent_right_behind(alice: Client) -> None:
    alice.send(order("w1", "1", "10.00"))
    alice.send("35=G|11=w2|41=w1|55=ACME|54=1|60=20261121-12:00:00|38=5|40=2|44=10.00|59=1|")
    alice.send("35=F|11=w3|41=w2|55=ACME|54=1|60=20261121-12:00:00|")
    alice.next(t150="0", t11="w1")
    alice.next(t150="5", t11="w2", t41="w1", t38="5")
    alice.next(t150="4", t11="w3", t41="w2", t151="0")


def test_stops_are_triggered_and_the_operator_busts_and_corrects(
    exchange: Exchange, alice: Client, bob: Client
) -> None:
    alice.send("35=D|11=s1|55=ACME|54=1|60=20261121-12:00:00|38=10|40=4|44=60.00|99=55.00|59=1|")
    alice.next(t150="0", t11="s1", t99="55.00", t44="60.00", t40="4")
    bob.send(order("s2", "2", "55.00", 5))
    bob.next(t150="0", t11="s2")
    alice.send(order("s3", "1", "55.00", 5))
    alice.next(t150="0", t11="s3")
    bought = alice.next(t150="F", t11="s3", t31="55.00", t39="2")
    bob.next(t150="F", t11="s2")
    alice.next(t150="L", t11="s1", t39="0", t151="10")
    alice.send("35=F|11=s4|41=s1|55=ACME|54=1|60=20261121-12:00:00|")
    alice.next(t150="4", t11="s4")
    with exchange.engine.operator() as operator:
        trade = {
            "instrument": 1,
            "match_id": int(bought[880]),
            "maker_account": 2,
            "taker_account": 1,
            "taker_side": m.Side.buy,
        }
        maker, taker = exchange.order_ids(int(bought[880]))
        trade |= {"maker_order_id": maker, "taker_order_id": taker, "price": 5500, "qty": 5}
        operator.submit(m.CorrectTrade(**trade, new_price=5400, new_qty=4))
        report = alice.next(t150="G", t11="s3", t19=bought[17], t31="54.00", t32="4", t14="4", t6="54.00", t39="4")
        bob.next(t150="G", t11="s2", t14="4", t6="54.00")
        operator.submit(m.BustTrade(**(trade | {"price": 5400, "qty": 4})))
        busted = alice.next(t150="H", t11="s3", t19=bought[17], t14="0", t6="0", t151="0", t39="4")
        bob.next(t150="H", t11="s2", t14="0")
    assert len({bought[17], report[17], busted[17]}) == 3


def test_reference_data_and_states(alice: Client) -> None:
    alice.send("35=x|320=r1|559=4|")
    alice.next(t35="y", t320="r1", t560="0", t393="1", t893="Y", t55="ACME", t969="0.01", t561="1", t326="17")
    alice.send("35=x|320=r2|559=0|55=NONE|")
    alice.next(t35="y", t320="r2", t560="2", t393="0")
    alice.send("35=e|324=r3|55=ACME|263=0|")
    alice.next(t35="f", t324="r3", t55="ACME", t325="N", t326="17")
    alice.send("35=g|335=r4|263=0|")
    alice.next(t35="h", t335="r4", t336="DAY", t340="2")
    alice.send("35=XLQ|8030=r5|")
    limits = alice.next(t35="XLR", t8030="r5", t8031="2", t8032="1", t8034="10000", t8036="R")
    assert int(limits[8033]) >= 4
    alice.send("35=V|262=v|263=0|264=1|267=1|269=0|146=1|55=ACME|")
    alice.next(t35="Y", t262="v", t281="3")


def test_market_data_is_a_snapshot_and_then_changes(exchange: Exchange, alice: Client, bob: Client) -> None:
    quotes = logged_on(exchange, "QUOTES")
    quotes.send("35=V|262=v0|263=1|264=0|267=2|269=0|269=1|146=1|55=NONE|")
    quotes.next(t35="Y", t262="v0", t281="0")
    quotes.send("35=V|262=v1|263=1|264=0|267=3|269=0|269=1|269=2|146=1|55=ACME|")
    first = quotes.next(t35="W", t262="v1", t55="ACME", t268="0")
    alice.send(order("d1", "1", "30.00", 7))
    alice.next(t150="0", t11="d1")
    change = quotes.next(t35="X", t262="v1", t268="1", t279="0", t269="0", t270="30.00", t271="7", t346="1")
    assert int(change[83]) == int(first[83]) + 1
    bob.send(order("d2", "2", "30.00", 3))
    bob.next(t150="0")
    bob.next(t150="F")
    alice.next(t150="F")
    quotes.next(t35="X", t268="1", t279="0", t269="2", t270="30.00", t271="3", t2446="2")
    quotes.next(t35="X", t268="1", t279="1", t269="0", t270="30.00", t271="4")
    quotes.send("35=V|262=v1|263=2|264=0|267=1|269=0|146=1|55=ACME|")
    quotes.send("35=V|262=v2|263=0|264=1|267=2|269=0|269=1|146=1|55=ACME|")
    quotes.next(t35="W", t262="v2", t268="1", t269="0", t270="30.00", t271="4", t264="1")
    alice.send("35=q|11=d3|530=7|60=20261121-12:00:00|")
    alice.next(t150="4")
    alice.next(t35="r", t533="1")
    quotes.send("35=V|262=v3|263=0|264=0|267=2|269=0|269=1|146=1|55=ACME|")
    quotes.next(t35="W", t262="v3", t268="0")


def test_older_and_newer_versions_say_it_their_way(exchange: Exchange, alice: Client) -> None:
    alice.send(order("o1", "1", "20.00", 5))
    alice.next(t150="0")
    old = logged_on(exchange, "OLD", "FIX.4.2")
    old.send("35=D|11=o1|21=1|55=ACME|54=2|60=20261121-12:00:00|38=5|40=2|44=20.00|59=1|")
    old.next(t35="8", t20="0", t150="0", t39="0")
    filled = old.next(t35="8", t20="0", t150="2", t39="2", t32="5", t31="20.00", t6="20.00")
    assert only(filled, 880, 851, 1057) == {880: None, 851: None, 1057: None}
    alice.next(t150="F")
    old.send("35=H|11=o1|55=ACME|54=2|")
    old.next(t35="8", t20="3", t150="2", t39="2")
    new = logged_on(exchange, "NEW", "FIXT.1.1")
    for at in range(5):
        new.send(order(f"n{at}", "2", "20.00", 5, ""))
        new.next(t35="8", t150="0", t11=f"n{at}")
    new.send(order("n5", "2", "20.00"))
    new.next(t35="j", t372="D", t380="8", t379="n5")
    new.send("35=XLQ|8030=l|")
    new.next(t35="XLR", t8033="6", t8034="5")


def test_a_drop_copy_has_every_report_and_gets_them_again_from_any_exec_id(exchange: Exchange, alice: Client) -> None:
    copies = logged_on(exchange, "COPIES")
    alice.send(order("c1", "1", "15.00"))
    placed = alice.next(t150="0", t11="c1")
    wait_for_copy(copies, placed[17])
    original = [message[17] for message in alice.messages if message[35] == "8" and message[17].startswith("0-")]
    copied = [copy[17] for copy in copies.messages if copy[8017] == "ALICE"]
    assert copied == original
    assert {copy[797] for copy in copies.messages} == {"Y"}
    every = [copy[17] for copy in copies.messages]
    copies.close()

    again = logged_on(exchange, "COPIES", "FIX.4.4", f"8016={every[2]}")
    wait_for_copy(again, placed[17])
    assert [copy[17] for copy in again.messages] == every[3:]
    alice.send("35=F|11=c2|41=c1|55=ACME|54=1|60=20261121-12:00:00|")
    wait_for_copy(again, alice.next(t150="4", t11="c2")[17])
    assert len(again.messages) == len(every) - 2


def wait_for_copy(copies: Client, exec_id: str) -> None:
    while not copies.messages or copies.messages[-1][17] != exec_id:
        assert copies.poll(10.0), "nothing more came"
