"""A replica on a disk that is really full: it holds on, says so, loses nothing, and goes on when there is room."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tapewire.nats_server import NatsServer
from tests.full_disk import fill, small_disk
from tests.replica_hosts import Load, a_pair, on_tape, same_bytes, until

FULL_FOR_S = 1.5


def test_sender_and_mirror_live_through_full_disks(tmp_path: Path, bus: NatsServer) -> None:
    with (
        small_disk(tmp_path / "a" / "data", 32) as one,
        small_disk(tmp_path / "b" / "data", 32) as other,
        a_pair(tmp_path, bus.url) as (primary, standby),
    ):
        primary.engine.start()
        replicas = [primary.start_replica(), standby.start_replica()]
        with primary.engine.client() as client:
            load = Load(client)
            load.send(500)
            until(load.all_answered, primary, standby)
            until(lambda: standby.released() == primary.released(), primary, standby)
            fillers = [fill(one), fill(other)]
            ends = time.monotonic() + FULL_FOR_S
            while time.monotonic() < ends:
                load.send(10)  # into the segment that is begun
                until(load.all_answered, primary, standby)
                time.sleep(0.1)
            assert [one.poll() for one in replicas] == [None, None], f"{primary.logs()}\n{standby.logs()}"
            for filler in fillers:
                filler.unlink()
            load.send(500)
            until(load.all_answered, primary, standby)
            assert [one.poll() for one in replicas] == [None, None], f"{primary.logs()}\n{standby.logs()}"
            assert set(load.answers.values()) == {1}
            assert on_tape(primary.tape) == load.answers
        until(lambda: standby.released() == primary.released(), primary, standby)
        primary.engine.end(signal.SIGTERM)
        until(lambda: standby.released() == primary.released(), primary, standby)
        same_bytes(primary.tape, standby.tape)
        for host in (primary, standby):
            state = host.state()
            assert state is not None
            assert state.role in ("sender", "mirror")
