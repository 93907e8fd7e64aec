"""A broker whose disk is full: it ends, as Kafka does whose last log dir fails; the sink waits, and nothing is lost."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services import own
from tests.sinks.broker import Broker
from tests.sinks.stack import World, market_records
from tests.sinks.test_kafka_faults import real
from tools.services import Kafka

DISK_MB = 48


class SmallDisk(Kafka):
    """Its log dir is a file system of its own."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self.disk = folder.parent / f"{folder.name}-disk"
        self._data = self.disk / "data"


@contextmanager
def mounted(at: Path) -> Iterator[None]:
    at.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(at)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: it needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    with mounted(tmp_path / "broker-disk"), own(SmallDisk, folder) as server:
        real(server)
        world = World(tmp_path, Broker(server.url, True))
        records = market_records(87, 400)
        world.write(records[:100])
        async with world.sink(timeout=5.0) as sink:
            await sink.until_seq(100)
            filled = server.disk / "filled"
            fill(filled)
            world.write(records[100:])
            await sink.until_told("broker")
            while server.pid:  # it gives up its only log dir, and ends
                await asyncio.sleep(0.1)
            filled.unlink()
            await asyncio.to_thread(server.start)
            await sink.until_seq(len(records))
        assert await world.database.records() == records


def fill(file: Path) -> None:
    """Takes all the room there is."""
    with file.open("wb", buffering=0) as out:
        try:
            while out.write(bytes(4096)):
                pass
        except OSError:
            return
