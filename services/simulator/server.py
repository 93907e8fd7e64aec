"""The thin shell: one event loop, one port per venue; sockets, the clock, and nothing else.

socket ──▶ session.on_text ──▶ session.out ──▶ socket       a client that does not read is cut off
clock ───▶ venue.step ────────▶ every session.out
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Event, State

from services.simulator.venue import ABNORMAL, Answer, Close, Ping, Session, Venue
from tapewire import logs
from tapewire.errors import ConfigError

TICK_S = 0.01
MAX_UNSENT_BYTES = 8 << 20  # per client, beyond what the kernel holds; more, and it is cut off
MAX_MESSAGE_BYTES = 64 << 10  # from a client
CLOSE_TIMEOUT_S = 2.0
MAX_WAIT_NS = 5_000_000_000

log = logs.get("simulator")


class Connection(ServerConnection):
    """Also tells its session of control frames, which the library answers by itself."""

    session: Session | None = None

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        if self.session is not None and isinstance(event, Frame):
            if event.opcode is Opcode.PING:
                self.session.on_ping(time.time_ns())
            elif event.opcode is Opcode.PONG:
                self.session.on_pong(bytes(event.data), time.time_ns())

    @property
    def address(self) -> str:
        peer = self.remote_address
        return str(peer[0]) if peer else ""


class Endpoint:
    """One venue on one port."""

    def __init__(self, venue: Venue, max_unsent: int = MAX_UNSENT_BYTES) -> None:
        self.venue = venue
        self._max_unsent = max_unsent
        self.cut_off = 0
        self._backlog_since = 0
        self._connections: dict[Session, Connection] = {}
        self._server: Server | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port. Raises ConfigError if it is taken, or may not be listened on."""
        name = self.venue.name
        try:
            self._server = await serve(
                self._handle,
                host,
                port,
                create_connection=Connection,
                process_request=self._request,
                compression=None,
                ping_interval=None,  # each venue pings in its own way, or not at all
                max_size=MAX_MESSAGE_BYTES,
                close_timeout=CLOSE_TIMEOUT_S,
            )
        except OSError as error:
            raise ConfigError(
                f"{name}: cannot listen on {host}:{port}: {error}. Stop the process that has the port, or leave "
                f"--port {name} away to take a free one"
            ) from error
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def step(self, now_ns: int) -> None:
        self.venue.step(now_ns, self._backlog(now_ns))
        for session in list(self._connections):
            self._flush(session)

    @property
    def sessions(self) -> list[Session]:
        """Who is connected here."""
        return list(self._connections)

    def _backlog(self, now_ns: int) -> bool:
        """Whether a recording should wait for its readers; not for longer than MAX_WAIT_NS at a time."""
        unsent = max((c.transport.get_write_buffer_size() for c in self._connections.values()), default=0)
        if unsent <= self._max_unsent // 8:
            self._backlog_since = now_ns
        return unsent > self._max_unsent // 8 and now_ns - self._backlog_since < MAX_WAIT_NS

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        answer = self._route(connection, request, url.path, query)
        return None if answer is None else _response(answer)

    def _route(
        self, connection: ServerConnection, request: Request, path: str, query: Mapping[str, str]
    ) -> Answer | None:
        now = time.time_ns()
        address = connection.address if isinstance(connection, Connection) else ""
        if path.startswith("/_sim/") and request.method == "POST":
            answer = self.venue.control(path.removeprefix("/_sim/"), query, now)
            for session in list(self._connections):
                self._flush(session)
            return answer
        if request.method != "GET":
            return Answer(405, b"expected GET, or POST /_sim/<fault>", ())
        if "websocket" in request.headers.get("Upgrade", "").lower() and isinstance(connection, Connection):
            accepted = self.venue.connect(path, query, address, now)
            if isinstance(accepted, Answer):
                return accepted
            connection.session = accepted
            return None
        found = self.venue.inspect(path, query) or self.venue.rest(path, query, address, now)
        return found or Answer(404, f"{self.venue.name}: nothing at {path}".encode(), ())

    async def _handle(self, connection: ServerConnection) -> None:
        if not isinstance(connection, Connection) or connection.session is None:
            return
        session = connection.session
        self._connections[session] = connection
        self.venue.opened(session, time.time_ns())
        self._flush(session)
        try:
            async for message in connection:
                if not session.closed:
                    session.on_text(message, time.time_ns())
                    self._flush(session)
        except ConnectionClosed:
            pass  # the client went without a closing handshake: nothing to do but forget it
        finally:
            del self._connections[session]
            self.venue.gone(session)

    def _flush(self, session: Session) -> None:
        connection = self._connections.get(session)
        if connection is None or not session.out:
            return
        actions, session.out = session.out, []
        for action in actions:
            if isinstance(action, bytes):
                broadcast((connection,), action, text=True)
            elif isinstance(action, Ping):
                if connection.state is State.OPEN:
                    connection.protocol.send_ping(action.payload)
                    connection.send_data()
            elif action.code == ABNORMAL:
                connection.transport.abort()
            else:
                self._close(connection, action)
        if connection.transport.get_write_buffer_size() > self._max_unsent:
            self.cut_off += 1
            session.closed = True
            log.warning("slow client cut off", venue=self.venue.name, address=connection.address)
            connection.transport.abort()

    def _close(self, connection: Connection, close: Close) -> None:
        task = asyncio.get_running_loop().create_task(connection.close(close.code, close.reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class Simulator:
    """All endpoints of a process, and the clock that moves them. An async context manager."""

    def __init__(
        self, venues: Iterable[Venue], host: str = "127.0.0.1", ports: Mapping[str, int] | None = None
    ) -> None:
        self.endpoints = {venue.name: Endpoint(venue) for venue in venues}
        self._host, self._wanted = host, ports or {}
        self.ports: dict[str, int] = {}
        self._clock: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Simulator:
        for name, endpoint in self.endpoints.items():
            self.ports[name] = await endpoint.start(self._host, self._wanted.get(name, 0))
        self._clock = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        await asyncio.gather(*(endpoint.stop() for endpoint in self.endpoints.values()))

    async def wait(self) -> None:
        """Until the clock fails, which it never should: a bug in a market then ends the process loudly."""
        assert self._clock is not None
        await asyncio.shield(self._clock)

    async def _run(self) -> None:
        while True:
            now = time.time_ns()
            for endpoint in self.endpoints.values():
                endpoint.step(now)
            await asyncio.sleep(TICK_S)


def _response(answer: Answer) -> Response:
    headers = Headers([("Date", formatdate(usegmt=True)), ("Connection", "close"), *answer.headers])
    headers["Content-Length"] = str(len(answer.body))
    return Response(answer.status, HTTPStatus(answer.status).phrase, headers, answer.body)
