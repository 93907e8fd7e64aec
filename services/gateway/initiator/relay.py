"""Bytes from the session layer on loopback to the venue and back, by TLS with SNI.

    session layer ──▶ 127.0.0.1:port ── relay ──TLS──▶ host:port of the venue, its certificate verified

One connection at a time. The session layer's own TLS, where a build has it, neither sends SNI nor verifies names.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tapewire.config.venues import Venue
from tapewire.errors import ConfigError

CHUNK: Final = 1 << 16
CONNECT_TIMEOUT_S: Final = 10.0


def tls_context(ca_file: Path) -> ssl.SSLContext:
    """TLS 1.2 or later, certificate and name verified. Raises ConfigError if the file is no PEM."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file != Path() else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca_file}: expected certificates in PEM: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Relay:
    """A thread of its own. `port` is where the session layer connects."""

    def __init__(self, venue: Venue, on_trouble: Callable[[str], None]) -> None:
        """`on_trouble` is told, on the relay's thread, why the venue could not be reached."""
        self._venue, self._on_trouble = venue, on_trouble
        self._context = tls_context(venue.ca_file) if venue.tls else None
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._current: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def close(self) -> None:
        """Ends every connection."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        if self._current is not None:
            self._current.cancel()
            await asyncio.gather(self._current, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._current is not None:
            self._current.cancel()
        self._current = asyncio.current_task()
        try:
            await self._join(reader, writer)
        except asyncio.CancelledError:
            pass  # another connection took its place, or this is the end
        except (OSError, TimeoutError, ssl.SSLError) as error:
            self._on_trouble(self._named(error))
        finally:
            writer.transport.abort()
            if self._current is asyncio.current_task():
                self._current = None

    def _named(self, error: Exception) -> str:
        venue = self._venue
        what = "no answer in time" if isinstance(error, TimeoutError) and not str(error) else str(error)
        return f"{venue.host}:{venue.port} cannot be reached: {what}"

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        venue = self._venue
        name = venue.sni if self._context is not None else None
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            out_reader, out_writer = await asyncio.open_connection(
                venue.host, venue.port, ssl=self._context, server_hostname=name, limit=CHUNK
            )
        try:
            ways = [asyncio.create_task(_carry(reader, out_writer)), asyncio.create_task(_carry(out_reader, writer))]
            try:
                done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
            finally:
                for one in ways:
                    one.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            out_writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end of one side; a side that reads slowly holds the other up."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    await writer.drain()
