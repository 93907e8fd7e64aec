"""One client: what it has said, whether it reads, what it follows.

    new ──auth──▶ known ──subscribe, order …──▶ known ──▶ closing ──▶ gone

What waits for it in this process has a bound (`max_buffer_bytes`). Beyond that it is *congested*: it is not read from
either, topics put nothing more into its buffer, and remember that it has something coming. When it has read most of it,
it gets the state of now. One that takes too long is told, then closed.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from services.api.authors import Author
from services.api.sessions import Login
from services.api.stream import requests
from services.api.stream.answers import Error, Notice, Said, message
from services.api.stream.counters import Counters
from services.api.stream.requests import Invalid
from services.api.stream.topic import ROOM, Subscription
from tapewire.config.stream import Stream

MAX_FRAGMENTS: Final = 64
MAX_CLOSE_REASON: Final = 123
"""Bytes of a reason in a closing frame, by the standard."""
TEXT: Final = WSMsgType.TEXT
UNHEARD: Final = 4
"""Messages beyond its rate, in seconds' worth, before a client is closed."""


class Handler(Protocol):
    """What is done about a client's messages."""

    limits: Stream
    counters: Counters

    def time(self) -> float:
        """The loop's, seconds."""

    def handle(self, client: Client, asked: requests.Request, raw: bytes) -> None:
        """Raises Invalid."""

    def read_back(self, client: Client, subscription: Subscription) -> None: ...
    def uncongested(self, client: Client) -> None: ...
    def wrong(self, error: Exception) -> None:
        """A message of a client met an error of ours."""

    def gone(self, client: Client) -> None: ...


