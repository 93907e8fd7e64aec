"""A bus that is away just as a replica takes up its work."""

from __future__ import annotations

import time

from tapewire.nats_server import NatsServer
from tests.replica_hosts import Load, Pair, until


def test_a_bus_that_is_away_when_the_tape_appears_is_waited_for(pair: Pair, bus: NatsServer) -> None:
    primary, _ = pair
    replica = primary.start_replica()
    until(lambda: (primary.engine.folders.data / "replica" / "host").exists(), primary)
    time.sleep(0.5)  # it is connected, and waits for the engine
    bus.stop()
    primary.engine.start()
    until(lambda: (state := primary.state()) is not None and bool(state.why), primary)
    time.sleep(0.5)
    bus.restart()
    with primary.engine.client() as client:
        load = Load(client)
        load.send(100)
        until(load.all_answered, primary)
    assert replica.poll() is None
