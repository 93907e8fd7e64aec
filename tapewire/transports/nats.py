"""The bus on NATS: nats-py's connection, with our own way out and a short way in.

nats-py owns the socket, the handshake, reconnection and subscriptions. Publishing goes around its four layers of
coroutines: frames are collected and written at the end of the turn, or at 64 KiB. While there is no connection they
wait here, up to `max_outgoing` bytes; nothing is handed to nats-py that it could lose in a reconnection.

A plain function as handler is called as the message is parsed: a queue and a task in between would cost more than the
parsing, and bound nothing, since such a handler holds up the reading itself. A coroutine function gets its queue.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsPySubscription
from nats.js import JetStreamContext

from tapewire import logs
from tapewire.alarm import Alarm
from tapewire.config.sections import Nats
from tapewire.errors import TransportError
from tapewire.interfaces import Handler, OnFailure, Received, TransportStats
from tapewire.subjects import check_subject
from tapewire.transports import MAX_PAYLOAD_BYTES, nats_access, nats_closing
from tapewire.transports import headers as header_blocks
from tapewire.transports.bounded import within

WRITE_AT_BYTES = 64 << 10
MAX_PREFIXES = 65_536
MAX_SUBJECTS = 65_536
RECONNECT_WAIT_S = 0.1
RECONNECT_FOR_S = 3600.0
PING_INTERVAL_S = 20
SOCKET_BROKEN_WAIT_S = 0.01
SAID = "nats: "  # how nats-py begins what the server said


class NatsMessage:
    """A message as it came: the subject's text is shared, headers are parsed when looked at."""

    __slots__ = ("_headers", "data", "reply", "subject")

    def __init__(self, subject: str, reply: str, data: bytes, headers: bytes | None) -> None:
        self.subject, self.reply, self.data, self._headers = subject, reply, data, headers

    @property
    def headers(self) -> Mapping[str, str] | None:
        return header_blocks.parse(self._headers) if self._headers else None


class ShortWayIn(Client):
    """nats-py's client, which hands the messages of some subscriptions straight to a function."""

    def __init__(self) -> None:
        super().__init__()
        self.direct: dict[int, Callable[[NatsMessage], None]] = {}
        self._texts: dict[bytes, str] = {}

    async def flush_all(self, timeout: float) -> None:
        """Returns when the server has seen all commands so far. `flush` alone does not say that: its PING goes to the
        socket at once, ahead of a SUB that still waits for the flusher's turn."""
        await self._flush_pending(force_flush=True)
        await self.flush(timeout=max(1, round(timeout)))

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        deliver = self.direct.get(sid)
        if deliver is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        text = self._texts.get(subject)
        if text is None:
            if len(self._texts) >= MAX_SUBJECTS:
                self._texts.clear()
            text = self._texts[bytes(subject)] = subject.decode()
        deliver(NatsMessage(text, reply.decode() if reply else "", data, headers))


class NatsSubscription:
    """Interest in a pattern; nats-py renews it after a reconnection."""

    def __init__(self, transport: NatsTransport, pattern: str, handler: Handler, max_pending: int) -> None:
        self.pattern, self.max_pending = pattern, max_pending
        self._transport, self._handler = transport, handler
        self._inner: NatsPySubscription | None = None
        self.alarm = Alarm(self._say_slow, asyncio.get_running_loop().call_later)

    @property
    def dropped(self) -> int:
        return self.alarm.total

    async def start(self, client: ShortWayIn) -> int:
        """Subscribes; the number by which nats-py names this subscription in its errors."""
        self._inner = await client.subscribe(
            self.pattern, cb=self._on_message, pending_msgs_limit=self.max_pending, pending_bytes_limit=0
        )
        # Before the next turn of the loop, so before the server's first message.
        if not inspect.iscoroutinefunction(self._handler):
            client.direct[self._inner._id] = self._on_message_direct
        return self._inner._id

    async def _on_message(self, message: Msg) -> None:
        self._transport.stats.received += 1
        try:
            waiting = self._handler(message)
            if waiting is not None:
                await waiting
        except Exception as error:
            self._transport.log.exception("handler_failed", subject=message.subject)
            self._failed(error)

    def _on_message_direct(self, message: NatsMessage) -> None:
        self._transport.stats.received += 1
        try:
            if self._handler(message) is not None:
                raise TypeError(f"handler of {self.pattern}: a plain function returned something; make it `async def`")
        except Exception as error:
            self._transport.log.exception("handler_failed", subject=message.subject)
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._transport.stats.handler_errors += 1
        self._transport.fail(error)

    def _say_slow(self, since: int, total: int) -> None:
        self._transport.log.warning(
            "slow_consumer", pattern=self.pattern, dropped=since, dropped_total=total, max_pending=self.max_pending
        )

    async def unsubscribe(self) -> None:
        if self._inner is not None and not self._transport.closed:
            self._transport.forget(self._inner._id)
            await self._inner.unsubscribe()


