"""Tapes on other hosts, with real processes and a real nats-server that syncs before it acknowledges."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.nats_server import NatsServer
from tests.replica_hosts import Host, Load, same_bytes, server, until

SEND, MIRROR = 'send = ["orders.0"]', 'mirror = ["orders.0"]'


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[NatsServer]:
    with server(tmp_path / "nats") as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path, bus: NatsServer) -> Iterator[tuple[Host, Host]]:
    primary = Host(tmp_path / "a", bus.url, replica=SEND)
    standby = Host(tmp_path / "b", bus.url, replica=MIRROR)
    try:
        yield primary, standby
    finally:
        primary.close()
        standby.close()


def test_a_mirror_has_every_byte_of_the_tape(pair: tuple[Host, Host]) -> None:
    primary, standby = pair
    primary.engine.start()
    primary.start_replica()
    standby.start_replica()
    with primary.engine.client() as client:
        load = Load(client)
        load.send(6000)
        until(load.all_answered, primary, standby)
    until(lambda: standby.released() == primary.released(), primary, standby)
    primary.engine.end(signal.SIGTERM)
    until(lambda: standby.released() == primary.released(), primary, standby)
    same_bytes(primary.tape, standby.tape)
