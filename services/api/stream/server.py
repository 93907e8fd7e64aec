"""The WebSocket service: listens, lets clients in within bounds, has them say who they are, ends those that must go.

connection ─▶ Connection (upgrade) ─▶ Client (frames, buffer) ─▶ StreamServer.handle ─┬▶ Following (channels)
                                                                                       └▶ Ordering (orders)
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

from picows import WSCloseCode

from services.api.desk import Desk
from services.api.http.listening import TlsListener
from services.api.hub import Hub
from services.api.keys import Keys, Signed
from services.api.problems import Problem
from services.api.sessions import Admitted, Tickets
from services.api.stream import answers, requests
from services.api.stream.admission import Admission, Origins
from services.api.stream.client import Client
from services.api.stream.connection import PATH, Connection
from services.api.stream.counters import Counters
from services.api.stream.following import Following
from services.api.stream.history import TapeHistory
from services.api.stream.ordering import Ordering
from services.api.stream.requests import Invalid
from services.api.stream.topic import Subscription
from tapewire.config import Api
from tapewire.errors import TransportError
from tapewire.logs import Logger

BACKLOG: Final = 4096
SWEEP_S: Final = 0.25
"""Between two looks at who is silent, slow, or does not end."""
LOG_EVERY_S: Final = 1.0
"""A line about refusals, at most so often."""


class StreamServer:
    """`await start()`, `await run(stop)`, `await drain()`; all on one loop. `port` is where it listens."""

    def __init__(
        self,
        api: Api,
        hub: Hub,
        history: TapeHistory,
        keys: Keys,
        tickets: Tickets,
        desk: Desk,
        now: Callable[[], int],
        log: Logger,
    ) -> None:
        """`now`: UTC ns."""
        self.limits = api.stream
        self.counters = Counters()
        self._api, self._keys, self._tickets, self._now, self._log = api, keys, tickets, now, log
        self._following = Following(hub, history, self.limits, self.counters, self._fail)
        self._ordering = Ordering(desk, self.limits.max_pending, now, self._fail, self.counters, log)
        self._admission: Admission[Connection] = Admission(self.limits)
        self._origins = Origins(api)
        self._clients: dict[Client, Connection] = {}
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time
        self._server: asyncio.Server | TlsListener | None = None
        self._port = 0
        self._draining = False
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._refused: dict[str, int] = {}
        self._logged = 0.0

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "not started"
        return self._port

    @property
    def topics(self) -> int:
        """Things that are followed."""
        return self._following.topics

    @property
    def clients(self) -> list[Client]:
        """Those whose connections were upgraded."""
        return list(self._clients)

    async def start(self) -> None:
        """Listens. Raises TransportError if the address cannot be bound, OSError if the certificate cannot be read."""
        host, port = self._api.stream_address
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Set here, connections inherit it: what a client may have under way to us is small, what we send it is bounded.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * self.limits.max_message_bytes)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.socket_buffer_bytes // 2)
        listener.setblocking(False)
        try:
            listener.bind(address)
        except OSError as error:
            listener.close()
            raise TransportError(f"api.stream_port: cannot listen on {host}:{port}: {error.strerror}") from error
        tls = self._tls()
        self._port = int(listener.getsockname()[1])
        if tls is None:
            self._server = await self._loop.create_server(self._connection, sock=listener, backlog=BACKLOG)
        else:
            listener.listen(BACKLOG)
            self._server = TlsListener(listener, self._connection, tls, self.limits.handshake_timeout, self._log)
            self._server.start()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: looks after clients. Raises what must not have happened anywhere in the service."""
        stopping = self._loop.create_task(stop.wait())
        try:
            while not stopping.done():
                await asyncio.wait((stopping, self._failed), timeout=SWEEP_S, return_when=asyncio.FIRST_COMPLETED)
                if self._failed.done():
                    self._failed.result()
                self.sweep()
        finally:
            stopping.cancel()

    async def drain(self) -> None:
        """No new clients; orders under way are answered; every client is told why it is closed."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        await self._ordering.drain()
        self._following.stop()
        for client in list(self._clients):
            client.close(WSCloseCode.GOING_AWAY, "the service ends; connect again in a moment, and resume")
        until = self.time() + self.limits.drain_timeout
        while self._clients and self.time() < until:
            await asyncio.sleep(0.01)
        for client in list(self._clients):
            client.abort()

    def sweep(self) -> None:
        """Ends who is silent, slow, or was told to go and does not."""
        now, limits = self.time(), self.limits
        for client in list(self._clients):
            if client.closing:
                if now - client.closed_at > limits.drain_timeout:
                    client.abort()
            elif client.author is None:
                if now - client.connected_at > limits.auth_timeout:
                    client.close(WSCloseCode.POLICY_VIOLATION, f"no auth within {limits.auth_timeout:g} s")
            elif self._login_ended(client):
                self._end_of_login(client)
            elif client.slow_since and now - client.slow_since > limits.slow_timeout:
                self.counters.dropped_slow += 1
                client.close(WSCloseCode.POLICY_VIOLATION, f"not read for {limits.slow_timeout:g} s: too slow")
            elif client.slow_since and not client.told_slow and now - client.slow_since > limits.slow_notice:
                client.slow(now - client.slow_since)
            elif now - client.heard > limits.idle_timeout:
                self.counters.dropped_idle += 1
                client.close(WSCloseCode.GOING_AWAY, f"nothing heard for {limits.idle_timeout:g} s")
            elif now - max(client.heard, client.pinged) > limits.idle_timeout / 2:
                client.ping(now)
        if self._refused and now - self._logged > LOG_EVERY_S:
            self._logged = now
            self._log.warning("refused", **self._refused)
            self._refused.clear()

    # -- connections

    def admit(self, connection: Connection) -> str:
        if self._draining:
            return "the service ends"
        why, oldest = self._admission.admit(connection, connection.address)
        if why:
            self.refuse("connections")
            return why
        if oldest is not None:
            self.refuse("evicted")
            oldest.abort()
        self.counters.connected += 1
        self._gauge()
        return ""

    def left(self, connection: Connection) -> None:
        self._admission.leave(connection)
        self._gauge()

    def refuse(self, why: str) -> None:
        self.counters.refused += 1
        self._refused[why] = self._refused.get(why, 0) + 1

    def foreign(self, origin: str, host: str) -> bool:
        return self._origins.foreign(origin, host)

    def make(self, connection: Connection, origin: str, host: str) -> Client:
        client = Client(self, connection.address, origin, host, self.time())
        self._clients[client] = connection
        return client

    # -- clients

    def handle(self, client: Client, asked: requests.Request, raw: bytes) -> None:
        if client.author is None:
            if not isinstance(asked, requests.Auth):
                raise Invalid("unauthenticated", 'the first message must be {"op":"auth",...}')
            self._authenticate(client, asked)
        elif self._login_ended(client):
            self._end_of_login(client)
        elif isinstance(asked, requests.Subscribe):
            self._following.follow(client, asked)
        elif isinstance(asked, requests.Unsubscribe):
            self._following.unfollow(client, asked.id)
        elif isinstance(asked, requests.Ping):
            pong = answers.Pong(str(self._now()))
            if asked.id is not None:
                pong.id = asked.id
            client.tell(pong)
        elif isinstance(asked, requests.Entered):
            self._ordering.enter(client, asked, raw)
        else:
            raise Invalid("invalid", "you have said already who you are", "op")

    def read_back(self, client: Client, subscription: Subscription) -> None:
        self._following.read_back(client, subscription)

    def uncongested(self, client: Client) -> None:
        self._loop.call_soon(self._catch_up, client)

    def wrong(self, error: Exception) -> None:
        self._log.error("message_failed", exc_info=error)

    def gone(self, client: Client) -> None:
        self._clients.pop(client, None)

    def _catch_up(self, client: Client) -> None:
        try:
            client.catch_up()
        except Exception as error:  # noqa: BLE001 - ends the service
            self._fail(error)

    def _authenticate(self, client: Client, asked: requests.Auth) -> None:
        """Raises Invalid."""
        try:
            author, login = self._proven(client, asked)
        except Problem as problem:
            self.counters.unauthenticated += 1
            self._refused["auth"] = self._refused.get("auth", 0) + 1
            raise Invalid(problem.body.reason or "unauthorized", problem.detail, problem.body.field or "") from None
        if not self._origins.allows(client.origin, client.host, author.origins):
            self.refuse("origin")
            raise Invalid("origin", f"{author.name} may not be used from pages of this origin")
        client.author, client.login = author, login
        self._admission.known(self._clients[client])
        self._gauge()
        visible = author.visible
        said = answers.Authenticated(
            author.name,
            sorted(author.scopes),
            self.limits.max_subscriptions,
            self.limits.max_message_bytes,
            int(self.limits.idle_timeout * 1000),
        )
        if visible is not None:
            said.accounts = sorted(visible)
        client.tell(said)

    def _login_ended(self, client: Client) -> bool:
        return client.login is not None and not client.login.lasts(self._now())

    def _end_of_login(self, client: Client) -> None:
        client.close(WSCloseCode.POLICY_VIOLATION, "the login that it was opened with has ended")

    def _proven(self, client: Client, asked: requests.Auth) -> Admitted:
        """Raises Problem."""
        now = self._now()
        if asked.ticket is not None:
            return self._tickets.take(asked.ticket, now)
        signed = Signed(asked.key, asked.timestamp, asked.nonce, asked.signature, "GET", PATH.decode(), b"")
        return Admitted(self._keys.verify(signed, now, client.address), None)

    # -- helpers

    def _connection(self) -> Connection:
        return Connection(self, self.limits.max_message_bytes, self.limits.handshake_timeout)

    def _tls(self) -> ssl.SSLContext | None:
        if not self._api.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._api.certificate, self._api.private_key)
        return context

    def _gauge(self) -> None:
        self.counters.clients = len(self._admission)
        self.counters.unknown = self._admission.unknown

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)
