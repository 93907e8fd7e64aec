"""What happens to a session: lost connections, limits, the gateway's own end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix.processes import SESSIONS, Client, Exchange, order, skip_reason

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")
TERMS = SESSIONS.replace(
    'comp_id = "ALICE"', 'comp_id = "ALICE"\ncancel_on_disconnect = true\ncancel_grace = 0.5'
).replace('comp_id = "BOB"', 'comp_id = "BOB"\nmessages = 2\ninterval = 0.5\non_excess = "queue"')


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path, sessions=TERMS)
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_a_lost_session_has_its_orders_cancelled_after_its_grace(exchange: Exchange) -> None:
    alice, bob = exchange.client("ALICE"), exchange.client("BOB")
    alice.wait_for("logon")
    bob.wait_for("logon")
    assert (alice.admin[0][8013], alice.admin[0][789], alice.admin[0][369]) == ("Y", "2", "1")
    alice.send(order("a1", "1", "10.00"))
    alice.next(t150="0")
    bob.send(order("b1", "1", "10.00"))
    bob.next(t150="0")
    alice.close()
    exchange.wait_for_record("order_cancelled")
    back = exchange.client("ALICE")
    back.wait_for("logon")
    back.next(t35="8", t150="4", t378="100", t11="a1", t151="0")
    bob.send("35=AF|584=s|585=7|")
    bob.next(t150="I", t11="b1", t39="0")


def test_a_gateway_that_dies_counts_as_a_lost_connection(exchange: Exchange) -> None:
    alice = exchange.client("ALICE")
    alice.wait_for("logon")
    alice.send(order("a1", "1", "10.00"))
    alice.next(t150="0")
    exchange.end_gateway()
    alice.close()
    exchange.start_gateway()
    exchange.wait_for_record("order_cancelled")
    back = exchange.client("ALICE")
    back.wait_for("logon")
    back.next(t35="8", t150="4", t378="100", t11="a1", t151="0")


def test_messages_beyond_the_limit_wait_their_turn(exchange: Exchange) -> None:
    bob = exchange.client("BOB")
    bob.wait_for("logon")
    for at in range(7):
        bob.send(order(f"b{at}", "1", "10.00"))
    for at in range(7):
        bob.next(t150="0", t11=f"b{at}")


def test_a_gateway_that_is_told_to_end_says_so_and_logs_everybody_out(exchange: Exchange) -> None:
    alice, bob = exchange.client("ALICE"), exchange.client("BOB")
    for client in (alice, bob):
        client.wait_for("logon")
    assert exchange.end_gateway(signal.SIGTERM) == 0
    for client in (alice, bob):
        client.wait_for("logout")
        assert client.messages[-1][35] == "B"
        assert farewell(client)[58].startswith("the gateway ends")


def farewell(client: Client) -> dict[int, str]:
    return next(message for message in client.admin if message[35] == "5")
