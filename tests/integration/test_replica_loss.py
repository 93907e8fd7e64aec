"""How long no order is answered when the bus, or a node of it, is lost: measured, and printed for docs/operations.md.

python -m pytest tests/integration/test_replica_loss.py -m slow -s
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.replica.stream import API
from tapewire import config as configuration
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.nats_server import NatsServer
from tapewire.replication import names
from tapewire.transports.nats import NatsTransport
from tests.engine_process import order
from tests.integration.test_replica_cluster import cluster  # noqa: F401 - a fixture
from tests.replica_hosts import TAPE, Host, a_pair

PATIENCE_S = 60.0


class OneByOne:
    """Orders one after the other, each once the one before was answered: (sent at, answered at), s."""

    def __init__(self, client: OrderClient) -> None:
        self._client = client
        self.orders: list[tuple[float, float]] = []

    def run(self, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        """For so long; `meanwhile` is done on this thread, to which a server that it starts belongs."""
        with ThreadPoolExecutor(1) as orders:
            sending = orders.submit(self._send, time.monotonic() + seconds)
            meanwhile()
            sending.result()

    def _send(self, end: float) -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            number = order(self._client, m.Side.buy, 9_000)
            while number not in {
                one.cl_ord_id for one in self._client.poll(4096) if isinstance(one, m.OrderAccepted | m.OrderRejected)
            }:
                assert time.monotonic() - began < PATIENCE_S, "an order was never answered"
                time.sleep(0.0001)
            self.orders.append((began, time.monotonic()))

    def p50_ms(self, begin: float, end: float) -> float:
        found = [answered - sent for sent, answered in self.orders if begin <= sent and answered <= end]
        return statistics.median(found) * 1e3

    def longest(self, begin: float) -> tuple[float, float]:
        """The order behind `begin` that waited longest."""
        return max((one for one in self.orders if one[1] >= begin), key=lambda one: one[1] - one[0])


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["replicated", "disk"])
def test_the_bus_is_lost_and_comes_back(tmp_path: Path, bus: NatsServer, durability: str) -> None:
    with a_pair(tmp_path, bus.url, durability=durability) as pair:
        with pair.trading(100) as load:
            orders = OneByOne(load.client)
            orders.run(3.0)
            lost, back = time.monotonic(), 0.0

            def away() -> None:
                nonlocal back
                bus.stop()
                time.sleep(5.0)
                bus.restart()
                back = time.monotonic()

            orders.run(10.0, away)
        sent, answered = orders.longest(lost)
        print(
            f"\nbus away for {back - lost:.1f} s, {durability}: p50 before {orders.p50_ms(0, lost):.2f} ms, after "
            f"{orders.p50_ms(answered, 1e12):.2f} ms; the slowest answer took {answered - sent:.3f} s, and came "
            f"{max(0.0, answered - back):.3f} s after the server listened again"
        )
        pair.until_both_have_it()
        if durability == "disk":
            assert answered - sent < 1.0, "an order waited for the bus"
        else:
            assert answered - back < 5.0


def leader(host: Host) -> str:
    """The server that leads the stream of the host's tape."""

    async def ask() -> str:
        settings = configuration.load(host.engine.config)
        transport = NatsTransport(settings.nats)
        await transport.connect()
        found = await transport.request(
            f"{API}.STREAM.INFO.{names.stream(settings.env, TAPE)}", b"", timeout=PATIENCE_S
        )
        await transport.close()
        return str(json.loads(found.data)["cluster"]["leader"])

    return asyncio.run(ask())


@pytest.mark.slow
@pytest.mark.parametrize("connected_to", ["another", "leader"])
def test_the_leader_of_the_stream_is_killed(
    tmp_path: Path,
    cluster: tuple[str, list[subprocess.Popen[bytes]]],  # noqa: F811
    connected_to: str,
) -> None:
    urls, servers = cluster
    with a_pair(tmp_path, urls.split(",")[1], more="stream_replicas = 3") as pair:
        primary, _ = pair
        with pair.trading(100) as load:
            step_down(primary, until_leader=lambda name: (name == "n1") == (connected_to == "leader"))
            orders = OneByOne(load.client)
            orders.run(3.0)
            name = leader(primary)
            killed = 0.0

            def kill() -> None:
                nonlocal killed
                killed = time.monotonic()
                servers[int(name[1:])].kill()

            orders.run(15.0, kill)
        sent, answered = orders.longest(killed)
        print(
            f"\nleader {name} of three killed, the replicas connected to {connected_to}: p50 before "
            f"{orders.p50_ms(0, killed):.2f} ms, after {orders.p50_ms(answered, 1e12):.2f} ms; no answer for "
            f"{answered - sent:.3f} s"
        )
        pair.until_both_have_it()
        assert answered - sent < 20.0


def step_down(host: Host, until_leader: Callable[[str], bool]) -> None:
    """Has the stream led by another server, until it is one that is wanted."""

    async def ask() -> None:
        settings = configuration.load(host.engine.config)
        transport = NatsTransport(settings.nats)
        await transport.connect()
        await transport.request(
            f"{API}.STREAM.LEADER.STEPDOWN.{names.stream(settings.env, TAPE)}", b"", timeout=PATIENCE_S
        )
        await transport.close()

    for _ in range(20):
        if until_leader(leader(host)):
            return
        asyncio.run(ask())
        time.sleep(1.0)
    raise AssertionError("the wanted server never led the stream")
