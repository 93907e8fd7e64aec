"""What this machine can do at this moment: the figures that every bench is judged against.

pingpong_ns    one word to the other core and back, p50 (about 120 to 210 near, 500 to 930 far; it flips by itself)
fdatasync_ns   pwrite + fdatasync of 4 KiB into a preallocated file of zeros, p50
tcp_echo_ns    64 bytes to another process over loopback and back, blocking sockets, p50
empty_call_ns  a Python function that does nothing
clock_ns       reading the clock, native: it is part of every latency that is measured
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from pathlib import Path

from bench import _native

BLOCK = 4096
ECHO_BYTES = 64
ECHO_SERVER = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
peer, _ = server.accept()
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while data := peer.recv(4096):
    peer.sendall(data)
"""


class Probes:
    """Measures each probe when it is first asked for, and keeps it."""

    def __init__(self, folder: Path, *, quick: bool = False) -> None:
        """`folder` must be on the disk that tapes would be on. `quick`: fewer samples, for a look and not a result."""
        self.folder, self.quick = folder, quick
        self.folder.mkdir(parents=True, exist_ok=True)
        self._kept: dict[str, float] = {}
        self._measure: dict[str, Callable[[], float]] = {
            "pingpong_ns": self._pingpong,
            "fdatasync_ns": self._fdatasync,
            "tcp_echo_ns": self._tcp_echo,
            "empty_call_ns": self._empty_call,
            "clock_ns": lambda: _native.clock_ns(self.scale(1_000_000)),
        }

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._measure)

    def value(self, name: str) -> float:
        """In ns. KeyError: no probe of that name."""
        if name not in self._kept:
            self._kept[name] = self._measure[name]()
        return self._kept[name]

    def fresh(self, name: str) -> float:
        """Measured anew, for what changes from one second to the next; the kept value stays."""
        return self._measure[name]()

    def scale(self, samples: int) -> int:
        """How many samples to take where a full run takes `samples`."""
        return max(1, samples // 20) if self.quick else samples

    @property
    def cores(self) -> tuple[int, int]:
        """Two cores to run the two sides of something on; the same twice where there is only one."""
        allowed = sorted(os.sched_getaffinity(0))
        return allowed[0], allowed[-1]

    def _pingpong(self) -> float:
        return float(_native.pingpong(self.scale(200_000), *self.cores).p50_ns)

    def _fdatasync(self) -> float:
        path = self.folder / "probe.fdatasync"
        blocks = self.scale(400)
        fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
        try:
            os.pwrite(fd, bytes(BLOCK * blocks), 0)
            os.fsync(fd)
            block, times = os.urandom(BLOCK), []
            for at in range(0, BLOCK * blocks, BLOCK):
                started = time.perf_counter_ns()
                os.pwrite(fd, block, at)
                os.fdatasync(fd)
                times.append(time.perf_counter_ns() - started)
            return float(statistics.median(times))
        finally:
            os.close(fd)
            path.unlink()

    def _tcp_echo(self) -> float:
        with subprocess.Popen([sys.executable, "-c", ECHO_SERVER], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            with socket.create_connection(("127.0.0.1", int(server.stdout.readline())), timeout=10) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                data, times = bytes(ECHO_BYTES), []
                for _ in range(self.scale(4000)):
                    started = time.perf_counter_ns()
                    client.sendall(data)
                    client.recv(ECHO_BYTES, socket.MSG_WAITALL)
                    times.append(time.perf_counter_ns() - started)
        return float(statistics.median(times))

    def _empty_call(self) -> float:
        def empty() -> None:
            pass

        rounds = self.scale(1_000_000)
        return min(timeit.repeat(empty, number=rounds, repeat=3)) / rounds * 1e9
