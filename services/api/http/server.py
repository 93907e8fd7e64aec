"""The listening socket and the connections it gave: how many, from where, and how they end."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections import Counter
from typing import Final

from services.api.http.connection import Connection, Handler
from services.api.http.listening import TlsListener
from tapewire.config import Api
from tapewire.errors import ConfigError, TransportError
from tapewire.logs import Logger
from tapewire.pem import unreadable

SWEEP_S: Final = 0.25
"""Between two looks at what took too long."""
BACKLOG: Final = 512


class HttpServer:
    def __init__(self, settings: Api, handle: Handler, log: Logger) -> None:
        self._settings, self._handle, self._log = settings, handle, log
        self._connections: set[Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._server: asyncio.Server | TlsListener | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self.refused = 0
        """Connections beyond the bounds."""

    def __len__(self) -> int:
        return len(self._connections)

    async def start(self) -> None:
        """Raises TransportError if nobody can listen there, ConfigError for what is no certificate."""
        own = self._settings
        scheme, context = "https" if own.tls else "http", tls_context(own)

        def make() -> Connection:
            return Connection(own, self._handle, self._opened, scheme)

        try:
            if context is None:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(make, own.host, own.port, backlog=BACKLOG, reuse_address=True)
            else:
                self._server = TlsListener(listen(own.host, own.port), make, context, own.head_timeout, self._log)
                self._server.start()
        except OSError as error:
            # The loop's own text tells the address once more.
            why = os.strerror(error.errno or 0)
            raise TransportError(f"api.port: cannot listen on {own.host}:{own.port}: {why}") from error
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self, drain_timeout: float) -> None:
        """Answers what was asked, for so many seconds; then closes."""
        if self._server is None or self._sweeper is None:
            return
        self._server.close()
        for one in list(self._connections):
            one.drain()
        end = time.monotonic() + drain_timeout
        while self._connections and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for one in list(self._connections):
            one.abort()
        self._sweeper.cancel()

    def _opened(self, one: Connection) -> bool:
        own = self._settings
        if (
            len(self._connections) >= own.max_connections
            or self._by_address[one.address] >= own.max_connections_per_address
        ):
            self.refused += 1
            return False
        self._connections.add(one)
        self._by_address[one.address] += 1
        one.closed = self._closed
        return True

    def _closed(self, one: Connection) -> None:
        self._connections.discard(one)
        self._by_address[one.address] -= 1
        if not self._by_address[one.address]:
            del self._by_address[one.address]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            for one in list(self._connections):
                one.expire(now)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, kind)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError:
        found.close()
        raise
    return found


def tls_context(settings: Api) -> ssl.SSLContext | None:
    """TLS 1.2 or later with the certificate of the settings; None: plain. Raises ConfigError."""
    if not settings.tls:
        return None
    if why := unreadable({"api.certificate": settings.certificate, "api.private_key": settings.private_key}):
        raise ConfigError(why)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.private_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"api.certificate: {settings.certificate} with {settings.private_key}: {error}") from error
    return context
