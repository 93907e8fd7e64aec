"""The sockets around a session: everything a session asks for is done here, and nothing is decided here.

    picows ──frame, now──▶ session ──actions──▶ Send, FetchRest, Close, Connect, Wait  ──▶ sockets, timers
                                         └────▶ updates                                ──▶ publisher

One event loop, one thread. `run()` returns when `stop()` was called, and raises what should never happen: a supervisor
starts the connector anew, and the ring and the tape say where it continues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from services.connector.rest import RestClient
from tapewire.clock import Clock
from tapewire.feed.actions import Action, Close, Connect, FetchRest, Replace, Send, Wait
from tapewire.feed.limits import SECOND
from tapewire.feed.publisher import Publisher
from tapewire.feed.session import VenueSession
from tapewire.logs import Logger

HANDSHAKE_S = 10.0
OPEN_S = 20.0
"""The name looked up, the host reached, and the handshake."""
CLOSE_S = 2.0
OVERLAP_S = 2.0
"""How long the older of two connections still feeds the session after the newer one is open."""
MAX_MESSAGE = 16 << 20
"""Bytes of one message; the largest snapshot of a venue is some MiB."""
TEXT, BINARY, CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
ForShell = Send | FetchRest | Close | Replace | Connect | Wait
_FOR_SHELL = frozenset({Send, FetchRest, Close, Replace, Connect, Wait})


class Connection(WSListener):
    """One WebSocket: hands whole messages to the shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._parts: list[bytes] = []
        self._size = 0
        self.transport: WSTransport | None = None
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.why = ""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.why:
            return  # Given up: what is still in the socket belongs to no book.
        kind = frame.msg_type
        if frame.fin and (kind is TEXT or kind is BINARY):
            self._shell.received(self, frame.get_payload_as_bytes())
        elif kind is TEXT or kind is BINARY or kind is CONTINUATION:
            self._assemble(frame)
        elif kind is WSMsgType.CLOSE:
            self.close(f"the venue closed: {frame.get_close_code()} {frame.get_close_message()!r}"[:200])

    def _assemble(self, frame: WSFrame) -> None:
        """A message in several frames."""
        self._parts.append(frame.get_payload_as_bytes())
        self._size += len(self._parts[-1])
        if self._size > MAX_MESSAGE:
            self.close(f"a message is longer than {MAX_MESSAGE} bytes")
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            self._shell.received(self, whole)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.closed.done():
            self.closed.set_result(self.why or "the connection broke")

    def send(self, text: str) -> None:
        if self.transport is not None and not self.transport.is_disconnected:
            self.transport.send(TEXT, text.encode())

    def close(self, why: str) -> None:
        """Asks for the end of the connection; `closed` resolves when it is gone."""
        if self.why or self.transport is None or self.closed.done():
            return
        self.why = why
        self.transport.send_close()
        self.transport.disconnect()
        # A venue that does not read must not hold us: after a while the socket is dropped.
        asyncio.get_running_loop().call_later(CLOSE_S, self.transport.disconnect, False)


