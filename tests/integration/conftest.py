from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.nats_server import NatsServer
from tests.replica_hosts import Pair, a_pair, server


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One real server for all tests that do not hurt it; they keep apart by subject."""
    with NatsServer(tmp_path_factory.mktemp("nats"), port=0) as server:
        yield server


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[NatsServer]:
    """One of a test's own, which it may stop: what it acknowledges is on the disk."""
    with server(tmp_path / "nats") as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path, bus: NatsServer) -> Iterator[Pair]:
    """A host that writes a tape, and one that mirrors it; nothing of them runs yet."""
    with a_pair(tmp_path, bus.url) as hosts:
        yield hosts
