"""A client without a library: it can send what no library would."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.stream.world import PATIENCE_S, World, signed

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)
TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


def frame(payload: bytes, kind: int = TEXT, *, ends: bool = True, masked: bool = True, bits: int = 0) -> bytes:
    """One frame; `bits`: the reserved ones."""
    head = bytes([(0x80 if ends else 0) | bits | kind])
    mask = os.urandom(4) if masked else b""
    flag = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([flag | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([flag | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([flag | 127]) + struct.pack(">Q", len(payload))
    if masked:
        payload = bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))
    return head + mask + payload


class Raw:
    """A TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def upgrade(self, path: str = "/v1/stream", host: str = "127.0.0.1", more: str = "") -> str:
        """The head of the answer."""
        key = base64.b64encode(os.urandom(16)).decode()
        await self.send(UPGRADE.format(path=path, host=host, key=key, more=more).encode())
        return (await self.until(b"\r\n\r\n")).decode()

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(end)

    async def frame(self) -> tuple[int, bytes]:
        """The next one: its kind and its payload."""
        async with asyncio.timeout(PATIENCE_S):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                [length] = struct.unpack(">H", await self.reader.readexactly(2))
            elif length == 127:
                [length] = struct.unpack(">Q", await self.reader.readexactly(8))
            return first & 0xF, await self.reader.readexactly(length)

    async def message(self) -> dict[str, Any]:
        kind, payload = await self.frame()
        assert kind == TEXT, (kind, payload)
        found: dict[str, Any] = json.loads(payload)
        return found

    async def close_reason(self) -> tuple[int, str]:
        """Of the closing frame, whatever comes before it."""
        while True:
            kind, payload = await self.frame()
            if kind == CLOSE:
                return struct.unpack(">H", payload[:2])[0], payload[2:].decode()

    async def ended(self) -> bytes:
        """What came until the other side closed."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read(-1)
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def connection(world: World) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.stream.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def known(world: World, name: str = "trader") -> AsyncIterator[Raw]:
    """One that has said who it is."""
    async with connection(world) as raw:
        assert "101" in await raw.upgrade()
        await raw.send(frame(json.dumps(signed(name)).encode()))
        assert (await raw.message())["op"] == "auth"
        yield raw