class NatsTransport:
    """A `Transport` on a NATS server. One per event loop; make it inside the loop's thread."""

    def __init__(
        self,
        settings: Nats | None = None,
        *,
        name: str = "tapewire",
        on_failure: OnFailure | None = None,
        on_disconnected: Callable[[], None] | None = None,
        on_reconnected: Callable[[], None] | None = None,
        log: logs.Logger | None = None,
    ) -> None:
        """`on_disconnected`, `on_reconnected`: called when the bus goes away (before it can be back), and when
        it is back: what was published meanwhile was missed."""
        self.settings = settings or Nats()
        self.stats = TransportStats()
        self.log = log or logs.get("transport")
        self.closed = False
        self._name, self._on_failure = name, on_failure
        self._on_away, self._on_back = on_disconnected, on_reconnected
        self._client = ShortWayIn()
        self._subscriptions: dict[int, NatsSubscription] = {}
        self._prefixes: dict[str, bytes] = {}
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._since_drain = 0
        self._scheduled = False
        self._draining: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    @property
    def connected(self) -> bool:
        return self._client.is_connected

    async def connect(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unreachable = Alarm(self._say_unreachable, self._loop.call_later, interval_s=5.0)
        self._full = Alarm(self._say_full, self._loop.call_later)
        self._last_error = ""
        limit = self.settings.connect_timeout
        access = nats_access.options(self.settings, self._name)
        try:
            await within(
                self._client.connect(
                    self.settings.url,
                    name=self._name,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                    closed_cb=self._on_closed,
                    connect_timeout=max(1, round(limit)),
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
                    max_reconnect_attempts=int(RECONNECT_FOR_S / RECONNECT_WAIT_S),
                    ping_interval=PING_INTERVAL_S,
                    drain_timeout=max(1, round(self.settings.drain_timeout)),
                    **access,
                ),
                limit,
            )
        except (OSError, nats.errors.Error, TimeoutError, ValueError) as error:
            self.closed = True
            await self._close_client()
            why = self._last_error or str(error) or type(error).__name__
            if "authorization" in why.lower():
                raise TransportError(
                    f"the NATS server at {without_secret(self.settings.url)} does not let us in: {why}. Expected a "
                    "key that it knows in the folder `nats.keys` (`tapewire bus keys` makes them), for the user "
                    "`nats.user`; or its name and password in `nats.url`: nats://name:password@host:port"
                ) from None
            raise TransportError(
                f"cannot reach a NATS server at {without_secret(self.settings.url)} within {limit:g} s: {why}. Is "
                "one running there? `tapewire demo` starts its own and prints its address; nats.url "
                "(TAPEWIRE_NATS__URL) sets it"
            ) from None

    # -- outgoing

    def publish(self, subject: str, payload: bytes, headers: bytes | None = None, reply: str = "") -> bool:
        if self._out_bytes >= self.settings.max_outgoing:
            if self.closed:
                raise self._cannot_publish(subject, len(payload))
            self.stats.refused += 1
            self._room.clear()
            self._full.hit()
            return False
        size = len(payload)
        if self.closed or size > MAX_PAYLOAD_BYTES:
            raise self._cannot_publish(subject, size)
        prefix = self._prefixes.get(subject) or self._prefix(subject)
        if reply:
            check_subject(reply)
            prefix += reply.encode() + b" "
        if headers is None:
            frame = b"PUB %b%d\r\n%b\r\n" % (prefix, size, payload)
        else:
            above = len(headers)
            frame = b"HPUB %b%d %d\r\n%b%b\r\n" % (prefix, above, above + size, headers, payload)
        self._out.append(frame)
        self._out_bytes += len(frame)
        self.stats.published += 1
        if self._out_bytes >= WRITE_AT_BYTES:
            self._write()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._write)
        return True

    def _cannot_publish(self, subject: str, size: int) -> TransportError:
        if self.closed:
            return TransportError(f"publish on {subject}: the transport is closed")
        return TransportError(f"publish on {subject}: {size} bytes, at most {MAX_PAYLOAD_BYTES} are taken")

    def _prefix(self, subject: str) -> bytes:
        check_subject(subject)
        if len(self._prefixes) >= MAX_PREFIXES:
            self._prefixes.clear()
        prefix = self._prefixes[subject] = subject.encode() + b" "
        return prefix

    def _write(self) -> None:
        """Writes what has been collected, unless there is no connection or the socket is still taking the last."""
        self._scheduled = False
        # The one reach into nats-py: its publish() is a coroutine per message and builds headers from a dict each time.
        socket = self._client._transport
        if not self._out or self._draining is not None or socket is None or not self._client.is_connected:
            return
        self._since_drain += self._out_bytes
        try:
            socket.write(b"".join(self._out))
        except (OSError, RuntimeError) as error:
            # The socket broke between two turns; nats-py notices by itself, and the frames stay for the next one.
            self._last_error = str(error)
            return
        self._out.clear()
        self._out_bytes = 0
        if self._since_drain >= WRITE_AT_BYTES:
            self._draining = self._loop.create_task(self._drain_socket())
        else:
            self._room.set()

    async def _drain_socket(self) -> None:
        """Waits until the kernel has taken what was written; meanwhile frames collect up to their bound."""
        socket = self._client._transport
        try:
            if socket is not None:
                await socket.drain()  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError) as error:
            self._last_error = str(error)
        self._draining = None
        self._since_drain = 0
        self._write()
        if self._out_bytes < self.settings.max_outgoing:
            self._room.set()

    async def writable(self) -> None:
        await asyncio.sleep(0)
        await self._room.wait()

    async def flush(self) -> None:
        await self._send_all()
        try:
            await self._client.flush_all(self.settings.drain_timeout)
        except (nats.errors.Error, OSError) as error:
            raise TransportError(f"flush: {without_secret(self.settings.url)}: {error}") from error

    async def _send_all(self) -> None:
        while self._out or self._draining is not None:
            if not self._client.is_connected:
                raise TransportError(
                    f"{len(self._out)} messages wait for a connection to {without_secret(self.settings.url)}"
                )
            self._write()
            if self._draining is not None:
                await asyncio.wait([self._draining])
            elif self._out:
                # The socket broke and nats-py has yet to notice, which takes a turn of the loop.
                await asyncio.sleep(SOCKET_BROKEN_WAIT_S)

    # -- incoming

    async def subscribe(self, pattern: str, handler: Handler, *, max_pending: int | None = None) -> NatsSubscription:
        if self.closed or not self._client.is_connected:
            raise TransportError(f"subscribe to {pattern}: not connected to {without_secret(self.settings.url)}")
        subscription = NatsSubscription(self, pattern, handler, max_pending or self.settings.max_pending)
        try:
            self._subscriptions[await subscription.start(self._client)] = subscription
            await self._client.flush_all(self.settings.connect_timeout)
        except nats.errors.Error as error:
            raise TransportError(f"subscribe to {pattern}: {error}") from error
        return subscription

    def forget(self, number: int) -> None:
        self._subscriptions.pop(number, None)
        self._client.direct.pop(number, None)

    def new_inbox(self) -> str:
        return self._client.new_inbox()

    async def request(self, subject: str, payload: bytes, *, timeout: float = 1.0) -> Received:
        self.stats.published += 1
        try:
            answer = await self._client.request(subject, payload, timeout=timeout)
        except nats.errors.NoRespondersError:
            raise TransportError(f"request on {subject}: nobody answers there") from None
        except (nats.errors.TimeoutError, TimeoutError):
            raise TransportError(f"request on {subject}: no answer within {timeout} s") from None
        except (nats.errors.Error, OSError) as error:
            raise TransportError(f"request on {subject}: {error}") from error
        self.stats.received += 1
        return answer

    def jetstream(self) -> JetStreamContext:
        """nats-py's JetStream, for what is beside the way of messages."""
        return self._client.jetstream()

    # -- the end

    async def drain(self) -> None:
        if self.closed:
            return
        try:
            await self._send_all()
            self._end()
            await self._client.drain()
        except (TransportError, nats.errors.Error, OSError) as error:
            self._end()
            self.log.warning("drain_incomplete", error=str(error), unsent=len(self._out))
            await self._close_client()

    async def close(self) -> None:
        if not self.closed:
            self._write()
        self._end()
        await self._close_client()

    async def _close_client(self) -> None:
        await nats_closing.close(self._client, self.log, without_secret(self.settings.url))

    def _end(self) -> None:
        """From here on `publish` raises: who waits for room must get to it."""
        self.closed = True
        self._room.set()

    def fail(self, error: BaseException) -> None:
        if self._on_failure is not None:
            self._on_failure(error)

    # -- what nats-py tells

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            # Called once per dropped message: count here, speak once a second.
            self.stats.dropped += 1
            if slow := self._subscriptions.get(error.sid):
                slow.alarm.hit()
            return
        # Of what the server says and how the socket breaks after it, the former is the reason.
        if not (isinstance(error, OSError) and self._last_error.startswith(SAID)):
            self._last_error = str(error) or type(error).__name__
        self._unreachable.hit()

    async def _on_disconnected(self) -> None:
        if not self.closed:
            self.log.warning("disconnected", url=without_secret(self.settings.url))
            if self._on_away is not None:
                self._on_away()

    async def _on_reconnected(self) -> None:
        self.stats.reconnects += 1
        self._last_error = ""
        self.log.info("reconnected", url=without_secret(self.settings.url), waiting=len(self._out))
        self._write()
        if self._on_back is not None:
            self._on_back()

    async def _on_closed(self) -> None:
        if not self.closed:
            self._end()
            self.fail(
                TransportError(f"{without_secret(self.settings.url)}: gave up after {RECONNECT_FOR_S:g} s of trying")
            )

    def _say_unreachable(self, since: int, total: int) -> None:
        self.log.warning("bus_error", error=self._last_error, times=since, url=without_secret(self.settings.url))

    def _say_full(self, since: int, total: int) -> None:
        self.log.warning("outgoing_full", refused=since, refused_total=total, max_outgoing=self.settings.max_outgoing)


def without_secret(url: str) -> str:
    """A URL as it may be shown: without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