class Shell:
    """Runs one session against its venue."""

    def __init__(
        self,
        session: VenueSession[Any],
        publisher: Publisher,
        *,
        url: str,
        rest_url: str,
        clock: Clock,
        log: Logger,
    ) -> None:
        """`url`: ws:// or wss:// address of the stream; `rest_url`: http(s) base of the snapshots."""
        self.session, self.publisher, self.log = session, publisher, log
        self._url, self._now = url, clock.now
        self._rest = RestClient(rest_url, self._answered)
        self._current: Connection | None = None
        self._older: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._connect_at = 0
        self._replacing: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._failure: Exception | None = None

    def stop(self) -> None:
        """Ends `run()` after closing the connection."""
        self._stopping.set()

    async def run(self) -> None:
        """Connects, and connects again, until stopped."""
        self._take(self.session.on_start(self._now()))
        try:
            while not self._stopping.is_set():
                await self._pause_until(self._connect_at)
                if not self._stopping.is_set():
                    await self._connection()
        finally:
            self._cancel_timer()
            self._let_go("stopping")
            self._rest.close()
        if self._failure is not None:
            raise self._failure

    async def _connection(self) -> None:
        """One connection, from its opening to the end of it or of what replaced it."""
        opening = asyncio.get_running_loop().create_task(self._open())
        try:
            if await self._stopped_before(opening):
                opening.cancel()
                await asyncio.wait((opening,))
                return
            self._current = opening.result()
        except (OSError, WSError, TimeoutError) as error:
            why = f"cannot connect: {error or type(error).__name__}"
            self.log.warning("connect_failed", url=self._url, error=str(error))
            self._take(self.session.on_closed(self._now(), why))
            return
        self.log.info("connected", url=self._url)
        self._take(self.session.on_connected(self._now()))
        why = await self._lasting()
        self._cancel_timer()
        self._let_go(why)
        self.log.warning("disconnected", url=self._url, why=why)
        self._take(self.session.on_closed(self._now(), why))

    async def _lasting(self) -> str:
        """Until the current connection ends (one that was replaced may end before it), or `stop()`; why."""
        while True:
            connection = self._current
            assert connection is not None
            if await self._stopped_before(connection.closed):
                for each in (self._older, self._current):
                    if each is not None:
                        each.close("stopping")
                        await asyncio.wait((each.closed,), timeout=CLOSE_S)
                return "stopping"
            if connection is self._current:
                return connection.closed.result()

    async def _stopped_before(self, waited_for: asyncio.Future[Any]) -> bool:
        """Waits for this or for `stop()`; whether it was `stop()`."""
        stopping = asyncio.get_running_loop().create_task(self._stopping.wait())
        try:
            await asyncio.wait((waited_for, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        return self._stopping.is_set()

    def _let_go(self, why: str) -> None:
        """Of all connections, also the one that was to be replaced and the one that was to replace it."""
        if self._replacing is not None:
            self._replacing.cancel()
        for each in (self._older, self._current):
            if each is not None:
                each.close(why)
        self._older = self._current = None

    async def _open(self) -> Connection:
        async with asyncio.timeout(OPEN_S):
            _, connection = await ws_connect(
                lambda: Connection(self),
                self.session.address(self._url),
                websocket_handshake_timeout=HANDSHAKE_S,
                max_frame_size=MAX_MESSAGE,
                max_redirects=0,
            )
        assert isinstance(connection, Connection)
        return connection

    async def _replace(self, reason: str) -> None:
        """Opens a second connection; for a while both feed the session, which knows repeats by their ids."""
        try:
            newer = await self._open()
        except (OSError, WSError, TimeoutError) as error:
            self.log.warning("replace_failed", url=self._url, reason=reason, error=str(error))
            return
        self._older, self._current = self._current, newer
        self.log.info("replaced", url=self._url, reason=reason)
        with self._faults_end_it():
            self._take(self.session.on_replaced(self._now()))
        await asyncio.sleep(OVERLAP_S)
        if self._older is not None:
            self._older.close(reason)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def received(self, connection: Connection, data: bytes) -> None:
        """A whole message of the current connection, or of the older one of an overlap."""
        now = self._now()
        publish = self.publisher.publish
        try:
            for action in self.session.on_frame(data, now):
                if type(action) in _FOR_SHELL:
                    self._do(action)  # type: ignore[arg-type]
                else:
                    publish(action, now)  # type: ignore[arg-type]
        except Exception as error:
            self.log.exception("failed", feed_frame=data[:200])
            connection.close("a fault of ours")
            self._fail(error)

    def _answered(self, request_id: int, status: int, body: bytes) -> None:
        now = self._now()
        with self._faults_end_it():
            self._take(self.session.on_rest(request_id, status, body, now), now)

    def _timed(self) -> None:
        self._timer = None
        now = self._now()
        with self._faults_end_it():
            self._take(self.session.on_timer(now), now)
            self.publisher.settle(now)

    @contextmanager
    def _faults_end_it(self) -> Iterator[None]:
        """For what the loop calls by itself: nobody else would hear of an exception there."""
        try:
            yield
        except Exception as error:
            self.log.exception("failed")
            self._fail(error)

    def _take(self, actions: Iterable[Action], now: int = 0) -> None:
        ts_recv = now or self._now()
        for action in actions:
            if isinstance(action, ForShell):
                self._do(action)
            else:
                self.publisher.publish(action, ts_recv)

    def _do(self, action: ForShell) -> None:
        match action:
            case Wait(until=until):
                self._wake_at(until)
            case Send(text=text):
                if self._current is not None:
                    self._current.send(text)
            case FetchRest(request_id=request_id, path=path):
                self._rest.fetch(request_id, path)
            case Close(reason=reason):
                if self._current is not None:
                    self._current.close(reason)
            case Connect(at=at):
                self._connect_at = at
            case Replace(reason=reason):
                if self._replacing is None or self._replacing.done():
                    self._replacing = asyncio.get_running_loop().create_task(self._replace(reason))

    def _fail(self, error: Exception) -> None:
        """A fault of ours: nothing after it can be trusted, so `run()` ends and raises it."""
        self._failure = self._failure or error
        self._stopping.set()

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _wake_at(self, until: int) -> None:
        if self._timer is not None:
            if self._timer_at <= until:
                return
            self._timer.cancel()
        self._timer_at = until
        delay_s = max(0, until - self._now()) / SECOND
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._timed)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _pause_until(self, at: int) -> None:
        """Sleeps until `at`, or until stopped; settles debts meanwhile."""
        while (left := at - self._now()) > 0 and not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._stopping.wait(), min(left / SECOND, 1.0))
            except TimeoutError:
                self.publisher.settle(self._now())
