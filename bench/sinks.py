"""K1 to K3: the PostgreSQL sink. A tape of a million records of a busy market, built anew into a real server.

The tape is that of the engine's bench: 8 instruments, 64 accounts, some 8,000 live orders. Sink and server share the
machine; their CPU is told apart, since rows a second are bound by whichever core is busy all the time.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from bench._engine_native import Market
from bench.harness import Row, median
from bench.probes import Probes
from services.flusher.sinks.postgres._copy import Rows
from services.flusher.sinks.postgres.target import PostgresTarget
from services.flusher.sinks.sink import Sink
from services.flusher.sinks.status import Teller
from tapewire import logs
from tapewire.config import PostgresSink
from tapewire.folders import Folders
from tapewire.tape import TapeReader
from tools.services import Postgres, Unavailable

COMMANDS = 420_000  # some million records
BATCH = 8192
RUNS = 3
TICKS = os.sysconf("SC_CLK_TCK")


class Rebuilt(NamedTuple):
    """Seconds: on the wall, of the sink's CPU, of the server's, of the one backend's that the sink talks to."""

    rows: int
    wall: float
    sink: float
    server: float
    backend: float


def run(probes: Probes) -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory(prefix="sinks-", dir=probes.folder) as disk,
        tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm") as memory,
    ):
        folders = Folders(Path(disk) / "data")
        folders.prepare(Path(memory))
        market = Market(folders.orders_tape(0), disk=True, ring=Path(memory) / "ring", segment_bytes=1 << 29)
        market.alone_ns(probes.scale(COMMANDS))
        market.close()
        with TapeReader(folders.orders_tape(0)) as reader:
            raws = list(reader)
        yield from _prepared(raws)
        # Where another user may read it: PostgreSQL does not run as root.
        with tempfile.TemporaryDirectory(prefix="tapewire-postgres-") as data:
            try:
                server = Postgres(Path(data))
            except Unavailable as reason:
                raise SystemExit(f"bench sinks: {reason}") from None
            with server:
                yield from _rebuilt(folders, server, len(raws))


def _prepared(raws: list[bytes]) -> Iterator[Row]:
    batches = [raws[at : at + BATCH] for at in range(0, len(raws), BATCH)]
    rows = 0

    def put() -> float:
        nonlocal rows
        made, rows = Rows(1, "house"), 0
        began = time.process_time()
        for batch in batches:
            out, _ = made.put(batch)
            rows += sum(count for count, _ in out.values())
        return (time.process_time() - began) * 1e9

    def fold() -> float:
        made = Rows(1, "house")
        began = time.process_time()
        made.fold(raws)
        return (time.process_time() - began) * 1e9

    value, (least, most) = median(put, RUNS)
    metric = "a row of binary COPY made of its record, book and positions folded"
    yield Row(id="K1", metric=metric, value=value / rows, unit="ns of CPU", n=rows, spread=(least / rows, most / rows))
    value, (least, most) = median(fold, RUNS)
    yield Row(
        id="K1",
        metric="fold of the state alone: what a restart does again",
        value=len(raws) / value * 1e3,
        unit="M records/s of CPU time",
        n=len(raws),
        spread=(len(raws) / most * 1e3, len(raws) / least * 1e3),
    )


def _rebuilt(folders: Folders, server: Postgres, records: int) -> Iterator[Row]:
    runs = [asyncio.run(_once(folders, server, records, f"run{number}")) for number in range(RUNS)]
    rows = runs[0].rows

    def figure(id: str, metric: str, unit: str, values: list[float]) -> Row:
        ordered = sorted(values)
        spread = (ordered[0], ordered[-1])
        return Row(id=id, metric=metric, value=ordered[len(ordered) // 2], unit=unit, n=rows, spread=spread)

    yield figure("K2", f"a tape of {records:,} records built anew", "s", [one.wall for one in runs])
    yield figure("K2", "rows, on the wall", "rows/s", [rows / one.wall for one in runs])
    yield figure("K3", "a row, the sink's CPU", "us", [one.sink / rows * 1e6 for one in runs])
    yield figure("K3", "a row, the server's CPU, all its processes", "us", [one.server / rows * 1e6 for one in runs])
    yield figure("K3", "a row, the backend's CPU: the busiest core", "us", [one.backend / rows * 1e6 for one in runs])
    yield figure(
        "K3",
        "rows by the busiest core's CPU",
        "rows/s of CPU time",
        [rows / max(one.backend, one.sink) for one in runs],
    )


async def _once(folders: Folders, server: Postgres, records: int, schema: str) -> Rebuilt:
    parts = urlsplit(server.url)
    secret = folders.data / "password"
    secret.touch(mode=0o600)
    secret.write_text(unquote(parts.password or ""))
    url = urlunsplit((parts.scheme, f"{parts.username}@{parts.hostname}:{parts.port}", parts.path, "", ""))
    settings = PostgresSink(url=url, password_file=secret, db_schema=schema, batch_records=BATCH, keep=0.0)
    target = PostgresTarget(settings)
    teller = Teller(folders, "postgres", target.where, logs.get("bench"))
    stop = asyncio.Event()
    before, began, own = _cpu_of(server.pid), time.perf_counter(), time.process_time()
    task = asyncio.ensure_future(Sink("postgres", settings, folders.tapes, target, teller).run(stop))
    page, backend = teller.page("orders.0"), 0.0
    while page.counter("seq") < records or page.counter("lag"):
        if task.done():
            task.result()
        await asyncio.sleep(0.02)
        backend = max(backend, *(_own_cpu(pid) for pid in _children(server.pid)))
    wall, spent = time.perf_counter() - began, time.process_time() - own
    used = _cpu_of(server.pid) - before
    stop.set()
    await task
    rows = page.counter("rows")
    teller.close()
    connection = await asyncpg.connect(server.url)
    await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    await connection.close()
    return Rebuilt(rows, wall, spent, used, backend)


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return ["0"] * 20


def _own_cpu(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def _cpu_of(pid: int) -> float:
    """Of a process, of those it has seen end, and of its children."""
    return sum(int(field) for field in _stat(pid)[11:15]) / TICKS + sum(_own_cpu(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
