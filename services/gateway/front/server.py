"""The front: takes connections within bounds, has each Logon judged, joins the admitted ones to the session layer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from services.gateway.front.admission import NS, Admission, Candidate, Refusal
from services.gateway.front.flow import Flow
from services.gateway.front.pipe import Backend, Client
from services.gateway.front.tls import Certificate
from tapewire.clock import Clock
from tapewire.config import Gateway, GatewaySession
from tapewire.errors import ConfigError, CredentialError, TransportError
from tapewire.fix.auth import for_the_backend, front_token
from tapewire.fix.message import Message, build, printable
from tapewire.fix.timestamps import Stamp
from tapewire.lifecycle import Background
from tapewire.logs import Logger
from tapewire.pem import unreadable

LOGS_A_SECOND: Final = 10  # refusals that get a line; the others are counted only
MOST_CHECKING: Final = 16  # passwords that wait to be hashed, at 50 ms of CPU each
LISTEN_BACKLOG: Final = 4096
RECEIVE_BYTES: Final = 1 << 16  # that the kernel keeps of a client, about
OUT_OF_FILES_PAUSE_S: Final = 0.1
BACKEND_ENDS_S: Final = 2.0  # for the session layer to end a connection whose client is gone
LINGER_S: Final = 2.0  # for a Logout to reach a client that reads slowly


class Front:
    """`await start()`, `await drain()`. All on one event loop; nothing here waits for a client."""

    def __init__(
        self,
        gateway: Gateway,
        admission: Admission,
        token: Path,
        clock: Clock,
        log: Logger,
        backlog: Callable[[GatewaySession, int], None] | None = None,
    ) -> None:
        """`token`: the file the gateway makes; `backlog` is told the bytes that wait for a session's client."""
        self.gateway, self.admission = gateway, admission
        self._token, self._clock, self._log, self._backlog = token, clock, log, backlog
        self._clients: dict[int, Client] = {}
        self._backends: dict[int, Backend] = {}  # by session: the last connection to the session layer
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._tasks = Background(self._failed)
        self._slow = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scrypt")
        self._certificate: Certificate | None = None
        self._listener: socket.socket | None = None
        self._stamp = Stamp()
        self._logged: tuple[int, int] = (0, 0)
        self._checking = 0
        self.failure: BaseException | None = None
        """What must not have happened in the background. Whoever runs the front looks, and stops."""

    @property
    def port(self) -> int:
        """Where it listens: gateway.port, or what the system chose for 0."""
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    async def start(self) -> None:
        """Listens. Raises TransportError if the address cannot be bound, or the certificate is none;
        ConfigError if a file of it cannot be read."""
        own = self.gateway
        if why := unreadable({"gateway.certificate": own.certificate, "gateway.private_key": own.private_key}):
            raise ConfigError(why)
        if own.tls:
            try:
                self._certificate = Certificate(self.gateway, self._log)
            except OSError as error:  # of which ssl.SSLError is one
                raise TransportError(
                    f"gateway.certificate, gateway.private_key: {self.gateway.certificate}, {self.gateway.private_key} "
                    f"cannot be used: {error.strerror or error}"
                ) from error
        try:
            self._listener = self._listening()
        except OSError as error:
            at = f"{self.gateway.host}:{self.gateway.port}"
            raise TransportError(f"gateway.host, gateway.port: cannot listen on {at}: {error.strerror}") from error
        self._tasks.begin(self._accept(self._listener))

    def _listening(self) -> socket.socket:
        infos = socket.getaddrinfo(self.gateway.host, self.gateway.port, type=socket.SOCK_STREAM)
        listener = socket.socket(infos[0][0], socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # What is read slowly waits in the kernel, megabytes of it for everybody if that is left to itself.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            listener.setblocking(False)
            listener.bind(infos[0][4])
            listener.listen(LISTEN_BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    async def drain(self) -> None:
        """Takes nobody any more, waits for those that are on to log out, closes what is left after drain_timeout."""
        self.admission.draining = True
        deadline = asyncio.get_running_loop().time() + self.gateway.drain_timeout
        while self.admission.live and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for client in list(self._clients.values()):
            client.cut()
        self._tasks.cancel()
        await self._tasks.ended()
        if self._listener is not None:
            self._listener.close()
        self._slow.shutdown(wait=False, cancel_futures=True)

    # -- connections

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)  # taking one that waits does not yield: a flood would be all there is
            try:
                sock, peer = await loop.sock_accept(listener)
            except OSError as error:  # out of files, or gone before it was taken
                self._log.warning("a connection could not be taken", error=error.strerror)
                await asyncio.sleep(OUT_OF_FILES_PAUSE_S)
                continue
            connection, oldest = self.admission.connect(peer[0])
            if oldest and (evicted := self._clients.pop(oldest, None)) is not None:
                self._cancel_timer(oldest)
                evicted.abort()
            if not connection:
                sock.close()
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(self, connection, peer[0], sock)
            self._clients[connection] = client
            self._timers[connection] = loop.call_later(self.gateway.logon_timeout, self.end, client, "timed_out")
            self._tasks.begin(self._welcome(client, sock))

    async def _welcome(self, client: Client, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        context = self._certificate.context(loop.time()) if self._certificate else None
        timeout = self.gateway.logon_timeout if context else None
        try:
            await loop.connect_accepted_socket(lambda: client, sock, ssl=context, ssl_handshake_timeout=timeout)
        except (TimeoutError, OSError, ssl.SSLError):
            sock.close()
            if self.holds(client):
                self.admission.counts["tls_failed"] += 1
                self.lost(client)

    def holds(self, client: Client) -> bool:
        return self._clients.get(client.connection) is client

    def end(self, client: Client, counter: str) -> None:
        """Ends a connection without a word: there is nobody to talk to, or nothing that would be understood."""
        if self.holds(client):
            self.admission.counts[counter] += 1
            self._say("connection ended", client, counter)
            self.lost(client)
            client.abort()

    def lost(self, client: Client) -> None:
        """The connection is gone."""
        if self.holds(client):
            del self._clients[client.connection]
            self._cancel_timer(client.connection)
            self.admission.close(client.connection)

    # -- logons

    def logon(self, client: Client, logon: Message) -> None:
        """The Logon of a client, whole and with a right checksum."""
        now = self._clock.now()
        arrived = asyncio.get_running_loop().time()
        self._cancel_timer(client.connection)
        verdict = self.admission.attempt(logon, client.address, now)
        if isinstance(verdict, Refusal):
            self._refuse(client, logon, verdict, arrived)
        elif verdict.credential.slow and self._checking >= MOST_CHECKING:
            self._refuse(client, logon, self.admission.busy(), arrived)
        elif verdict.credential.slow:
            self._checking += 1  # here, and not when the task first runs: a burst is one turn of the loop
            self._tasks.begin(self._judge_slowly(client, logon, verdict, now, arrived))
        else:
            self._conclude(client, logon, verdict, now, arrived, verdict.credential.proves(logon))

    async def _judge_slowly(
        self, client: Client, logon: Message, candidate: Candidate, now: int, arrived: float
    ) -> None:
        try:
            proven = await asyncio.get_running_loop().run_in_executor(self._slow, candidate.credential.proves, logon)
        finally:
            self._checking -= 1
        self._conclude(client, logon, candidate, now, arrived, proven)

    def _conclude(
        self, client: Client, logon: Message, candidate: Candidate, now: int, arrived: float, proven: bool
    ) -> None:
        refusal = self.admission.conclude(candidate, logon, client.connection, client.address, now, proven=proven)
        if refusal is not None:
            self._refuse(client, logon, refusal, arrived)
        else:
            self._tasks.begin(self._join(client, logon, candidate.session, arrived))

    async def _join(self, client: Client, logon: Message, session: GatewaySession, arrived: float) -> None:
        loop = asyncio.get_running_loop()
        await self._await_end(session.number)
        try:
            passed = for_the_backend(logon, front_token(self._token))
            async with asyncio.timeout(self.gateway.logon_timeout):
                _, backend = await loop.create_connection(
                    lambda: Backend(client), "127.0.0.1", self.gateway.backend_port
                )
        except (OSError, CredentialError) as error:
            self.admission.counts["backend_down"] += 1
            self._log.error("the session layer cannot be reached", error=str(error))
            self._refuse(client, logon, Refusal("backend_down", "Logon refused: starting; try again"), arrived)
            return
        if not self.holds(client):
            assert backend.transport is not None
            backend.transport.close()
            return
        self._backends[session.number] = backend
        self._log.info("logged on", session=session.name, address=client.address)
        if (backlog := self._backlog) is not None:
            client.report_backlog = lambda waiting: backlog(session, waiting)
        client.join(backend, passed, Flow(self.gateway, session))

    async def _await_end(self, session: int) -> None:
        """Until the session layer has ended the connection of this session before, but not for long."""
        before = self._backends.get(session)
        if before is None or before.transport is None:
            return
        try:
            async with asyncio.timeout(BACKEND_ENDS_S):
                await before.ended.wait()
        except TimeoutError:
            before.transport.abort()

    def _refuse(self, client: Client, logon: Message, refusal: Refusal, arrived: float) -> None:
        """A Logout with the reason, at the same time after the Logon whatever the reason was."""
        self._say("logon refused", client, refusal.counter)
        loop = asyncio.get_running_loop()
        self._timers[client.connection] = loop.call_at(
            arrived + self.gateway.refusal_delay, self._send_logout, client, logon, refusal.text
        )

    def _send_logout(self, client: Client, logon: Message, text: str) -> None:
        if not self.holds(client) or client.transport is None:
            return
        fields = [
            (35, "5"),
            (34, _number_expected(logon)),
            (49, logon.get(56) or self.gateway.comp_id),
            (52, self._stamp.millis(self._clock.now())),
            (56, logon.get(49) or "?"),
            (58, printable(text)),
        ]
        begin = logon[8] if logon[8] in ("FIX.4.2", "FIX.4.4", "FIXT.1.1") else "FIX.4.4"
        client.transport.write(build(begin, fields))
        client.transport.close()
        self._timers[client.connection] = asyncio.get_running_loop().call_later(LINGER_S, client.abort)

    # -- parts

    def _failed(self, error: BaseException) -> None:
        self.failure = self.failure or error

    def on_loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's exception handler: a fault in a callback is a failure, a socket that broke is none."""
        error = context.get("exception")
        if error is None or isinstance(error, OSError):
            self._log.warning("the event loop reports", message=context.get("message"), error=str(error))
        else:
            self.failure = self.failure or error

    def _cancel_timer(self, connection: int) -> None:
        if (timer := self._timers.pop(connection, None)) is not None:
            timer.cancel()

    def _say(self, event: str, client: Client, why: str) -> None:
        """A line for the log, unless there were many within this second: a flood must not fill the disk."""
        second = self._clock.now() // NS
        count = self._logged[1] + 1 if self._logged[0] == second else 1
        self._logged = second, count
        if count <= LOGS_A_SECOND:
            self._log.info(event, address=client.address, why=why)


def _number_expected(logon: Message) -> int:
    """The number under which the client will take our Logout: 789 says it, else it is a guess."""
    try:
        return max(logon.integer(789), 1) if 789 in logon else 1
    except ValueError:
        return 1
