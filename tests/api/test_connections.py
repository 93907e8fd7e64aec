"""Connections of clients that mean no good: what they can hold, and how long the loop is kept from others."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from services.api.http.connection import Handler
from services.api.http.listening import MAX_HANDSHAKES_PER_ADDRESS, TlsListener
from services.api.http.messages import Reply, Request
from services.api.http.server import HttpServer
from tapewire.config import Api
from tapewire.logs import configure
from tests.fix.certificates import self_signed
from tools.services.ports import free_port

LARGE = bytes(16 << 20)
"""More than the kernel takes for a client that does not read."""
ASK = b"GET / HTTP/1.1\r\n\r\n"
PATIENCE_S = 30.0


async def small(_: Request) -> Reply:
    return Reply(200, b"{}")


@asynccontextmanager
async def served(handle: Handler, **settings: float | Path) -> AsyncIterator[tuple[HttpServer, int]]:
    port = free_port()
    server = HttpServer(Api(port=port, **settings), handle, configure("test"))  # type: ignore[arg-type]
    await server.start()
    try:
        yield server, port
    finally:
        await server.stop(0.0)


def connected(port: int) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", port))
    return one


async def left(server: HttpServer) -> int:
    """Connections once they had time to end."""
    deadline = time.monotonic() + PATIENCE_S
    while len(server) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return len(server)


async def test_whoever_does_not_read_its_last_reply_loses_the_connection() -> None:
    asked = asyncio.Event()

    async def large(_: Request) -> Reply:
        asked.set()
        return Reply(200, LARGE)

    async with served(large, idle_timeout=0.2) as (server, port):
        with connected(port) as one:
            one.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            await asyncio.wait_for(asked.wait(), PATIENCE_S)
            assert len(server) == 1
            assert await left(server) == 0


async def test_what_breaks_off_behind_a_large_reply_is_not_kept() -> None:
    answering = asyncio.Event()

    async def large(_: Request) -> Reply:
        await asyncio.sleep(0.1)
        answering.set()
        return Reply(200, LARGE)

    async with served(large, idle_timeout=0.3) as (server, port):
        with connected(port) as one:
            one.sendall(ASK)
            await asyncio.wait_for(answering.wait(), PATIENCE_S)
            one.sendall(ASK + b"no HTTP\r\n\r\n")
            assert await left(server) == 0


async def test_many_requests_at_once_wait_in_the_socket() -> None:
    """None is lost, the answers keep their order, and the loop has its turn in between."""
    count, order = 5000, 0

    async def numbered(request: Request) -> Reply:
        nonlocal order
        order += 1
        assert request.target == f"/{order}"
        return Reply(200, b"")

    async with served(numbered) as (_, port):
        longest, ends = 0.0, False

        async def watch() -> None:
            nonlocal longest
            while not ends:
                began = time.thread_time()  # what the loop does, not what else the machine does
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - began)

        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.01)
        gc.disable()  # a collection of all that other tests left would be a turn of its own
        watching = asyncio.create_task(watch())
        writer.write(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(1, count + 1)))
        answers, found = b"", 0
        try:
            while found < count:
                answers += await asyncio.wait_for(reader.read(1 << 16), PATIENCE_S)
                found += answers.count(b"HTTP/1.1 200")
                answers = answers[-10:]
        finally:
            ends = True
            await watching
            gc.enable()
        writer.close()
        assert found == count
        assert longest < 0.02


async def test_half_open_handshakes_are_bounded(tmp_path: Path) -> None:
    """Also of one address: another one still comes in."""
    chain, key = self_signed(tmp_path, "localhost")
    trusted = ssl.create_default_context(cafile=str(chain))
    async with served(small, certificate=chain, private_key=key, head_timeout=3.0) as (server, port):
        before = open_files()
        silent = [connected(port) for _ in range(MAX_HANDSHAKES_PER_ADDRESS + 50)]
        listener = server._server
        assert isinstance(listener, TlsListener)
        await until(lambda: listener.refused == 50)
        assert open_files() - before - len(silent) <= MAX_HANDSHAKES_PER_ADDRESS
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusted, server_hostname="localhost", local_addr=("127.0.0.2", 0)
        )
        writer.write(ASK)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert len(server) == 1
        writer.close()
        await until(lambda: open_files() - before - len(silent) <= 2)  # who did not shake hands in time has gone
        for one in silent:
            one.close()


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.01)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
