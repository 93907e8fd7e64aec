"""The connector as a process, with a real bus: what it publishes, how it ends, where its numbers continue."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.histogram import StatsPage
from tapewire.interfaces import Received
from tapewire.nats_server import NatsServer
from tapewire.ring import RingConsumer
from tapewire.tape import TapeWriter
from tapewire.transports.nats import NatsTransport
from tests.integration.test_connector_shell import Answers, Venue, flows, rest  # noqa: F401
from tests.integration.test_transport_contract import patient

START_S = 60


def configured(folder: Path, venue: Venue, rest_url: str, server: NatsServer) -> Path:
    path = folder / "tapewire.toml"
    path.write_text(
        f'''env = "t{os.getpid()}"
data = "{folder / "data"}"
rings = "{folder / "rings"}"
[nats]
url = "{server.url}"
[feed.binance]
venue = "binance"
tickers = ["BTCUSDT"]
url = "{venue.url}/stream"
rest_url = "{rest_url}"
depth = 50
ring_bytes = 65536
'''
    )
    return path


@asynccontextmanager
async def connector(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.connector", "binance", "--config", str(path), "--seed", "1"),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def listening(server: NatsServer, heard: list[Received]) -> AsyncIterator[None]:
    bus = NatsTransport(patient(server.url))
    await bus.connect()
    try:
        await bus.subscribe(f"t{os.getpid()}.>", heard.append)
        yield
    finally:
        await bus.drain()


class Flusher:
    """The other side of the ring, in this process."""

    def __init__(self, ring: Path) -> None:
        self.path = ring
        self.records: list[m.Message] = []

    async def until(self, count: int) -> None:
        """Takes records, and gives their room back, until there are so many."""
        deadline = time.monotonic() + START_S
        while not self.path.exists():
            assert time.monotonic() < deadline, "the connector made no ring"
            await asyncio.sleep(0.02)
        with RingConsumer(self.path) as ring:
            while len(self.records) < count:
                assert time.monotonic() < deadline, f"only {len(self.records)} records"
                self.records += [m.decode(raw) for raw in ring.poll()]
                ring.release()
                await asyncio.sleep(0.02)


async def test_tape_and_bus_agree_numbers_continue_after_a_kill_and_sigterm_drains(
    tmp_path: Path,
    nats_server: NatsServer,
    rest: str,  # noqa: F811
) -> None:
    Answers.last_id = 100
    heard: list[Received] = []
    async with listening(nats_server, heard), Venue(flows).running() as venue:
        path = configured(tmp_path, venue, rest, nats_server)
        flusher = Flusher(tmp_path / "rings" / "md.binance")
        async with connector(path) as first:
            await flusher.until(50)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        await flusher.until(len(flusher.records))
        tape = tmp_path / "data" / "tapes" / "md.binance"
        with RingConsumer(flusher.path) as ring:  # what the killed one left is flushed, as the flusher would
            flusher.records += [m.decode(raw) for raw in ring.poll()]
            ring.release()
        with TapeWriter(tape, "md.binance") as writer:
            writer.append_many(bytes(record) for record in flusher.records)
            writer.commit()
        killed_at = len(flusher.records)
        async with connector(path) as second:
            await flusher.until(killed_at + 50)
            page = StatsPage.open(tmp_path / "data" / "stats" / "connector.binance")
            second.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(second.wait(), START_S)
        await flusher.until(len(flusher.records) + 1)
    assert code == 0
    assert [record.seq for record in flusher.records] == list(range(1, len(flusher.records) + 1))
    on_bus = [message for message in heard if ".ops." not in message.subject]
    flushed = {bytes(record) for record in flusher.records}
    # A kill may fall between the ring and the bus: the ring leads, the bus never carries what the ring has not.
    assert {message.data for message in on_bus} <= flushed
    assert len(flushed) - len(on_bus) <= killed_at // 2
    health = [m.ServiceHealth.decode(message.data) for message in heard if ".ops.health." in message.subject]
    assert {message.state for message in health} >= {m.HealthState.ready, m.HealthState.draining}
    assert "1 of 1 books live" in next(h.detail for h in health if h.state == m.HealthState.ready)
    last = flusher.records[-1]
    assert isinstance(last, m.FeedStatus)
    assert (last.state, last.reason.startswith("stopping")) == (m.FeedState.down, True)
    counters = page.counters()
    assert counters["published"] > 50
    assert counters["messages"] > 40
    assert 40 < page.histogram("decode_ns").count < counters["published"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("depth = 50", "depth = 5000"), "feed.binance.ring_bytes: holds 65536; a snapshot of 5000 levels a side"),
        (("[feed.binance]", "[feed.other]"), "no section [feed.binance]; there is other"),
    ],
)
async def test_a_configuration_that_cannot_work_is_refused_in_words(
    tmp_path: Path, nats_server: NatsServer, change: tuple[str, str], said: str
) -> None:
    venue = Venue(flows)
    venue.url = "ws://127.0.0.1:1"
    path = configured(tmp_path, venue, "http://127.0.0.1:1", nats_server)
    path.write_text(path.read_text().replace(*change))
    async with connector(path) as process:
        _, errors = await asyncio.wait_for(process.communicate(), START_S)
    assert process.returncode == 1
    assert said in errors.decode()
    assert "Traceback" not in errors.decode()
