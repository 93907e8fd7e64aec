"""A2: what it costs to tell 1,000 WebSocket clients of a book, with a real engine, the whole API, and real sockets.

Four processes: this one sends orders into the engine's ring, the engine, the API, and the clients (plain sockets that
count frames). CPU time is that of the API's process, its fold of the tape and its own beats included, over the frames
that the clients have counted.
"""

from __future__ import annotations

import base64
import itertools
import json
import multiprocessing
import os
import random
import resource
import selectors
import socket
import struct
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from bench.harness import Row
from bench.probes import Probes
from tapewire import messages as m
from tapewire.ring import Doorbell, RingProducer
from tests.api.stack import SECRETS, Stack
from tests.stream.world import signed
from tools.services.ports import free_port

CLIENTS = 1000
SECONDS, QUICK_SECONDS, ROUNDS = 3.0, 0.5, 5
DEPTH = 20
BOUNDS = "max_clients_per_address = 4096\nmax_unknown = 4096\nslow_timeout = 600.0\nslow_notice = 300.0\n"
UPGRADE = (
    "GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PATIENCE_S = 60.0


def run(probes: Probes) -> Iterable[Row]:
    seconds = QUICK_SECONDS if probes.quick else SECONDS
    raise_file_limit()
    # (orders a second, milliseconds between two updates, share of clients that stop reading)
    cases = [(200, 100, 0.0), (200, 16, 0.0), (2000, 100, 0.0), (200, 16, 0.1)]
    with tempfile.TemporaryDirectory(dir=probes.folder) as name, _market(Path(name)) as market:
        for at, (orders, interval, silent) in enumerate(cases):
            clients = CLIENTS // 10 if probes.quick else CLIENTS
            alone = market.cost(orders, seconds, None)
            with _clients(market.port, clients, interval, silent) as far:
                market.cost(orders, seconds, far)
                measured = [market.cost(orders, seconds, far) for _ in range(1 if probes.quick else ROUNDS)]
            yield from _rows(f"A2{'abcd'[at]}" if at else "A2", orders, interval, silent, clients, measured, alone)


class Measured(NamedTuple):
    """What one round took."""

    cpu_s: float
    frames: int
    size: int
    changes: int
    """Of the book, one for each order."""
    wall_s: float
    resident: int
    """Bytes of the API's process."""


def _rows(
    row: str, orders: int, interval: int, silent: float, clients: int, measured: list[Measured], alone: Measured
) -> Iterator[Row]:
    costs = sorted(1e6 * one.cpu_s / one.frames for one in measured)
    frames, changes = sum(one.frames for one in measured), sum(one.changes for one in measured)
    wall = sum(one.wall_s for one in measured)
    own = alone.cpu_s * wall / alone.wall_s
    reading = clients - int(clients * silent)
    of = f"{clients:,} clients" + (f", {clients - reading} of them not reading" if silent else "")
    yield Row(
        id=row,
        metric=f"book to {of}, {orders:,} orders/s, every {interval} ms: CPU per message",
        value=costs[len(costs) // 2],
        unit="µs",
        n=frames,
        spread=(costs[0], costs[-1]),
    )
    for metric, value, unit in (
        ("messages delivered", frames / wall, "messages/s"),
        ("bytes of one", sum(one.size for one in measured) / frames, "bytes"),
        ("changes of the book in one (conflated)", changes * reading / frames, "changes"),
        ("of that what clients cost", 1e6 * (sum(one.cpu_s for one in measured) - own) / frames, "µs"),
        ("CPU of the API for these orders without any client", 100 * alone.cpu_s / alone.wall_s, "% of a core"),
        ("CPU of the API with them", 100 * sum(one.cpu_s for one in measured) / wall, "% of a core"),
        ("resident memory of the API", measured[-1].resident / (1 << 20), "MiB"),
    ):
        yield Row(id=f"{row}+", metric=metric, value=value, unit=unit, n=frames)


def raise_file_limit() -> None:
    """A socket for each client, on both sides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * CLIENTS + 256:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CLIENTS + 256), hard))


class Market:
    """Engine and API, and orders that change the book within DEPTH levels."""

    def __init__(self, stack: Stack, port: int, ring: RingProducer) -> None:
        self._stack, self.port, self._ring = stack, port, ring
        self._numbers = itertools.count(1)
        self._random = random.Random(1)

    def open(self) -> None:
        """A book that is deeper than what is followed."""
        for level in range(2 * DEPTH):
            for side, price in ((m.Side.buy, 6_399_900 - level), (m.Side.sell, 6_400_100 + level)):
                self._send(side, price)

    def cost(self, orders: int, seconds: float, far: Connection | None) -> Measured:
        """Sends orders at this rate for so long, evenly."""
        frames, size = _count(far)
        cpu, began, sent = self._cpu(), time.perf_counter(), 0
        while (now := time.perf_counter() - began) < seconds:
            while sent < now * orders:
                side, level = self._random.choice((m.Side.buy, m.Side.sell)), self._random.randrange(DEPTH)
                self._send(side, 6_399_900 - level if side == m.Side.buy else 6_400_100 + level)
                sent += 1
            time.sleep(0.001)
        wall = time.perf_counter() - began
        cpu = self._cpu() - cpu
        later, more = _count(far)
        return Measured(cpu, max(1, later - frames), more - size, sent, wall, self._resident())

    def _send(self, side: m.Side, price: int) -> None:
        order = m.NewOrder(
            instrument=1, account=1, side=side, ord_type=m.OrdType.limit, time_in_force=m.TimeInForce.gtc,
            price=price, qty=self._random.randrange(1, 50), cl_ord_id=next(self._numbers),
        )  # fmt: skip
        while not self._ring.write(bytes(order)):
            time.sleep(0.001)

    def _cpu(self) -> float:
        """Seconds of CPU time of all threads of the API, as the scheduler counts them."""
        assert self._stack.process is not None
        tasks = Path(f"/proc/{self._stack.process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def _resident(self) -> int:
        assert self._stack.process is not None
        pages = int(Path(f"/proc/{self._stack.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _market(folder: Path) -> Iterator[Market]:
    port = free_port()
    with Stack(folder, api=f"stream_port = {port}\n[api.stream]\n{BOUNDS}") as stack:
        folders = stack.engine.folders
        ring = folders.find_inbound_ring(0, "traders")
        assert ring is not None, "the engine has made its rings"
        with Doorbell(str(folders.doorbell(0))) as bell, RingProducer(str(ring[0]), doorbell=bell) as producer:
            market = Market(stack, port, producer)
            market.open()
            yield market


# -- the clients' process


@contextmanager
def _clients(port: int, count: int, interval_ms: int, silent: float) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    process = context.Process(target=follow, args=(far, port, count, interval_ms, silent))
    process.start()
    try:
        if not near.poll(PATIENCE_S):
            raise TimeoutError(f"{count} clients were not connected within {PATIENCE_S} s")
        near.recv()
        yield near
        near.send("end")
    finally:
        process.join(PATIENCE_S)
        process.kill()


def _count(far: Connection | None) -> tuple[int, int]:
    """Frames and bytes so far."""
    if far is None:
        return 0, 0
    far.send("count")
    frames, size = far.recv()
    return frames, size


def follow(far: Connection, port: int, count: int, interval_ms: int, silent: float) -> None:
    """Connects so many clients, then counts what they are sent until told to end. The first ones do not read."""
    raise_file_limit()
    selector = selectors.DefaultSelector()
    stopped = int(count * silent)
    sockets = [_connected(port, interval_ms) for _ in range(count)]
    for one in sockets[stopped:]:
        selector.register(one, selectors.EVENT_READ, Counter())
    far.send("ready")
    frames = size = 0
    selector.register(far, selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            if key.data is not None:
                data = key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
                if not data:
                    raise ConnectionError("a client was dropped")
                frames += key.data.count(data)
                size += len(data)
            elif far.recv() == "end":
                return
            else:
                far.send((frames, size))


class Counter:
    """Counts the frames of one connection, wherever its reads part them."""

    def __init__(self) -> None:
        self._left = 0
        self._head = b""

    def count(self, data: bytes) -> int:
        """Frames whose head is whole now."""
        found, at = 0, 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            self._head += data[at : at + 1]
            at += 1
            length = self._head[1] & 0x7F if len(self._head) > 1 else -1
            more = {126: 2, 127: 8}.get(length, 0)
            if length < 0 or len(self._head) < 2 + more:
                continue
            self._left = length if not more else int.from_bytes(self._head[2:], "big")
            self._head = b""
            found += 1
        return found


def _connected(port: int, interval_ms: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port))
    one.sendall(UPGRADE.format(key=base64.b64encode(os.urandom(16)).decode()).encode())
    asked = {"op": "subscribe", "id": 1, "channel": "book", "ticker": "BTCUSDT", "depth": DEPTH}
    answer = b""
    for message in (signed("desk", secret=SECRETS["desk"]), {**asked, "interval_ms": interval_ms}):
        payload = json.dumps(message).encode()
        head = (
            bytes([0x81, 0x80 | len(payload)]) if len(payload) < 126 else b"\x81\xfe" + struct.pack(">H", len(payload))
        )
        one.sendall(head + bytes(4) + payload)
    while b'"snapshot"' not in answer:
        answer += one.recv(1 << 16)
        if b'"error"' in answer:
            raise ConnectionError(answer.decode(errors="replace"))
    one.setblocking(False)
    return one
