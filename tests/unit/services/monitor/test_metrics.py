"""The monitor's door for Prometheus, over real sockets."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.monitor.metrics import Metrics
from tapewire import config as configuration
from tapewire.errors import ConfigError
from tapewire.histogram import StatsPage
from tapewire.logs import configure
from tapewire.metrics.exemplars import Exemplars
from tools.services.ports import free_port


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[configuration.Config]:
    path = tmp_path / "tapewire.toml"
    path.write_text(
        f'env = "test"\ndata = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n[monitor]\nmetrics_port = {free_port()}\n'
    )
    found = configuration.load(path)
    found.folders.prepare(found.rings)
    with StatsPage.create(found.folders.stats / "engine.0", ["answer"], ["commands"]) as page:
        page.add("commands", 41)
        page.histogram("answer").record(90_000)
        yield found


async def ask(port: int, path: str, accept: str = "") -> tuple[int, str, str]:
    def over_http() -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path, headers={"Accept": accept} if accept else {})
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", ""), answer.read().decode()
        finally:
            connection.close()

    return await asyncio.to_thread(over_http)


async def started(part: Metrics, stop: asyncio.Event) -> asyncio.Task[Any]:
    task = asyncio.create_task(part.run(stop))
    while not part.port and not task.done():
        await asyncio.sleep(0.01)
    return task


async def test_a_scrape_in_both_formats_and_nothing_else(settings: configuration.Config) -> None:
    exemplars, stop = Exemplars(), asyncio.Event()
    exemplars.add("answer", 90_000, "ab" * 16, 10**18)
    part = Metrics(settings, exemplars, configure("test"))
    task = await started(part, stop)
    status, kind, body = await ask(part.port, "/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert 'tapewire_engine_commands_total{shard="0"} 41.0' in body
    assert "trace_id" not in body
    status, kind, body = await ask(part.port, "/metrics", "application/openmetrics-text; version=1.0.0")
    assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
    assert 'trace_id="' + "ab" * 16 in body
    assert body.endswith("# EOF\n")
    assert (await ask(part.port, "/"))[0] == 404
    stop.set()
    await asyncio.wait_for(task, 10)
    with pytest.raises(ConnectionRefusedError):
        await ask(part.port, "/metrics")


async def test_a_port_that_is_taken_is_said_by_its_key(settings: configuration.Config) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.monitor.metrics_port))
        taken.listen()
        task = await started(Metrics(settings, Exemplars(), configure("test")), asyncio.Event())
        with pytest.raises(ConfigError, match=r"monitor\.metrics_port: cannot listen"):
            await task


async def test_who_sends_half_a_request_keeps_nobody_from_scraping(settings: configuration.Config) -> None:
    stop = asyncio.Event()
    part = Metrics(settings, Exemplars(), configure("test"))
    task = await started(part, stop)
    idle = [socket.create_connection(("127.0.0.1", part.port)) for _ in range(12)]
    for one in idle:
        one.sendall(b"GET /metrics HTTP/1.1\r\n")
    assert (await ask(part.port, "/metrics"))[0] == 200
    for one in idle:
        one.close()
    stop.set()
    await asyncio.wait_for(task, 10)
