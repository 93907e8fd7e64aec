"""Orders through the API: signed POST requests at their intended times, over a number of connections.

A connection carries one request at a time. When all are busy, what is due waits for the first that comes free, and its
corrected latency has that wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import orjson

from tapewire.errors import ConfigError, TransportError
from tapewire.load.measure import Recorder
from tapewire.load.schedule import Step, intended

LARGEST: Final = 1 << 20
"""Bytes of an answer."""
PATH: Final = "/v1/orders"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for again and again, each time with a ClOrdID of its own."""

    account: int
    ticker: str
    price: str
    qty: str

    def body(self, cl_ord_id: str) -> bytes:
        return orjson.dumps(
            {
                "cl_ord_id": cl_ord_id,
                "account": self.account,
                "ticker": self.ticker,
                "side": "buy",
                "type": "limit",
                "price": self.price,
                "qty": self.qty,
                "time_in_force": "ioc",
            }
        )


@dataclass(frozen=True, slots=True)
class Target:
    """An API and a key of it. `sign` makes the signature (base64) of a text."""

    url: str
    key: str
    sign: Callable[[str], str]

    def request(self, body: bytes) -> bytes:
        parts = urlsplit(self.url)
        path = f"{parts.path.rstrip('/')}{PATH}"
        stamp, nonce = str(time.time_ns() // 1_000_000), secrets.token_hex(12)
        signature = self.sign(f"{stamp}\n{nonce}\nPOST\n{path}\n{hashlib.sha256(body).hexdigest()}")
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nTapewire-Key: {self.key}\r\nTapewire-Timestamp: {stamp}\r\n"
            f"Tapewire-Nonce: {nonce}\r\nTapewire-Signature: {signature}\r\n\r\n"
        )
        return head.encode("latin-1") + body


class Connection:
    """One request at a time over one connection, made again when the other side has closed it."""

    def __init__(self, host: str, port: int, tls: bool) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> int:
        """Returns the status. Raises OSError, or TransportError for an answer that is no HTTP."""
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, ssl=True if self._tls else None
            )
        assert self._reader is not None
        self._writer.write(request)
        await self._writer.drain()
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            status, length, ends = _head(head)
            await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            await self.close()
            raise TransportError(f"{self._host}:{self._port}: ended in the middle of an answer") from error
        if ends:
            await self.close()
        return status

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _head(raw: bytes) -> tuple[int, int, bool]:
    """Status, length of the body, whether the connection ends with it. Raises TransportError."""
    lines = raw.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    try:
        status, length = int(lines[0].split()[1]), int(fields.get("content-length", "0"))
    except (IndexError, ValueError) as error:
        raise TransportError(f"expected an answer of HTTP/1.1, found {lines[0][:80]!r}") from error
    if not 0 <= length <= LARGEST or "transfer-encoding" in fields:
        raise TransportError(f"expected an answer with a length up to {LARGEST:,} bytes, found {fields}")
    return status, length, fields.get("connection", "").lower() == "close"


async def run(
    target: Target,
    order: Order,
    steps: list[Step],
    *,
    connections: int,
    patience_s: float = 5.0,
    progress: Progress = lambda done, total: None,
) -> Recorder:
    """As ring.run, over HTTP. Refused is every status but 200 and 201. Raises OSError, TransportError."""
    parts = urlsplit(target.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"url {target.url!r}: expected one such as http://127.0.0.1:8080")
    tls = parts.scheme == "https"
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(Connection(parts.hostname, parts.port or (443 if tls else 80), tls))
    recorder, total = Recorder(steps), sum(step.orders for step in steps)
    run_id = secrets.token_hex(4)
    begin = time.monotonic_ns()

    async def send(connection: Connection, name: str, request: bytes) -> None:
        status = await connection.ask(request)
        recorder.answered(name, time.monotonic_ns(), refused=status not in (200, 201))
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as tasks:
        for number, (step, offset) in enumerate(intended(steps)):
            due = begin + offset
            if (left := due - time.monotonic_ns()) > 0:
                await asyncio.sleep(left / 1e9)
            connection = await free.get()
            name = f"load-{run_id}-{number}"
            now = time.monotonic_ns()
            recorder.sent(name, step, due, now)
            tasks.create_task(asyncio.wait_for(send(connection, name, target.request(order.body(name))), patience_s))
            if number % 64 == 0:
                progress(number, total)
    while not free.empty():
        await free.get_nowait().close()
    return recorder
