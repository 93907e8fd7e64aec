from __future__ import annotations

from collections.abc import Iterator

import pytest

from tapewire.nats_server import NatsServer


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One real server for all tests that do not hurt it; they keep apart by subject."""
    with NatsServer(tmp_path_factory.mktemp("nats"), port=0) as server:
        yield server
