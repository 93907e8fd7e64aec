"""A bus in memory: the rules of NATS without a server, deterministic, for tests and simulation."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from tapewire import logs
from tapewire.alarm import Alarm
from tapewire.errors import TransportError
from tapewire.interfaces import Handler, OnFailure, Received, TransportStats
from tapewire.subjects import check_subject, matches
from tapewire.transports import DEFAULT_MAX_PENDING, MAX_PAYLOAD_BYTES
from tapewire.transports.headers import parse

MAX_ROUTES = 65_536
_BEFORE_YIELD = 64


class MemoryMessage(NamedTuple):
    subject: str
    data: bytes
    reply: str
    headers: Mapping[str, str] | None


class MemoryBus:
    """What the transports of one test share: who is interested in what."""

    def __init__(self) -> None:
        self._subscriptions: dict[MemorySubscription, None] = {}
        self._routes: dict[str, tuple[MemorySubscription, ...]] = {}
        self._inboxes = 0

    def add(self, subscription: MemorySubscription) -> None:
        self._subscriptions[subscription] = None
        self._routes.clear()

    def remove(self, subscription: MemorySubscription) -> None:
        self._subscriptions.pop(subscription, None)
        self._routes.clear()

    def deliver(self, message: MemoryMessage) -> int:
        """Puts a message before everyone interested, in the order they subscribed; how many that were."""
        found = self._routes.get(message.subject)
        if found is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            found = tuple(one for one in self._subscriptions if matches(one.pattern, message.subject))
            self._routes[message.subject] = found
        for subscription in found:
            subscription.put(message)
        return len(found)

    def new_inbox(self) -> str:
        self._inboxes += 1
        return f"_INBOX.{self._inboxes}"


class MemorySubscription:
    """A bounded queue and the task that hands it to the handler, one message after the other."""

    def __init__(self, transport: MemoryTransport, pattern: str, handler: Handler, max_pending: int) -> None:
        self.pattern = pattern
        self._transport, self._handler, self._max_pending = transport, handler, max_pending
        self._queue: deque[MemoryMessage] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._alarm = Alarm(self._say_slow, asyncio.get_running_loop().call_later)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"subscription {pattern}")

    @property
    def dropped(self) -> int:
        return self._alarm.total

    def put(self, message: MemoryMessage) -> None:
        if len(self._queue) >= self._max_pending:
            self._transport.stats.dropped += 1
            self._alarm.hit()
            return
        self._queue.append(message)
        self._idle.clear()
        self._wake.set()

    async def _run(self) -> None:
        handled = 0
        while True:
            if not self._queue:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._transport.handle(self._handler, self._queue.popleft())
            handled += 1
            if handled % _BEFORE_YIELD == 0:
                await asyncio.sleep(0)

    def _say_slow(self, since: int, total: int) -> None:
        self._transport.log.warning(
            "slow_consumer", pattern=self.pattern, dropped=since, dropped_total=total, max_pending=self._max_pending
        )

    async def finish(self) -> None:
        """Takes nothing new, waits until the handler has had all, and ends."""
        self._transport.bus.remove(self)
        self._wake.set()
        if self._queue or not self._idle.is_set():
            await self._idle.wait()
        self.stop()

    async def unsubscribe(self) -> None:
        self._transport.forget(self)
        self.stop()

    def stop(self) -> None:
        self._transport.bus.remove(self)
        self._task.cancel()


class MemoryTransport:
    """A `Transport` on a `MemoryBus`. Messages reach the subscribers' queues within `publish`."""

    def __init__(
        self,
        bus: MemoryBus,
        *,
        max_pending: int = DEFAULT_MAX_PENDING,
        on_failure: OnFailure | None = None,
        log: logs.Logger | None = None,
    ) -> None:
        self.bus = bus
        self.stats = TransportStats()
        self.log = log or logs.get("transport")
        self._max_pending, self._on_failure = max_pending, on_failure
        self._subscriptions: list[MemorySubscription] = []
        self._open = False

    @property
    def connected(self) -> bool:
        return self._open

    async def connect(self) -> None:
        self._open = True

    def publish(self, subject: str, payload: bytes, headers: bytes | None = None, reply: str = "") -> bool:
        self._deliver(subject, payload, headers, reply)
        return True

    def _deliver(self, subject: str, payload: bytes, headers: bytes | None, reply: str) -> int:
        if not self._open:
            raise TransportError(f"publish on {subject}: the transport is closed; connect it first")
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise TransportError(f"publish on {subject}: {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are taken")
        check_subject(subject)
        self.stats.published += 1
        return self.bus.deliver(MemoryMessage(subject, payload, reply, parse(headers) if headers else None))

    async def writable(self) -> None:
        await asyncio.sleep(0)

    async def subscribe(self, pattern: str, handler: Handler, *, max_pending: int | None = None) -> MemorySubscription:
        if not self._open:
            raise TransportError(f"subscribe to {pattern}: the transport is closed; connect it first")
        subscription = MemorySubscription(self, pattern, handler, max_pending or self._max_pending)
        self._subscriptions.append(subscription)
        self.bus.add(subscription)
        return subscription

    def new_inbox(self) -> str:
        return self.bus.new_inbox()

    async def request(self, subject: str, payload: bytes, *, timeout: float = 1.0) -> Received:
        answer: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        inbox = self.bus.new_inbox()

        def on_answer(message: Received) -> None:
            if not answer.done():
                answer.set_result(message)

        subscription = await self.subscribe(inbox, on_answer)
        try:
            if not self._deliver(subject, payload, None, inbox):
                raise TransportError(f"request on {subject}: nobody answers there")
            return await asyncio.wait_for(answer, timeout)
        except TimeoutError:
            raise TransportError(f"request on {subject}: no answer within {timeout} s") from None
        finally:
            await subscription.unsubscribe()

    async def handle(self, handler: Handler, message: Received) -> None:
        """Calls a handler; what it raises is counted and told, and the next message goes on."""
        self.stats.received += 1
        try:
            waiting = handler(message)
            if waiting is not None:
                await waiting
        except Exception as error:
            self.stats.handler_errors += 1
            self.log.exception("handler_failed", subject=message.subject)
            if self._on_failure is not None:
                self._on_failure(error)

    def forget(self, subscription: MemorySubscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    async def flush(self) -> None:
        await asyncio.sleep(0)

    async def drain(self) -> None:
        for subscription in list(self._subscriptions):
            await subscription.finish()
        await self.close()

    async def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.stop()
        self._subscriptions.clear()
        self._open = False
