"""The thin shell: sockets and the clock. A port for each endpoint of FIX (TCP or TLS), one for control (HTTP).

socket ──▶ venue.received ──▶ venue.take ──▶ socket        a client that does not read is cut off
clock ───▶ venue.step ───────▶ venue.take ──▶ all sockets
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, cast
from urllib.parse import parse_qsl, urlsplit

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from services.simulator.fix_venue import control
from services.simulator.fix_venue.dialect import Endpoint
from services.simulator.fix_venue.faults import FaultRequestError
from services.simulator.fix_venue.venue import FixVenue, Link
from tapewire import logs
from tapewire.errors import ConfigError

TICK_S = 0.005
MAX_UNSENT_BYTES = 8 << 20
ENDPOINTS: Final[tuple[Endpoint, ...]] = ("orders", "market-data", "drop-copy")

log = logs.get("fix venue")


class Connection(asyncio.Protocol):
    """One TCP connection to a FIX port."""

    def __init__(self, server: FixServer, endpoint: Endpoint) -> None:
        self._server, self._endpoint = server, endpoint
        self.transport: asyncio.Transport | None = None
        self.link: Link | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.link = self._server.venue.connect(time.time_ns(), self._endpoint)
        if self.link is None:
            self.transport.abort()
        else:
            self._server.connections[self.link] = self

    def data_received(self, data: bytes) -> None:
        if self.link is None:
            return
        now = time.time_ns()
        try:
            self._server.venue.received(self.link, data, now)
        except Exception as error:
            # The event loop would drop the connection and go on: a bug must end the venue, as one in a step does.
            self._server.failure = error
            raise
        self.flush(now)

    def connection_lost(self, error: Exception | None) -> None:
        if self.link is not None:
            self._server.connections.pop(self.link, None)
            self._server.venue.lost(self.link, time.time_ns())
            self.link = None

    def flush(self, now: int) -> None:
        """Sends what is due."""
        if self.link is None or self.transport is None:
            return
        for item in self._server.venue.take(self.link, now):
            if isinstance(item, bytes):
                self.transport.write(item)
            elif item.abort:
                self.transport.abort()
            else:
                self.transport.close()
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            log.warning("slow client cut off", client=self.link.name)
            self.transport.abort()


class FixServer:
    """A venue on its ports. An async context manager; `port` and `control_port` are known within."""

    def __init__(
        self,
        venue: FixVenue,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        control_port: int = 0,
        tls: ssl.SSLContext | None = None,
        also: Sequence[Callable[[int], None]] = (),
    ) -> None:
        """`also`: called with the time at each tick."""
        self.venue, self.host, self.port, self.control_port = venue, host, port, control_port
        self.connections: dict[Link, Connection] = {}
        self.failure: Exception | None = None
        """Of a connection: raised by the next tick."""
        self._tls, self._also = tls, also
        self.ports: dict[Endpoint, int] = {}
        """By endpoint; `port` is that for orders."""
        self._listeners: list[asyncio.Server] = []
        self._control: Server | None = None
        self._clock: asyncio.Task[None] | None = None

    async def __aenter__(self) -> FixServer:
        loop = asyncio.get_running_loop()
        try:
            for endpoint in sorted(self.venue.dialect.endpoints, key=ENDPOINTS.index):
                port = self.port if endpoint == "orders" else 0
                listener = await loop.create_server(
                    partial(Connection, self, endpoint), self.host, port, ssl=self._tls, reuse_address=True
                )
                self._listeners.append(listener)
                self.ports[endpoint] = int(listener.sockets[0].getsockname()[1])
            self._control = await serve(
                _refuse_websocket, self.host, self.control_port, process_request=self._answer, compression=None
            )
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {self.host}:{self.port}, {self.control_port}: {error}. Stop the process that has "
                "the port, or leave the option away to take a free one"
            ) from error
        self.port = self.ports["orders"]
        self.control_port = int(next(iter(self._control.sockets)).getsockname()[1])
        self._clock = loop.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._control is not None
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        for connection in list(self.connections.values()):
            if connection.transport is not None:
                connection.transport.abort()
        for listener in self._listeners:
            await listener.wait_closed()
        self._control.close()
        await self._control.wait_closed()

    async def wait(self) -> None:
        """Until the clock fails, which it never should: a bug then ends the process loudly."""
        assert self._clock is not None
        await asyncio.shield(self._clock)

    async def _run(self) -> None:
        while True:
            now = time.time_ns()
            self.step(now)
            await asyncio.sleep(TICK_S)

    def step(self, now: int) -> None:
        """One tick."""
        if self.failure is not None:
            raise self.failure
        for also in self._also:
            also(now)
        self.venue.step(now)
        for connection in list(self.connections.values()):
            connection.flush(now)

    def fault(self, name: str, **query: object) -> dict[str, object]:
        """What `POST /_sim/<name>` does. Raises FaultRequestError."""
        now = time.time_ns()
        answer = self.venue.control(name, {key: str(value) for key, value in query.items()}, now)
        for connection in list(self.connections.values()):
            connection.flush(now)
        return answer

    def _answer(self, _: ServerConnection, request: Request) -> Response:
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        name = url.path.removeprefix("/_sim/")
        if not url.path.startswith("/_sim/"):
            return _response(404, {"error": f"nothing at {url.path}; expected /_sim/…"})
        if request.method == "POST":
            try:
                return _response(200, self.fault(name, **query))
            except FaultRequestError as error:
                return _response(400, {"error": str(error)})
        if name == "status":
            return _response(200, control.status(self.venue))
        if name == "orders":
            return _response(200, control.orders(self.venue, query.get("client", "")))
        return _response(404, {"error": "expected GET /_sim/status or /_sim/orders, or POST /_sim/<fault>"})


def tls_context(certificate: Path, key: Path, name: str = "") -> ssl.SSLContext:
    """TLS of the server. `name`: clients must name it (SNI), or the handshake fails. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"--certificate {certificate}, --key {key}: {error}. Name a PEM certificate and its key"
        ) from None

    def named(_: ssl.SSLObject, given: str | None, __: ssl.SSLContext) -> int | None:
        return None if given == name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    if name:
        context.sni_callback = named
    return context


async def _refuse_websocket(connection: ServerConnection) -> None:
    """Never reached: every request is answered before."""


def _response(status: int, body: object) -> Response:
    raw = orjson.dumps(body, option=orjson.OPT_INDENT_2)
    headers = Headers([("Content-Type", "application/json"), ("Connection", "close")])
    headers["Content-Length"] = str(len(raw))
    return Response(status, HTTPStatus(status).phrase, headers, raw)
