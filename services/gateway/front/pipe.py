"""The two ends of a connection: the client's, from its first byte on, and that to the session layer behind."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from services.gateway.front.flow import Flow
from services.gateway.front.meter import Meter
from tapewire.errors import FixError
from tapewire.fix.framing import Framer
from tapewire.fix.message import fields_of

if TYPE_CHECKING:
    from services.gateway.front.server import Front

MAX_LOGON: Final = 4096  # bytes
HIGH_WATER: Final = 1 << 18  # bytes that may wait for the session layer before the client is read no further


class Client(asyncio.Protocol):
    """A client's socket. Before it is admitted: one Logon, in time. Afterwards: bytes, counted and passed on."""

    def __init__(self, front: Front, connection: int, address: str, sock: socket.socket) -> None:
        self.front, self.connection, self.address = front, connection, address
        self._sock = sock
        self.transport: asyncio.Transport | None = None
        self.backend: Backend | None = None
        self.report_backlog: Callable[[int], None] | None = None
        self._held: set[str] = set()  # why it is not read
        self._flow: Flow | None = None
        self._framer = Framer(MAX_LOGON)
        self._meter = Meter(front.gateway.max_message_bytes)
        self._asked = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if not self.front.holds(self):  # evicted while TLS was shaking hands
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.backend is not None:
            self._pass_on(self.backend, data)
            return
        if self._asked:
            self._early(data)
            return
        try:
            found = self._framer.feed(data)
            if self._framer.garbled:
                self.front.end(self, "garbled")
            elif found:
                self._ask(found)
        except FixError:
            self.front.end(self, "oversize")

    def _ask(self, found: list[bytes]) -> None:
        """The first message is here. Whatever came with it waits, and the socket is read no further."""
        assert self.transport is not None
        self._asked = True
        self.transport.pause_reading()
        self._rest = b"".join(found[1:]) + self._framer.rest
        try:
            logon = fields_of(found[0])
        except FixError:
            self.front.end(self, "garbled")
            return
        if logon.type != "A":
            self.front.end(self, "not_a_logon")
            return
        self.front.logon(self, logon)

    def _early(self, data: bytes) -> None:
        """Bytes that were on their way before reading stopped."""
        self._rest += data
        if len(self._rest) > HIGH_WATER:
            self.front.end(self, "oversize")

    def join(self, backend: Backend, logon: bytes, flow: Flow) -> None:
        """From now on bytes go through, the Logon first, then what waited."""
        assert self.transport is not None
        self.backend, self._flow, rest = backend, flow, self._rest
        backend.write(logon)
        if rest:
            self._pass_on(backend, rest)
        if self.front.holds(self) and not self._held:
            self.transport.resume_reading()

    def _pass_on(self, backend: Backend, data: bytes) -> None:
        assert self._flow is not None
        passed = self._meter.follow(data)
        if passed is None:
            self.front.end(self, "oversize")
        elif not self._flow.take(passed):
            self.front.end(self, "too_far_ahead")
        else:
            backend.write(data)
            loop = asyncio.get_running_loop()
            if passed and (pause := self._flow.pause(len(passed), loop.time())) > 0:
                self.front.admission.counts["paced"] += 1
                self.hold("paced")
                loop.call_later(pause, self.release, "paced")

    def hold(self, why: str) -> None:
        """Reads no further, until all reasons for that are gone."""
        self._held.add(why)
        if self.transport is not None:
            self.transport.pause_reading()

    def release(self, why: str) -> None:
        self._held.discard(why)
        if not self._held and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Bytes from the session layer. A client that does not read them in time is let go."""
        assert self.transport is not None
        if self._flow is not None:
            self._flow.answered(data)
        self.transport.write(data)
        waiting = self.transport.get_write_buffer_size()
        if waiting > self.front.gateway.max_backlog_bytes:
            self.front.end(self, "slow_reader")
        elif self.report_backlog is not None:
            self.report_backlog(waiting)

    def resume_writing(self) -> None:
        if self.report_backlog is not None and self.transport is not None:
            self.report_backlog(self.transport.get_write_buffer_size())

    def pause_writing(self) -> None:
        """Nothing to do: `write` bounds what waits, and the session layer must not be held up by one client."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.front.lost(self)
        if self.backend is not None:
            self.backend.leave()

    def cut(self) -> None:
        """Ends both sides, whatever waits."""
        self.abort()
        if self.backend is not None and self.backend.transport is not None:
            self.backend.transport.abort()

    def abort(self) -> None:
        """Ends it at once, also while TLS is shaking hands and there is no transport yet."""
        if self.transport is not None:
            self.transport.abort()
            return
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.EBADF):  # gone already
                raise


class Backend(asyncio.Protocol):
    """The socket to the session layer, for one client."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.transport: asyncio.Transport | None = None
        self.ended = asyncio.Event()
        """Set once the session layer, too, has ended this connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def leave(self) -> None:
        """The client is gone. The session layer is told, and closes when it has taken notice: a second connection of
        the session before that would be closed by it without a word."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self.client.transport is not None and not self.client.transport.is_closing():
            self.client.write(data)

    def pause_writing(self) -> None:
        self.client.hold("behind")

    def resume_writing(self) -> None:
        self.client.release("behind")

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        if self.client.transport is not None:
            self.client.transport.close()
