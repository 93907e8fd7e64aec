"""K4: the Kafka sink. A tape of a busy market put into a real broker, from its first record."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench._engine_native import Market
from bench.harness import Row
from bench.probes import Probes
from services.flusher.sinks.kafka.target import KafkaTarget
from services.flusher.sinks.redis.target import RedisTarget
from services.flusher.sinks.sink import Sink
from services.flusher.sinks.status import Teller
from services.flusher.sinks.target import Target
from tapewire import logs
from tapewire.config import KafkaSink, RedisSink
from tapewire.config import Sink as Settings
from tapewire.folders import Folders
from tapewire.tape import TapeReader
from tools.services import Kafka, Redis, Server, Unavailable

COMMANDS = 420_000  # some million records
RUNS = 3


def run(probes: Probes) -> Iterator[Row]:
    yield from rebuilt(probes, "K4", "kafka")


def rebuilt(probes: Probes, id: str, name: str) -> Iterator[Row]:
    """How long a tape takes into the store `name`, and its rate: on the wall, and of the sink's CPU."""
    with (
        tempfile.TemporaryDirectory(prefix="sinks-", dir=probes.folder) as disk,
        tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm") as memory,
        tempfile.TemporaryDirectory(prefix=f"tapewire-{name}-") as data,
    ):
        folders = Folders(Path(disk) / "data")
        folders.prepare(Path(memory))
        market = Market(folders.orders_tape(0), disk=True, ring=Path(memory) / "ring", segment_bytes=1 << 29)
        market.alone_ns(probes.scale(COMMANDS))
        market.close()
        with TapeReader(folders.orders_tape(0)) as reader:
            records = reader.positions.released_seq
        try:
            server: Server = Kafka(Path(data)) if name == "kafka" else Redis(Path(data))
        except Unavailable as reason:
            raise SystemExit(f"bench {name}: {reason}") from None
        with server:
            runs = [asyncio.run(_once(folders, server, records, name, number)) for number in range(RUNS)]
    for metric, unit, values in (
        (f"a tape of {records:,} records built anew in {name}", "s", [wall for wall, _ in runs]),
        (f"records into {name}, on the wall", "records/s", [records / wall for wall, _ in runs]),
        (f"records into {name}, the sink's CPU", "records/s of CPU time", [records / cpu for _, cpu in runs]),
    ):
        ordered = sorted(values)
        spread = (ordered[0], ordered[-1])
        yield Row(id=id, metric=metric, value=ordered[len(ordered) // 2], unit=unit, n=records, spread=spread)


async def _once(folders: Folders, server: Server, records: int, name: str, number: int) -> tuple[float, float]:
    """Seconds: on the wall, of the sink's CPU."""
    settings, target = _of(server, folders, number)
    teller = Teller(folders, name, target.where, logs.get("bench"))
    stop = asyncio.Event()
    began, own = time.perf_counter(), time.process_time()
    task = asyncio.ensure_future(Sink(name, settings, folders.tapes, target, teller).run(stop))
    page = teller.page("orders.0")
    while page.counter("seq") < records or page.counter("lag"):
        if task.done():
            task.result()
        await asyncio.sleep(0.02)
    wall, spent = time.perf_counter() - began, time.process_time() - own
    stop.set()
    await task
    teller.close()
    return wall, spent


def _of(server: Server, folders: Folders, number: int) -> tuple[Settings, Target]:
    if isinstance(server, Kafka):
        of_kafka = KafkaSink(url=server.url, prefix=f"run{number}.", transactions=server.durable, keep=0.0)
        return of_kafka, KafkaTarget(of_kafka, "bench", 0.01)
    secret, _, address = server.url.removeprefix("redis://:").partition("@")
    file = folders.data / "password"
    file.touch(mode=0o600)
    file.write_text(secret)
    of_redis = RedisSink(url=f"redis://{address}", password_file=file, prefix=f"run{number}:", keep=0.0)
    return of_redis, RedisTarget(of_redis, "bench")
