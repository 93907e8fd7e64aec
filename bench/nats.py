"""N1, N2: the bus through our transport, against a bare-socket client through the same server in the same run.

Three processes share the machine: the server, a publisher and a subscriber. Throughput is wall time, since waiting for
the server is the point; the CPU time of our own process per message stands beside it.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import _nats_peers as peers
from bench.harness import Row
from bench.probes import Probes
from tapewire.config import Nats
from tapewire.interfaces import Received
from tapewire.lifecycle import run as run_loop
from tapewire.nats_server import NatsServer
from tapewire.transports.nats import NatsTransport

RUNS = 5
PUBLISHED = 200_000
SUBSCRIBED = 150_000
ONE_WAY = 5_000  # per run; two runs of each client in turn
ONE_WAY_RATE = 1_000
LOST = 10.0  # seconds without the last message


def run(probes: Probes) -> Iterable[Row]:
    with tempfile.TemporaryDirectory() as store, NatsServer(Path(store), port=0) as server:
        out, into, one_way = (probes.scale(samples) for samples in (PUBLISHED, SUBSCRIBED, ONE_WAY))
        yield from _throughput("publish", [run_loop(_publish(server, out)) for _ in range(RUNS)], out)
        yield from _throughput("subscribe", [run_loop(_subscribe(server, into)) for _ in range(RUNS)], into)
        yield from _one_way(server, one_way)


def _throughput(what: str, runs: list[tuple[float, float]], count: int) -> Iterator[Row]:
    """Rows of runs, each (wall seconds, CPU seconds of our process)."""
    rates = sorted(count / wall for wall, _ in runs)
    cpu = sorted(1e6 * used / count for _, used in runs)
    yield Row(
        id="N1",
        metric=f"{what}, {peers.PAYLOAD_BYTES} B",
        value=statistics.median(rates),
        unit="messages/s",
        n=count * RUNS,
        spread=(rates[0], rates[-1]),
    )
    yield Row(
        id="N1",
        metric=f"{what}, CPU of our process",
        value=statistics.median(cpu),
        unit="µs/message",
        n=count * RUNS,
        spread=(cpu[0], cpu[-1]),
    )


async def _publish(server: NatsServer, messages: int) -> tuple[float, float]:
    transport = NatsTransport(Nats(url=server.url))
    await transport.connect()
    payload, publish = bytes(peers.PAYLOAD_BYTES), transport.publish
    wall, cpu = time.perf_counter(), time.process_time()
    left = messages
    while left:
        if publish(peers.SUBJECT, payload):
            left -= 1
        else:
            await transport.writable()
    await transport.flush()
    taken = time.perf_counter() - wall, time.process_time() - cpu
    await transport.drain()
    return taken


async def _subscribe(server: NatsServer, messages: int) -> tuple[float, float]:
    transport = NatsTransport(Nats(url=server.url, max_pending=1 << 20))
    await transport.connect()
    count = 0
    first: tuple[float, float] | None = None
    done: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()

    def on_message(message: Received) -> None:
        nonlocal count, first
        count += 1
        if first is None:
            first = time.perf_counter(), time.process_time()
        elif count == messages:
            done.set_result((time.perf_counter() - first[0], time.process_time() - first[1]))

    await transport.subscribe(peers.SUBJECT, on_message)
    with _peer("flood", server.port, messages):
        taken = await asyncio.wait_for(done, LOST + messages / 50_000)
    await transport.drain()
    return taken


def _one_way(server: NatsServer, messages: int) -> Iterator[Row]:
    """Both clients in turn, so that what the machine does meanwhile falls on both."""
    bare: list[int] = []
    ours: list[int] = []
    for _ in range(2):
        bare += _bare_one_way(server, messages)
        ours += run_loop(_our_one_way(server, messages))
    for name, q in (("p50", 0.5), ("p99", 0.99)):
        base, value = _quantile(bare, q) / 1e3, _quantile(ours, q) / 1e3
        yield Row(id="N2", metric=f"one way, bare sockets, {name}", value=base, unit="µs", n=len(bare))
        yield Row(
            id="N2",
            metric=f"one way, our transport at both ends, {name}",
            value=value,
            unit="µs",
            probe="bare sockets, same server",
            ratio=value / base,
            n=len(ours),
        )


def _bare_one_way(server: NatsServer, messages: int) -> list[int]:
    connection = peers.connect(server.port)
    connection.sendall(f"SUB {peers.SUBJECT} 1\r\n".encode())
    peers.flush(connection)
    with _peer("send-bare", server.port, messages, ONE_WAY_RATE):
        taken = peers.receive_bare(connection, messages)
    connection.close()
    return taken


async def _our_one_way(server: NatsServer, messages: int) -> list[int]:
    transport = NatsTransport(Nats(url=server.url))
    await transport.connect()
    taken: list[int] = []
    done = asyncio.Event()

    def on_message(message: Received) -> None:
        taken.append(time.monotonic_ns() - peers.CLOCK.unpack_from(message.data)[0])
        if len(taken) == messages:
            done.set()

    await transport.subscribe(peers.SUBJECT, on_message)
    with _peer("send", server.port, messages, ONE_WAY_RATE):
        await asyncio.wait_for(done.wait(), LOST + messages / ONE_WAY_RATE)
    await transport.drain()
    return taken


@contextmanager
def _peer(role: str, port: int, *numbers: int) -> Iterator[None]:
    command = [sys.executable, "-m", "bench._nats_peers", role, str(port), *map(str, numbers)]
    with subprocess.Popen(command) as process:
        try:
            yield
            process.wait(LOST)
        finally:
            process.kill()


def _quantile(values: list[int], q: float) -> float:
    return sorted(values)[int(q * (len(values) - 1))]
