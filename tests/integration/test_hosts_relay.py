"""The relay between two hosts, with real processes: nothing that dies loses an order, or has one taken twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.ring import ring_state
from tests.engine_process import PATIENCE_S, ROOT
from tests.hosts import Hosts, until
from tests.stopped import stopped

TRADERS = 2
IN, OUT = {"RELAY__IN": "traders"}, {"RELAY__OUT": "traders"}


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with Hosts(tmp_path) as found:
        start_engine(found)
        found.start("relay", "engine", settings=IN)
        until(lambda: found.folders("engine").orders_tape(0).exists(), "no tape")
        found.share("orders.0", "desk")
        found.start("relay", "desk", settings=OUT)
        yield found


def start_engine(hosts: Hosts) -> None:
    hosts.start("engine", "engine", settings={})


def order(client: OrderClient, side: m.Side = m.Side.buy) -> int:
    return client.new_order(instrument=1, side=side, qty=1, account=1, price=1000)


def order_with_patience(client: OrderClient) -> int:
    """Waits where the ring is full, as a producer does while the way is cut."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return order(client)
        except RingFull:
            assert time.monotonic() < deadline, "the ring stays full"
            time.sleep(0.01)


def fill(client: OrderClient, sent: list[int]) -> None:
    for _ in range(5000):
        number = order(client)
        sent.append(number)


def settled(hosts: Hosts, sent: list[int]) -> None:
    """All that was sent is on the tape, once, in order; and released here."""
    until(lambda: len(hosts.orders(TRADERS)) >= len(sent), hosts.logs)
    assert hosts.orders(TRADERS) == sent
    ring = hosts.folders("desk").inbound_ring(0, TRADERS, "traders")

    def released() -> bool:
        state = ring_state(ring)
        return state.head == state.tail

    until(released, hosts.logs)


def test_an_order_goes_to_the_engine_of_another_host_and_is_answered(hosts: Hosts) -> None:
    with hosts.client("desk") as client:
        number = order(client)
        assert [type(one) for one in client.answers(number, PATIENCE_S)] == [m.OrderAccepted]
        settled(hosts, [number])
    status = [sys.executable, "-m", "tapewire.cli", "relay", "status", "--json", "--data", str(hosts.data("desk"))]

    def counted() -> bool:
        (row,) = json.loads(subprocess.run(status, cwd=ROOT, capture_output=True, check=True).stdout)
        assert (row["side"], row["ring"], row["running"]) == ("out", "orders.0.2.traders", True)
        return bool((row["records"], row["lag_bytes"], row["open"]) == (1, 0, 1))

    until(counted, "not counted")


SLOW = [pytest.param(victim, marks=pytest.mark.slow) for victim in ("relay@desk", "engine@engine", "bus")]


@pytest.mark.parametrize("victim", ["relay@engine", "memory", *SLOW])
def test_nothing_is_lost_or_taken_twice_whatever_is_killed(hosts: Hosts, victim: str) -> None:
    sent: list[int] = []
    with hosts.client("desk") as client:
        for turn in range(3):
            sent += [order_with_patience(client) for _ in range(150)]
            if turn < 2:
                kill(hosts, victim)
            for _ in range(150):
                sent.append(order_with_patience(client))
                time.sleep(0.0005)
        settled(hosts, sent)


def kill(hosts: Hosts, victim: str) -> None:
    if victim == "bus":
        hosts.nats.restart()
        return
    if victim == "memory":  # of the engine's host
        hosts.end("relay@engine", signal.SIGKILL)
        hosts.end("engine@engine", signal.SIGKILL)
        hosts.lose_memory("engine")
        start_engine(hosts)
        hosts.start("relay", "engine", settings=IN)
        return
    service, _, host = victim.partition("@")
    hosts.end(victim, signal.SIGKILL)
    time.sleep(0.05)
    if service == "engine":
        start_engine(hosts)
    else:
        hosts.start(service, host, settings=IN if host == "engine" else OUT)


def test_a_host_without_its_memory_goes_on_behind_what_was_carried(hosts: Hosts) -> None:
    with hosts.client("desk") as client:
        sent = [order(client) for _ in range(20)]
        settled(hosts, sent)
    hosts.end("relay@desk", signal.SIGKILL)
    position = ring_state(hosts.folders("desk").inbound_ring(0, TRADERS, "traders")).tail
    hosts.lose_memory("desk")
    hosts.start("relay", "desk", settings=OUT)
    with hosts.client("desk") as client:
        assert ring_state(hosts.folders("desk").inbound_ring(0, TRADERS, "traders")).tail == position
        sent += [order(client) for _ in range(20)]
        settled(hosts, sent)


def test_a_full_ring_over_there_fills_the_one_here_and_its_producer_is_told(hosts: Hosts) -> None:
    with hosts.client("desk") as client:
        sent = [order(client)]
        settled(hosts, sent)
        with stopped(hosts.processes["engine@engine"].pid), pytest.raises(RingFull):
            fill(client, sent)
        settled(hosts, sent)


def test_a_producer_that_is_not_listed_is_refused_and_said(hosts: Hosts) -> None:
    hosts.share("orders.0", "stranger")
    hosts.start("relay", "stranger", settings={"RELAY__OUT": "operator"})
    until(lambda: hosts.said("relay@stranger", "is not in [relay] in over there"), hosts.logs)
    until(lambda: hosts.said("relay@engine", "is not in [relay] in"), hosts.logs)


def test_a_second_host_with_the_same_producer_is_refused_and_said(hosts: Hosts) -> None:
    with hosts.client("desk") as client:
        sent = [order(client)]
        settled(hosts, sent)
        hosts.share("orders.0", "second")
        hosts.start("relay", "second", settings=OUT)
        until(lambda: hosts.said("relay@second", "another host carries it"), hosts.logs)
        sent.append(order(client))
        settled(hosts, sent)