class Client(WSListener):
    """Called by the session layer, on the loop's thread."""

    def __init__(self, handler: Handler, address: str, origin: str, host: str, now: float) -> None:
        """`origin`: of the page that it runs in, "" outside a browser; `host`: the name it knows us by."""
        self.address, self.origin, self.host = address, origin, host
        self.author: Author | None = None
        self.login: Login | None = None
        """What it was opened with; it ends with it. None: a key."""
        self.subscriptions: dict[int, Subscription] = {}
        self.late: dict[Subscription, None] = {}
        """Those that wait until the client has read."""
        self.congested = False
        self.slow_since = 0.0
        """When it became congested and has not caught up since; 0: it keeps up."""
        self.told_slow = False
        self.pending = 0
        """Orders and the like that wait for their answer."""
        self.connected_at = self.heard = self._refilled = now
        self.pinged = 0.0
        self.closed_at = 0.0
        """When the closing began; 0: it has not."""
        self._room: list[asyncio.Future[None]] = []
        self._handler = handler
        self._counters, self._limits = handler.counters, handler.limits
        self._fragments: list[bytes] = []
        self._fragment_bytes = 0
        self._allowance = float(handler.limits.max_message_rate)
        self._ws: WSTransport | None = None

    @property
    def broken(self) -> bool:
        """Whether the session layer has found an error, and has sent a closing frame for it."""
        return not self.closing and self._ws is not None and self._ws.is_close_frame_sent

    @property
    def closing(self) -> bool:
        return self.closed_at > 0.0

    @property
    def waiting(self) -> int:
        """Bytes that this process holds for it."""
        return 0 if self._ws is None else int(self._ws.underlying_transport.get_write_buffer_size())

    # -- what topics need

    def send(self, frame: bytearray) -> None:
        assert self._ws is not None, "sent before it is connected"
        self._ws.send_reuse_external_bytearray(TEXT, frame, ROOM)

    def say(self, frame: bytearray) -> None:
        self._counters.messages += 1
        self._counters.bytes += len(frame) - ROOM
        self.send(frame)

    def fall_behind(self, subscription: Subscription) -> None:
        self.late[subscription] = None

    def read_back(self, subscription: Subscription) -> None:
        self._handler.read_back(self, subscription)

    # -- what the service needs

    def tell(self, said: Said) -> None:
        """One message of ours."""
        self.say(message(said))

    def refuse(self, error: Invalid) -> None:
        """Tells what is wrong with a message."""
        self._counters.invalid += 1
        said = Error(error.reason, error.detail)
        if error.number is not None:
            said.id = error.number
        if error.field:
            said.field = error.field
        self.tell(said)

    def close(self, code: WSCloseCode, reason: str) -> None:
        """Says why, and ends; at once for who does not read."""
        if self.closing or self._ws is None:
            return
        self.closed_at = self._handler.time()
        self._ws.send_close(code, reason.encode()[:MAX_CLOSE_REASON].decode(errors="ignore"))
        self._leave()
        if self.congested:
            self._ws.underlying_transport.resume_reading()  # its answer to our closing is behind what we did not read

    def abort(self) -> None:
        """Ends without waiting for anything."""
        if self._ws is not None:
            self._ws.underlying_transport.abort()

    def ping(self, now: float) -> None:
        """Asks whether it is there."""
        assert self._ws is not None, "pinged before it is connected"
        self.pinged = now
        if not self.congested:
            self._ws.send_ping(b"")

    def catch_up(self) -> None:
        """It has read: what waited for that is told, until it is congested again."""
        while self.late and not self.congested and not self.closing:
            subscription = next(iter(self.late))
            del self.late[subscription]
            subscription.topic.catch_up(subscription)
        if not self.late and not self.congested:
            self.slow_since, self.told_slow = 0.0, False
            self._tell_room()

    async def room(self) -> None:
        """Returns when it has read what waits for it, or is gone."""
        if self.congested and not self.closing:
            room = asyncio.get_running_loop().create_future()
            self._room.append(room)
            await room

    # -- the session layer

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._ws = transport
        raw = transport.underlying_transport
        high = self._limits.max_buffer_bytes
        raw.set_write_buffer_limits(high=high, low=high // 4)
        raw.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, self._limits.socket_buffer_bytes // 2
        )

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.closing:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()
            return
        self.heard = now = self._handler.time()
        if not self._may_send(now):
            return
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._break_off(WSCloseCode.PROTOCOL_ERROR, "reserved bits are set, and no extension was agreed on")
        elif kind == WSMsgType.PING:
            if not self.congested:
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self.closed_at = now
            transport.send_close(frame.get_close_code(), b"")
            transport.disconnect()
            self._leave()
        elif kind == WSMsgType.BINARY:
            self._break_off(WSCloseCode.UNSUPPORTED_DATA, "expected text messages")
        elif kind == WSMsgType.TEXT and self._fragments:
            self._break_off(WSCloseCode.PROTOCOL_ERROR, "a message begins before the fragments of the last have ended")
        elif kind == WSMsgType.CONTINUATION and not self._fragments:
            self._break_off(WSCloseCode.PROTOCOL_ERROR, "a fragment of no message")
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._add(frame.get_payload_as_bytes(), ends=frame.fin)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed_at = self.closed_at or self._handler.time()
        self._leave()
        if self.congested:
            self.congested = False
            self._counters.congested -= 1
        self._handler.gone(self)

    def pause_writing(self) -> None:
        """More than the bound waits for it."""
        self.congested = True
        self._counters.congested += 1
        self.slow_since = self.slow_since or self._handler.time()
        if not self.closing and self._ws is not None:
            self._ws.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        """It has read most of it."""
        self.congested = False
        self._counters.congested -= 1
        if not self.closing and self._ws is not None:
            self._ws.underlying_transport.resume_reading()
            self._handler.uncongested(self)

    # -- its messages

    def _may_send(self, now: float) -> bool:
        """Counts a frame against the client's rate; one that goes on far beyond it is closed."""
        rate = self._limits.max_message_rate
        self._allowance = min(float(rate), self._allowance + (now - self._refilled) * rate)
        self._refilled = now
        self._allowance -= 1.0
        if self._allowance >= 0.0:
            return True
        self._counters.limited += 1
        if self._allowance < -UNHEARD * rate:
            self._break_off(WSCloseCode.POLICY_VIOLATION, f"far more than {rate} messages a second")
        elif self._allowance >= -1.0:  # the first one beyond it
            self.tell(Error("rate", f"this message was not read: expected at most {rate} a second"))
        return False

    def _add(self, payload: bytes, *, ends: bool) -> None:
        self._fragment_bytes += len(payload)
        if self._fragment_bytes > self._limits.max_message_bytes:
            text = (
                f"a message of {self._fragment_bytes} bytes or more; expected at most {self._limits.max_message_bytes}"
            )
            self._break_off(WSCloseCode.MESSAGE_TOO_BIG, text)
            return
        if not ends:
            self._fragments.append(payload)
            if len(self._fragments) > MAX_FRAGMENTS:
                self._break_off(WSCloseCode.POLICY_VIOLATION, f"a message in more than {MAX_FRAGMENTS} fragments")
            return
        if self._fragments:
            payload = b"".join((*self._fragments, payload))
            self._fragments = []
        self._fragment_bytes = 0
        self._take(payload)

    def _take(self, raw: bytes) -> None:
        self._counters.received += 1
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            self._break_off(WSCloseCode.INVALID_TEXT, f"not UTF-8 at byte {error.start}")
            return
        try:
            self._handler.handle(self, requests.read(raw), raw)
        except Invalid as error:
            self.refuse(error)
            if self.author is None:
                self._break_off(WSCloseCode.POLICY_VIOLATION, error.detail)
        except Exception as error:  # noqa: BLE001 - what one client can cause must not end the others
            self._handler.wrong(error)
            self.close(WSCloseCode.INTERNAL_ERROR, "an error of ours, which is logged")

    def _break_off(self, code: WSCloseCode, reason: str) -> None:
        self._counters.dropped_invalid += 1
        self.close(code, reason)

    def _leave(self) -> None:
        """It follows nothing any more."""
        for subscription in self.subscriptions.values():
            subscription.topic.leave(subscription)
        self._counters.subscriptions -= len(self.subscriptions)
        self.subscriptions.clear()
        self.late.clear()
        self._tell_room()

    def _tell_room(self) -> None:
        waiting, self._room = self._room, []
        for room in waiting:
            if not room.done():
                room.set_result(None)

    def slow(self, seconds: float) -> None:
        """Tells it that it is slow: the one message that goes into a full buffer."""
        self.told_slow = True
        self._counters.told_slow += 1
        left = self._limits.slow_timeout - seconds
        text = f"not read for {seconds:.1f} s: updates are left out; closed in {left:.1f} s unless you read"
        self.tell(Notice("slow", text))
