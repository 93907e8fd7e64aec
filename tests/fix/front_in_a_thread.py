"""A front on a thread of its own, with a session layer behind it that answers logons and echoes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from services.gateway.front.admission import Admission
from services.gateway.front.server import Front
from tapewire.clock import SystemClock
from tapewire.config import Gateway, GatewaySession
from tapewire.fix.auth import make_front_token, write_secret
from tapewire.fix.client import Login
from tapewire.fix.framing import Framer
from tapewire.fix.message import Message, build, fields_of
from tapewire.logs import get
from tests.engine_process import PATIENCE_S

SECRET = bytes(range(32))


class EchoingSessionLayer(asyncio.Protocol):
    """Answers a Logon with one, and gives every other byte back. Keeps what it got."""

    def __init__(self, kept: list[EchoingSessionLayer]) -> None:
        self.logon: Message | None = None
        self.received = 0
        self.deaf = False
        kept.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._framer = Framer(1 << 20)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.logon is None:
            found = self._framer.feed(data)
            if not found:
                return
            self.logon = fields_of(found[0])
            fields = [(35, "A"), (34, 1), (49, self.logon[56]), (52, self.logon[52]), (56, self.logon[49])]
            self.transport.write(build(self.logon[8], [*fields, (98, 0), (108, 30)]))
            data = b"".join(found[1:]) + self._framer.rest
        self.transport.write(data)


class FrontInAThread:
    """`with FrontInAThread(folder, port settings...) as front: front.port`."""

    def __init__(
        self, folder: Path, sessions: tuple[GatewaySession, ...] = (), *, backend: int = 0, **settings: Any
    ) -> None:
        """`backend`: the port of a session layer of the test's own."""
        secret = folder / "secret"
        if not secret.exists():
            write_secret(secret, SECRET)
        self.token = make_front_token(folder / "front.token")
        one = GatewaySession(
            name="acme", number=1, comp_id="ACME", username="key-1", auth="hmac", secret_file=secret, accounts=(7,)
        )
        self._settings = msgspec.structs.replace(
            Gateway(sessions=sessions or (one,), refusal_delay=0.3, drain_timeout=1.0, logon_timeout=60.0), **settings
        )
        self._folder = folder
        self._backend = backend
        self.backends: list[EchoingSessionLayer] = []
        self.most_waiting: Counter[str] = Counter()
        """By session: the most bytes that its client had not read."""
        self._thread = threading.Thread(target=self._run)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._stopped = False

    def __enter__(self) -> FrontInAThread:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def stop(self) -> None:
        """Begins to drain; `__exit__` waits for its end."""
        if not self._stopped:
            self._stopped = True
            self._loop.call_soon_threadsafe(self._stop.set)

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        if self.front.failure is not None:
            raise self.front.failure

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: EchoingSessionLayer(self.backends), "127.0.0.1", 0)
        backend_port = self._backend or server.sockets[0].getsockname()[1]
        settings = msgspec.structs.replace(self._settings, port=0, backend_port=backend_port)
        self.admission = Admission(settings)
        self.front = Front(
            settings, self.admission, self._folder / "front.token", SystemClock(), get("front"),
            self._wait_for_client,
        )  # fmt: skip
        await self.front.start()
        self.port = self.front.port
        self._ready.set()
        asyncio.get_running_loop().set_exception_handler(self.front.on_loop_error)
        await self._stop.wait()
        await self.front.drain()
        for backend in self.backends:
            backend.transport.abort()
        server.close()
        await asyncio.sleep(0)

    def _wait_for_client(self, session: GatewaySession, waiting: int) -> None:
        self.most_waiting[session.name] = max(self.most_waiting[session.name], waiting)

    def on_loop(self, function: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(function)

    @property
    def counts(self) -> dict[str, int]:
        return {name: count for name, count in self.admission.counts.items() if name != "connected"}

    def login(self, secret: bytes = SECRET, sender: str = "ACME") -> Login:
        return Login(sender, "TAPEWIRE", "key-1", "hmac", secret)

    def socket(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, (source, 0))
