"""A FIX gateway that is first started where the orders tape's beginning was removed."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire import snapshots
from tapewire.tape import inspect, retention
from tests.engine_process import ACCOUNTS, INSTRUMENT, PATIENCE_S
from tests.fix.processes import SESSIONS, Client, Exchange, Fields, skip_reason
from tests.fix.processes import order as fix_order

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")
COPIES = """
[[gateway.sessions]]
name = "copies"
number = 3
kind = "drop-copy"
comp_id = "COPIES"
username = "copies"
auth = "ed25519"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
accounts = [1]
"""
SEGMENT = 1 << 16


def prune(exchange: Exchange) -> int:
    """Removes what nobody needs of the orders tape; returns the first record that is left."""
    tape = exchange.engine.tape
    retention.carry_out(retention.plan(tape, retention.Policy(max_bytes=1), time.time_ns()))
    return inspect.segments(tape)[0].first_seq


@pytest.fixture
def pruned(tmp_path: Path) -> Iterator[tuple[Exchange, int]]:
    """A market that has run by another door, and where its tape begins now."""
    exchange = Exchange(tmp_path, sessions=SESSIONS + COPIES, more=INSTRUMENT + ACCOUNTS, segment_bytes=SEGMENT)
    try:
        exchange.engine.start()
        traded(exchange)
        first = prune(exchange)
        assert first > 100
        yield exchange, first
    finally:
        exchange.close()


def traded(exchange: Exchange) -> None:
    """Account 1 has a bid that has filled in part and two that have not; the rest of the day is gone with the tape."""
    with exchange.engine.client() as client:
        first = [
            (m.Side.buy, 90_00, 10, 1),
            (m.Side.sell, 90_00, 4, 2),
            (m.Side.buy, 80_00, 5, 1),
            (m.Side.buy, 70_00, 6, 1),
        ]
        rest = [(m.Side.buy, 95_00, 1, 1), (m.Side.sell, 95_00, 1, 2)] * 300
        for side, price, qty, account in first + rest:
            number = client.new_order(instrument=1, side=side, qty=qty, price=price, account=account)
            deadline = time.monotonic() + PATIENCE_S
            while not any(isinstance(e, m.OrderAccepted) and e.cl_ord_id == number for e in client.poll()):
                assert time.monotonic() < deadline
    exchange.engine.end(signal.SIGTERM)  # which takes a snapshot
    exchange.engine.start()


def logged_on(exchange: Exchange, comp_id: str, *logon: str) -> Client:
    client = exchange.client(comp_id, "FIX.4.4", *logon)
    client.wait_for("logon")
    return client


def asked(client: Client, name: str, count: int) -> dict[str, Fields]:
    """All live orders of the session's accounts, by OrderID."""
    client.send(f"35=AF|584={name}|585=7|")
    found = [client.next(t35="8", t150="I", t584=name, t911=str(count)) for _ in range(count)]
    assert [one[912] for one in found] == ["N"] * (count - 1) + ["Y"]
    return {one[37]: one for one in found}


def stands(one: Fields) -> tuple[str | None, ...]:
    return tuple(one.get(tag) for tag in (11, 1, 54, 44, 38, 151, 14, 39, 6))


