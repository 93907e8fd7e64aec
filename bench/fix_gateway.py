"""F1, F2: orders through a real gateway and a real engine, durability memory.

Three processes: a client (here, plain sockets), the gateway (without its front: see the bench `fix` for what that adds)
and the engine. Each order rests in the book; the answer that is timed is its ExecutionReport (New).
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness import Row
from bench.probes import Probes
from tapewire.fix.auth import front_token
from tapewire.fix.framing import Framer
from tapewire.fix.message import fields_of, frame
from tapewire.folders import Folders

SERIAL, STREAMED, WINDOW, ROUNDS = 4_000, 20_000, 128, 5
WARM_UP = 200
PATIENCE_S = 30.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
SETTINGS = """
env = "bench{pid}"
data = "{folder}/data"
rings = "{folder}/rings"
[engine]
durability = "memory"
producers = [{{ name = "operator", role = "operator" }}, {{ name = "gateway" }}]
[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"
[[account]]
account = 7
[gateway]
backend_port = {port}
[[gateway.sessions]]
name = "acme"
number = 1
comp_id = "ACME"
username = "acme"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
accounts = [7]
messages = 1000000
interval = 0.05
"""


def run(probes: Probes) -> Iterable[Row]:
    with tempfile.TemporaryDirectory(dir=probes.folder) as name, _processes(Path(name)) as (client, gateway):
        serial, streamed = probes.scale(SERIAL), probes.scale(STREAMED)
        client.round_trips(WARM_UP)
        p50, p99, rates, cpu, echo = [], [], [], [], []
        for _ in range(ROUNDS):
            times = sorted(client.round_trips(serial))
            p50.append(float(times[serial // 2]))
            p99.append(float(times[serial * 99 // 100]))
            echo.append(probes.fresh("tcp_echo_ns"))
            before = _cpu(gateway)
            rates.append(client.stream(streamed))
            cpu.append((_cpu(gateway) - before) * 1e6 / streamed)
    at = statistics.median(echo)
    for metric, values in (("NewOrderSingle to ExecutionReport(New), p50", p50), ("the same, p99", p99)):
        value = statistics.median(values)
        yield Row(
            id="F1", metric=metric, value=value, unit="ns", n=serial * ROUNDS, spread=(min(values), max(values)),
            probe="tcp_echo_ns", ratio=value / at,
        )  # fmt: skip
    for metric, values, unit in (
        (f"orders in, one session, {WINDOW} in flight", rates, "messages/s"),
        ("CPU of the gateway for an order and its report", cpu, "µs"),
    ):
        spread = min(values), max(values)
        value = statistics.median(values)
        yield Row(id="F2", metric=metric, value=value, unit=unit, n=streamed * ROUNDS, spread=spread)


class Client:
    def __init__(self, port: int, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer, self._seq, self._orders = Framer(1 << 16), 0, 0
        self._send([self._message("A", f"98=0\x01108=60\x0195={len(token)}\x0196={token}\x01141=Y\x01")])
        (logon,) = self._receive()
        assert fields_of(logon).type == "A", logon

    def round_trips(self, count: int) -> list[int]:
        """ns of each order's way to its report."""
        times = []
        for _ in range(count):
            order = self._order()
            started = time.perf_counter_ns()
            self._socket.sendall(order)
            while not any(b"\x01150=0\x01" in message for message in self._receive()):
                pass
            times.append(time.perf_counter_ns() - started)
        return times

    def stream(self, count: int) -> float:
        """Orders/s, as many as may be under way at once."""
        sent = back = 0
        started = time.perf_counter_ns()
        while back < count:
            if room := min(WINDOW - (sent - back), count - sent):
                self._send([self._order() for _ in range(room)])
                sent += room
            back += sum(b"\x01150=0\x01" in message for message in self._receive())
        return count * 1e9 / (time.perf_counter_ns() - started)

    def _order(self) -> bytes:
        self._orders += 1
        now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
        return self._message(
            "D", f"11=o{self._orders}\x0155=ACME\x0154=1\x0160={now}.000\x0138=10\x0140=2\x0144=10.00\x0159=1\x01"
        )

    def _message(self, kind: str, body: str) -> bytes:
        self._seq += 1
        now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
        return frame("FIX.4.4", f"35={kind}\x0134={self._seq}\x0149=ACME\x0152={now}.000\x0156=TAPEWIRE\x01{body}")

    def _send(self, messages: list[bytes]) -> None:
        self._socket.sendall(b"".join(messages))

    def _receive(self) -> list[bytes]:
        """At least one message."""
        while True:
            if messages := self._framer.feed(self._socket.recv(1 << 18)):
                return messages


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


@contextmanager
def _processes(folder: Path) -> Iterator[tuple[Client, int]]:
    """A client that is logged on, and the gateway's pid."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    settings = folder / "tapewire.toml"
    settings.write_text(SETTINGS.format(folder=folder, port=port, pid=os.getpid()))
    started = []
    try:
        for service, ready in (("engine", "recovered"), ("gateway", "listening")):
            log = folder / f"{service}.log"
            with log.open("wb") as out:
                command = [sys.executable, "-m", f"services.{service}", "--config", str(settings)]
                started.append(subprocess.Popen(command, stderr=out))
            _wait_for(log, ready)
        yield Client(port, front_token(Folders(folder / "data").front_token)), started[-1].pid
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _wait_for(log: Path, event: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not any(json.loads(line)["event"] == event for line in log.read_bytes().splitlines() if line[:1] == b"{"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{log}: no {event}: {log.read_text()}")
        time.sleep(0.02)
