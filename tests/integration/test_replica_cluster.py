"""Three servers hold the stream: one of them killed, two go on, and nothing that was answered is lost."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.nats_server import find_binary, read_info
from tests.replica_hosts import Load, a_pair, on_tape, promote, until
from tools.services.ports import free_port

CONFIG = """\
listen: "127.0.0.1:{port}"
server_name: n{number}
max_payload: 1MB
jetstream {{
  store_dir: "{store}"
  sync_interval: always
}}
cluster {{
  name: tapes
  listen: "127.0.0.1:{route}"
  routes: [{routes}]
}}
"""
READY_WITHIN_S = 60.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    ports = [free_port() for _ in range(6)]
    clients, routes = ports[:3], ports[3:]
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(3):
            folder = tmp_path / f"n{number}"
            folder.mkdir()
            config = folder / "nats.conf"
            config.write_text(
                CONFIG.format(
                    number=number,
                    port=clients[number],
                    store=folder,
                    route=routes[number],
                    routes=", ".join(f'"nats://127.0.0.1:{route}"' for route in routes),
                )
            )
            servers.append(subprocess.Popen([find_binary(), "-c", config, "-l", folder / "log"]))
        deadline = time.monotonic() + READY_WITHIN_S
        while not all((info := read_info(port)) and info.get("jetstream") for port in clients):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield ",".join(f"nats://127.0.0.1:{port}" for port in clients), servers
    finally:
        for one in servers:
            one.kill()
            one.wait()


@pytest.mark.slow
def test_a_server_of_three_is_killed_and_then_the_primary(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    url, servers = cluster
    first = url.split(",")[1]
    with a_pair(tmp_path, first, more="stream_replicas = 3") as pair:
        primary, standby = pair
        with pair.trading(500, standing_by=True) as load:
            servers[0].kill()
            pair.trade(load, 500)
            assert set(load.answers.values()) == {1}
            pair.until_both_have_it()
            primary.engine.kill()
            primary.end_replica(signal.SIGKILL)
        promote(standby)
        kept = on_tape(standby.tape)
        assert load.answers.keys() <= kept.keys()
        assert set(kept.values()) == {1}
        with standby.engine.client() as client:
            again = Load(client)
            again.send(100)
            until(again.all_answered, standby)
