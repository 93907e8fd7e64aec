"""A1: an order placed over HTTP, and what it costs the API's process.

Three processes: clients (here, plain sockets that are kept), the API and the engine. Every request is signed, with a
nonce of its own, is put on the API's tape, goes through the engine, and is answered with the order as it rests. What is
counted is the CPU time of the API's process, folding the orders tape included.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench.harness import Row
from bench.probes import Probes
from tests.api.client import hmac_sign
from tests.api.stack import SECRETS, Stack, order

CONNECTIONS, ROUNDS = 32, 5
STREAMED, SERIAL, WARM_UP = 16_000, 2_000, 1_000
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
TARGET = "/v1/orders"
NONCES = "max_nonces = 1048576"  # one key sends what many would


def run(probes: Probes) -> Iterable[Row]:
    for durability in ("memory", "disk"):
        with (
            tempfile.TemporaryDirectory(dir=probes.folder) as name,
            Stack(Path(name), durability=durability, rate=1_000_000, burst=1_000_000, api=NONCES) as stack,
        ):
            clients = Clients(stack.port)
            clients.stream(probes.scale(WARM_UP))
            yield from _measured(probes, stack, clients, durability)
            clients.close()


def _measured(probes: Probes, stack: Stack, clients: Clients, durability: str) -> Iterable[Row]:
    assert stack.process is not None
    streamed, serial = probes.scale(STREAMED), probes.scale(SERIAL)
    cpu, rates, p50, echo = [], [], [], []
    for _ in range(ROUNDS):
        before, began = _cpu(stack.process.pid), time.perf_counter()
        clients.stream(streamed)
        rates.append(streamed / (time.perf_counter() - began))
        cpu.append((_cpu(stack.process.pid) - before) * 1e6 / streamed)
        times = sorted(clients.round_trips(serial))
        p50.append(float(times[serial // 2]))
        echo.append(probes.fresh("tcp_echo_ns"))
    for metric, values, unit, count in (
        ("CPU of the API for an order placed by HTTP", cpu, "µs", streamed * ROUNDS),
        (f"orders placed, {CONNECTIONS} connections", rates, "requests/s", streamed * ROUNDS),
    ):
        yield Row(
            id="A1", metric=f"{metric}, {durability}", value=statistics.median(values), unit=unit, n=count,
            spread=(min(values), max(values)),
        )  # fmt: skip
    yield Row(
        id="A1", metric=f"one request after the other, p50, {durability}", value=statistics.median(p50), unit="ns",
        n=serial * ROUNDS, spread=(min(p50), max(p50)), probe="tcp_echo_ns",
        ratio=statistics.median(p50) / statistics.median(echo),
    )  # fmt: skip


class Clients:
    """Connections that are kept, with one key."""

    def __init__(self, port: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port), 30.0) for _ in range(CONNECTIONS)]
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sign = hmac_sign(SECRETS["desk"])
        self._run, self._sent = secrets.token_hex(4), 0

    def stream(self, count: int) -> None:
        """So many orders, one under way on each connection."""
        done = 0
        while done < count:
            used = self._sockets[: count - done]
            for one in used:
                one.sendall(self._request())
            for one in used:
                _check(one.recv(65_536))
            done += len(used)

    def round_trips(self, count: int) -> list[int]:
        """ns of each order's way to its answer, one after the other."""
        times, one = [], self._sockets[0]
        for _ in range(count):
            request = self._request()
            began = time.perf_counter_ns()
            one.sendall(request)
            answer = one.recv(65_536)
            times.append(time.perf_counter_ns() - began)
            _check(answer)
        return times

    def _request(self) -> bytes:
        self._sent += 1
        name = f"{self._run}-{self._sent}"
        # Prices all over the book: what rests at one level is not what a book looks like.
        price = f"{62_000 + self._sent % 997}.{self._sent % 100:02}"
        body = json.dumps(order(name, price=price, qty="0.00100")).encode()
        timestamp, digest = str(time.time_ns() // 1_000_000), hashlib.sha256(body).hexdigest()
        signature = self._sign("\n".join((timestamp, name, "POST", TARGET, digest)))
        return (
            f"POST {TARGET} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nTapewire-Key: desk\r\n"
            f"Tapewire-Timestamp: {timestamp}\r\nTapewire-Nonce: {name}\r\nTapewire-Signature: {signature}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def close(self) -> None:
        for one in self._sockets:
            one.close()


def _check(answer: bytes) -> None:
    assert answer.startswith(b"HTTP/1.1 201 "), answer


def _cpu(pid: int) -> float:
    """Seconds of all its threads, by now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