def test_it_knows_what_stands_trades_on_and_is_itself_again_after_a_kill(
    pruned: tuple[Exchange, int],
) -> None:
    exchange, first = pruned
    exchange.start_gateway()
    assert exchange.says("begun_from_the_engines_snapshot")
    alice, copies = logged_on(exchange, "ALICE"), logged_on(exchange, "COPIES")
    # Of orders that came by another door all is told that stands, and nothing that is not known.
    live = asked(alice, "m1", 3)
    assert {number: stands(one) for number, one in live.items()} == {
        "0-1": (None, "1", "1", "90.00", "10", "6", "4", "1", None),
        "0-3": (None, "1", "1", "80.00", "5", "5", "0", "0", "0"),
        "0-4": (None, "1", "1", "70.00", "6", "6", "0", "0", "0"),
    }
    alice.send("35=H|37=0-3|55=ACME|54=1|")
    assert stands(alice.next(t35="8", t150="I", t37="0-3")) == stands(live["0-3"])
    alice.send("35=H|37=0-7|55=ACME|54=1|")
    assert "of those entered before record" in alice.next(t35="8", t39="8", t103="5")[58]
    # One is cancelled by its number; another's ClOrdID is not known, which is said.
    alice.send("35=F|11=c1|37=0-3|55=ACME|54=1|60=20261121-12:00:00|")
    gone = alice.next(t35="8", t150="4", t37="0-3", t11="c1", t151="0")
    assert 41 not in gone
    alice.send("35=F|11=c2|41=nobody|55=ACME|54=1|60=20261121-12:00:00|")
    assert "by OrderID (37)" in alice.next(t35="9", t11="c2", t41="nobody", t102="1")[58]
    # One is replaced, and has a name from then on.
    alice.send("35=G|11=r1|37=0-4|55=ACME|54=1|60=20261121-12:00:00|38=7|40=2|44=70.00|")
    alice.next(t35="8", t150="5", t37="0-4", t11="r1", t38="7")
    alice.send("35=F|11=r2|41=r1|55=ACME|54=1|60=20261121-12:00:00|")
    alice.next(t35="8", t150="4", t37="0-4", t11="r2", t41="r1")
    # What comes is known whole, ClOrdIDs and all; the half-known one trades on without a price of what was.
    bob = logged_on(exchange, "BOB")
    bob.send(fix_order("b1", "2", "90.00", 2, "453=1|448=DESK|447=D|452=24|"))
    bob.next(t35="8", t150="0", t11="b1")
    bob.next(t35="8", t150="F", t11="b1", t6="90.00", t14="2")
    copied: list[Fields] = []
    while not copied or copied[-1][150] != "F":
        copied.append(copies.next(t797="Y", t1="1"))
    assert [(one[37], one[150], one.get(11)) for one in copied] == [
        ("0-3", "4", "c1"),
        ("0-4", "5", "r1"),
        ("0-4", "4", "r2"),
        ("0-1", "F", None),
    ]
    assert (copied[-1][31], copied[-1][32], copied[-1][14], copied[-1].get(6)) == ("90.00", "2", "6", None)
    before = asked(alice, "m2", 1)

    # Killed, and started again: from its own snapshot, not from the engine's. Who was away asks for what it missed.
    copies.close()
    bob.send(fix_order("b2", "2", "90.00", 1))
    bob.next(t35="8", t150="0", t11="b2")
    bob.next(t35="8", t150="F", t11="b2")
    shutil.rmtree(snapshots.folder(exchange.engine.tape))
    exchange.end_gateway()
    exchange.start_gateway()
    assert exchange.log.read_text().count('"begun_from_the_engines_snapshot"') == 1
    back = logged_on(exchange, "COPIES")
    missed = back.next(t35="8", t150="F", t37="0-1", t43="Y", t14="7", t151="3", t32="1")
    assert 6 not in missed
    assert 11 not in missed
    alice.wait_for("logon", 2)
    (again,) = asked(alice, "m3", 1).values()
    assert stands(again) == (*stands(before["0-1"])[:5], "3", "7", "1", None)
    # A drop copy gets again what is kept, and is told where what it asks for is not.
    back.close()
    late = logged_on(exchange, "COPIES", f"8016={copied[0][17]}")
    told = [late.next(t35="8", t797="Y") for _ in range(4)]
    assert [one[17] for one in told] == [one[17] for one in (*copied[1:], missed)]
    assert [one.get(11) for one in told] == ["r1", "r2", None, None]
    late.close()
    later = logged_on(exchange, "COPIES", f"8016=0-{first}")
    assert "reports from there are not kept" in later.next(t35="j")[58]


def test_orders_of_a_gateway_that_lost_its_own_tape_go_to_their_session(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path, sessions=SESSIONS, more=INSTRUMENT + ACCOUNTS, segment_bytes=SEGMENT)
    try:
        exchange.start()
        alice = logged_on(exchange, "ALICE")
        alice.send(fix_order("a1", "1", "60.00"))
        mine = alice.next(t150="0", t11="a1")[37]
        alice.close()
        assert exchange.end_gateway(signal.SIGTERM) == 0
        traded(exchange)
        own = exchange.engine.folders.tape("fix.gateway")
        shutil.rmtree(own)
        (exchange.engine.tape / "consumers" / "gateway.fix.gateway").unlink()
        assert prune(exchange) > 100
        exchange.start_gateway()
        assert exchange.says("begun_from_the_engines_snapshot")
        shutil.rmtree(tmp_path / "store-ALICE")
        back, bob = logged_on(exchange, "ALICE"), logged_on(exchange, "BOB")
        bob.send(fix_order("b1", "2", "60.00", 50))
        bob.next(t150="0", t11="b1")
        filled = back.next(t150="F", t37=mine)
        assert (filled.get(11), filled[6], filled[14], filled[151]) == (None, "60.00", "10", "0")
        # The engine has seen higher numbers of this producer than a new tape would begin with.
        back.send(fix_order("a2", "1", "50.00"))
        back.next(t150="0", t11="a2")
    finally:
        exchange.close()


def test_without_a_snapshot_of_the_engine_it_ends_and_says_what_to_do(
    pruned: tuple[Exchange, int],
) -> None:
    exchange, first = pruned
    shutil.rmtree(snapshots.folder(exchange.engine.tape))
    with pytest.raises(AssertionError, match=f"begins with record {first}, and no snapshot of the engine"):
        exchange.start_gateway()
