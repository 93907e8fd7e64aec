"""Between the session layer's thread and the event loop: what the venue says, in; what the session asks for, out.

    session layer ──callbacks──▶ inbox ──▶ loop: session ──▶ publisher
       (its own thread)        (bounded)      └──▶ send, log out, log on

A callback never waits: the session layer holds its lock meanwhile, which whoever sends needs, too. An inbox that is
full has lost something, and that is a gap as any other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple

from services.gateway.initiator.dialects.base import Dialect, Head
from services.gateway.initiator.market_data.session import FixFeed
from services.gateway.initiator.session_layer import OutwardSender
from services.gateway.session import field_of
from tapewire.feed.actions import Action, Close, Connect, FetchRest, Replace, Send, Wait
from tapewire.feed.publisher import Publisher
from tapewire.fix.message import fields_of
from tapewire.logs import Logger

INBOX: Final = 65_536
BATCH: Final = 256
"""Messages taken before others on the loop have their turn."""
LOGOUT_S: Final = 2.0
SESSION_TYPES: Final = frozenset("0145A")
"""What says no more than that the venue is there."""
GAP: Final = "a message of the venue is missing"


class Happened(NamedTuple):
    what: Literal["on", "off", "message", "heard", "missed", "left"]
    ts: int
    """UTC ns."""
    raw: bytes = b""
    reason: str = ""


class Shell:
    """Runs a session by a session layer whose handler it is."""

    def __init__(
        self, session: FixFeed, publisher: Publisher, log: Logger, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.session, self.publisher, self.log = session, publisher, log
        self._dialect: Dialect = session.dialect.dialect
        self._clock = clock
        self._sender: OutwardSender | None = None
        self._start: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Happened] = deque()
        self._full = self._woken = False
        self._said = self._leaving = ""
        self._on = self._away = False
        """Whether it is logged on; whether it waits for the time to try again."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._again: asyncio.TimerHandle | None = None
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._failure: Exception | None = None

    def layer(self, sender: OutwardSender, start: Callable[[], None]) -> None:
        """The session layer that has this as its handler, and what lets it connect."""
        self._sender, self._start = sender, start

    async def run(self) -> None:
        """Connects, and again whenever the connection is lost, until `stop`."""
        assert self._sender is not None
        try:
            self._take(self.session.on_start(self._clock()))
            self._start()
            await self._stopping.wait()
            if self._on:
                self._leaving = "stopping"
                self._sender.log_out("")
                await asyncio.wait({self._loop.create_task(self._gone.wait())}, timeout=LOGOUT_S)
            if self._on:
                self._off(Happened("off", self._clock(), reason=self._leaving))
        finally:
            for timer in (self._timer, self._again):
                if timer is not None:
                    timer.cancel()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ends `run` after logging out."""
        self._stopping.set()

    # -- of the session layer: on its thread, but for `sending` of what we send

    def logging_on(self, begins_anew: bool) -> tuple[int, int]:
        return 1, 1

    def logon_fields(self, seq: str, sender: str, target: str, sending_time: str) -> list[tuple[int, str]]:
        return self._dialect.data_logon(Head(seq, sender, target, sending_time, self._clock() // 1_000_000))

    def header_fields(self, kind: str) -> list[tuple[int, str]]:
        return self._dialect.header(kind)

    def logged_on(self) -> None:
        self._put(Happened("on", self._clock()))

    def logged_out(self) -> None:
        self._put(Happened("off", self._clock(), reason=self._leaving or self._said or "the connection is lost"))
        self._said = self._leaving = ""

    def trouble(self, reason: str) -> None:
        """The venue cannot be reached."""
        self._put(Happened("off", self._clock(), reason=reason))

    def received(self, raw: bytes) -> None:
        self._put(Happened("message", self._clock(), raw))

    def administered(self, raw: bytes, next_in: int) -> None:
        message = fields_of(raw)
        if message.type == "5":
            self._said = message.get(58, "the venue logged us out")
        self._put(Happened("heard" if message.type in SESSION_TYPES else "message", self._clock(), raw))

    def sending(self, raw: str, seq: int, kind: str) -> None:
        if kind == "2" and not self._dialect.resends:
            self._put(Happened("left", self._clock(), reason=GAP))
        elif kind not in SESSION_TYPES:
            self.session.sent(seq, field_of(raw, 262) or field_of(raw, 320))

    def _put(self, one: Happened) -> None:
        """`deque` and the two marks are safe between threads: each is one operation."""
        if len(self._inbox) >= INBOX and one.what == "message":
            self._full = True
            return
        self._inbox.append(one)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._drain)

    # -- on the loop

    def _drain(self) -> None:
        try:
            self._woken = False
            for _ in range(min(BATCH, len(self._inbox))):
                self._happened(self._inbox.popleft())
            if self._full and not self._inbox:
                self._full = False
                now = self._clock()
                self._take(self.session.on_missed("more came than could be taken", now), now)
        except Exception as error:
            self.log.exception("failed")
            self._failure = self._failure or error
            self._stopping.set()
            return
        if self._inbox and not self._woken:
            self._woken = True
            self._loop.call_soon(self._drain)

    def _happened(self, one: Happened) -> None:
        session, now = self.session, one.ts
        if one.what == "on":
            self._on = True
            self.log.info("logged on")
            self._take(session.on_connected(now), now)
        elif one.what == "off":
            self._off(one)
        elif not self._on:
            return  # of a connection that is gone
        elif one.what == "message":
            self._take(session.on_frame(one.raw, now), now)
        elif one.what == "heard":
            self._take(session.on_heard(now), now)
        else:
            self._close(one.reason)

    def _off(self, one: Happened) -> None:
        """A connection that is gone, or could not be opened: tried again when the session says."""
        if self._away:
            return
        self._on, self._away = False, True
        self._gone.set()
        self.log.warning("logged out", reason=one.reason)
        assert self._sender is not None
        self._sender.log_out("")
        self._take(self.session.on_closed(one.ts, one.reason), one.ts)

    def _back(self) -> None:
        self._away = False
        assert self._sender is not None
        self._sender.allow_logon()

    def _close(self, reason: str) -> None:
        self._leaving = reason
        self.log.warning("logging out", reason=reason)
        assert self._sender is not None
        self._sender.log_out(reason)

    def _take(self, actions: Iterable[Action], now: int = 0) -> None:
        for action in actions:
            match action:
                case Send(text=text):
                    assert self._sender is not None
                    self._sender.send(text)
                case Wait(until=until):
                    self._wake_at(until)
                case Close(reason=reason):
                    self._close(reason)
                case Connect(at=at):
                    self._connect_at(at)
                case FetchRest() | Replace():
                    raise AssertionError(f"a FIX session asks for {action}")
                case _:
                    self.publisher.publish(action, now or self._clock())

    def _connect_at(self, at: int) -> None:
        if self._away:
            self._again = self._loop.call_later(max(0, at - self._clock()) / 1e9, self._back)

    def _wake_at(self, until: int) -> None:
        if self._timer is not None and self._timer_at <= until:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = until
        self._timer = self._loop.call_later(max(0, until - self._clock()) / 1e9, self._timed)

    def _timed(self) -> None:
        self._timer = None
        now = self._clock()
        try:
            self._take(self.session.on_timer(now), now)
            self.publisher.settle(now)
        except Exception as error:
            self.log.exception("failed")
            self._failure = self._failure or error
            self._stopping.set()
