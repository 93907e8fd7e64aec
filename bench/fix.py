"""F: a FIX message to fields and back, and what the front adds to a round trip and to a stream, TLS not included.

Three processes: a client (here), the front with its real configuration, and behind it an echo on uvloop that answers
Logons. The same client talks to the echo directly first; the difference is the front.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.harness import Row, median
from bench.probes import Probes
from tapewire.fix.auth import make_front_token, write_secret
from tapewire.fix.client import Login
from tapewire.fix.framing import Framer
from tapewire.fix.message import build, fields_of, frame, parse

RUNS = 5
SERIAL = 8_000
STREAMED = 60_000
WINDOW = 128
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
BEGIN = "FIX.4.4"
ORDER: list[tuple[int, object]] = [
    (35, "D"), (34, 93), (49, "ACME"), (52, "20261121-09:00:00.000"), (56, "TAPEWIRE"), (1, 7), (11, "ORTT1_10_B15194"),
    (21, 1), (38, 10), (40, 2), (44, "64000.10"), (54, 1), (55, "BTCUSDT"), (59, 1), (60, "20261121-09:00:00.000"),
]  # fmt: skip
ECHO = """
import asyncio, sys, uvloop
from tapewire.fix.framing import Framer
from tapewire.fix.message import build, fields_of
class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.logged_on = transport, False
    def data_received(self, data):
        if self.logged_on:
            self.transport.write(data)
            return
        logon, self.logged_on = fields_of(Framer(4096).feed(data)[0]), True
        head = [(35, "A"), (34, 1), (49, logon[56]), (52, logon[52]), (56, logon[49])]
        self.transport.write(build(logon[8], [*head, (98, 0), (108, 30)]))
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    await server.serve_forever()
uvloop.run(main())
"""
SETTINGS = """
data = "{folder}/data"
rings = "{folder}/rings"
[[account]]
account = 7
[gateway]
port = {port}
backend_port = {backend}
logon_attempts = 1000
max_message_rate = 1000000
max_ahead_bytes = 1000000000
[[gateway.sessions]]
name = "acme"
number = 1
comp_id = "ACME"
username = "acme"
auth = "hmac"
secret_file = "{folder}/secret"
accounts = [7]
"""


def run(probes: Probes) -> Iterable[Row]:
    yield from _codec(probes)
    with tempfile.TemporaryDirectory() as folder, _processes(Path(folder)) as (direct, front, pid):
        yield from _front(probes, direct, front, pid)


def _codec(probes: Probes) -> Iterator[Row]:
    raw, framer = build(BEGIN, ORDER), Framer(4096)
    body = "".join(f"{tag}={value}\x01" for tag, value in ORDER)
    work: dict[str, Callable[[], object]] = {
        "parse 18 fields, frame checked": lambda: parse(raw),
        "parse 18 fields": lambda: fields_of(raw),
        "cut one message from a stream": lambda: framer.feed(raw),
        "build 18 fields from a template": lambda: frame(BEGIN, body),
        "build 18 fields one by one": lambda: build(BEGIN, ORDER),
    }
    count = probes.scale(100_000)
    for metric, call in work.items():
        value, spread = median(partial(_once, call, count), RUNS)
        yield Row(
            id="F", metric=metric, value=value, unit="ns", n=count * RUNS, spread=spread,
            probe="empty_call_ns", ratio=value / probes.value("empty_call_ns"),
        )  # fmt: skip


def _once(call: Callable[[], object], count: int) -> float:
    """CPU ns of one call."""
    return timeit.timeit(call, number=count, timer=time.process_time) / count * 1e9


def _front(probes: Probes, direct: int, front: int, pid: int) -> Iterator[Row]:
    serial, streamed = probes.scale(SERIAL), probes.scale(STREAMED)
    added, added_p99, rates, plain_rates, cpu, plain = [], [], [], [], [], []
    for _ in range(RUNS):
        near = _measure(direct, serial, streamed)
        before = _cpu(pid)
        far = _measure(front, serial, streamed)
        cpu.append((_cpu(pid) - before) * 1e6 / (serial + streamed))
        plain.append(near[0])
        added.append(far[0] - near[0])
        added_p99.append(far[1] - near[1])
        plain_rates.append(near[2])
        rates.append(far[2])
    echo = statistics.median(plain)
    yield Row(id="F", metric="round trip to the echo, p50", value=echo, unit="ns", n=serial * RUNS)
    for metric, values in (("front adds to a round trip, p50", added), ("front adds, p99", added_p99)):
        value = statistics.median(values)
        yield Row(
            id="F", metric=metric, value=value, unit="ns", n=serial * RUNS, spread=(min(values), max(values)),
            probe="tcp_echo_ns", ratio=value / probes.value("tcp_echo_ns"),
        )  # fmt: skip
    for metric, values, unit in (
        ("stream, without the front", plain_rates, "messages/s"),
        ("stream through the front", rates, "messages/s"),
        ("CPU of the front, half serial", cpu, "µs/message"),
    ):
        spread = min(values), max(values)
        yield Row(id="F", metric=metric, value=statistics.median(values), unit=unit, n=streamed * RUNS, spread=spread)


def _measure(port: int, serial: int, streamed: int) -> tuple[float, float, float]:
    """p50 and p99 of a round trip, ns; messages/s with a window."""
    message = build(BEGIN, ORDER)
    length = len(message)
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        login = Login("ACME", "TAPEWIRE", "acme", "hmac", bytes(32))
        sock.sendall(login.logon(time.time_ns() // 1_000_000 % 10**9, time.time_ns()))
        assert b"\x0135=A\x01" in sock.recv(4096)
        sock.setblocking(True)
        times = []
        for _ in range(serial):
            started = time.perf_counter_ns()
            sock.sendall(message)
            sock.recv(length, socket.MSG_WAITALL)
            times.append(time.perf_counter_ns() - started)
        sent, back, started = 0, 0, time.perf_counter_ns()
        while back < streamed * length:
            room = min(WINDOW - (sent - back // length), streamed - sent)
            if room > 0:
                sock.sendall(message * room)
                sent += room
            back += len(sock.recv(1 << 18))
        taken = time.perf_counter_ns() - started
    times.sort()
    return float(times[serial // 2]), float(times[serial * 99 // 100]), streamed * 1e9 / taken


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


@contextmanager
def _processes(folder: Path) -> Iterator[tuple[int, int, int]]:
    """Ports of the echo and of the front before it, and the front's pid."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        backend, port = one.getsockname()[1], two.getsockname()[1]
    write_secret(folder / "secret", bytes(32))
    make_front_token(folder / "data" / "gateway" / "front.token")
    settings = folder / "tapewire.toml"
    settings.write_text(SETTINGS.format(folder=folder, port=port, backend=backend))
    echo = subprocess.Popen([sys.executable, "-c", ECHO, str(backend)], stdout=subprocess.PIPE)
    command = [sys.executable, "-m", "services.gateway.front", "--config", str(settings)]
    front = subprocess.Popen(command, env={**os.environ, "TAPEWIRE_LOG": "error"})
    try:
        assert echo.stdout is not None
        echo.stdout.readline()
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield backend, port, front.pid
    finally:
        for process in (front, echo):
            process.terminate()
            process.wait()
