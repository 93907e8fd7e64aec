"""A subscription: messages of one pattern, to a callback or to `async for`, in a bounded queue, with its gaps visible.

    bus ──▶ repeated? drop ──▶ missing? Gap ──▶ callback, or queue ──▶ async for

What the reader is too slow for is dropped by the policy it chose, and told as a Gap; nothing is lost silently.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Generic, Literal, Protocol, Self, TypeVar

from tapewire import logs
from tapewire import messages as m
from tapewire.connection.numbers import DenseSeqs, Numbers
from tapewire.connection.values import Gap
from tapewire.errors import GapError
from tapewire.interfaces import Received, Transport
from tapewire.interfaces import Subscription as BusSubscription

T = TypeVar("T")
Policy = Literal["drop_oldest", "drop_newest", "fail"]
"""What a full queue does: forget what is oldest, refuse what is newest, or end the subscription with GapError."""

QUEUE = 10_000
"""Messages that wait at most, unless told otherwise."""
GAPS_KEPT = 1_000


class Owner(Protocol):
    """What a subscription needs of its connection."""

    @property
    def transport(self) -> Transport: ...
    def joined(self, subscription: Subscription[object]) -> None: ...
    def left(self, subscription: Subscription[object]) -> None: ...


class Subscription(Generic[T]):
    """Interest in a pattern. It begins with `async for`, `async with` or `await start()`, and ends with `close()`."""

    def __init__(
        self,
        owner: Owner,
        pattern: str,
        read: Callable[[m.Message], T | None],
        *,
        numbers: Numbers | None = None,
        on: Callable[[T], None] | None = None,
        on_gap: Callable[[Gap], None] | None = None,
        queue: int = QUEUE,
        policy: Policy = "drop_oldest",
    ) -> None:
        """`read`: what to hand on of a message; None: nothing. `on`: called for each, in place of the iteration."""
        if queue < 1:
            raise ValueError(f"queue is {queue}; expected at least 1")
        self.pattern, self.policy, self.queue = pattern, policy, queue
        self.gaps: deque[Gap] = deque(maxlen=GAPS_KEPT)
        """The last ones."""
        self.gap_count = self.dropped = self.repeated = self.received = 0
        self._owner, self._read, self._numbers = owner, read, numbers
        self._on, self._on_gap = on, on_gap
        self._waiting: deque[T] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._inner: BusSubscription | None = None
        self._ended = False
        self._failure: GapError | None = None
        self._dropped_told: Gap | None = None
        self._log = logs.get("connection")

    # -- its life

    async def start(self) -> Self:
        """Returns once the bus knows of it: nothing published later is missed."""
        if self._inner is None and not self._ended:
            self._inner = await self._owner.transport.subscribe(self.pattern, self._on_message)
            self._owner.joined(self)  # type: ignore[arg-type]
        return self

    async def close(self) -> None:
        """Ends it; what waits can still be read."""
        self.end()
        inner, self._inner = self._inner, None
        if inner is not None:
            self._owner.left(self)  # type: ignore[arg-type]
            await inner.unsubscribe()

    def end(self) -> None:
        """Nothing more will come: the iteration ends after what waits."""
        self._ended = True
        self._wake.set()
        self._room.set()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- what comes in

    def _on_message(self, received: Received) -> None:
        self.received += 1
        message = m.decode(bytes(received.data))
        numbers = self._numbers
        if numbers is not None:
            if numbers.repeated(received.subject, message):
                self.repeated += 1
                return
            if (missing := numbers.missing(received.subject, message)) is not None:
                self.tell(Gap(received.subject, *missing))
        value = self._read(message)
        if value is not None:
            self.put(value)

    def put(self, value: T) -> None:
        """Hands on a value as if it had come in now."""
        if self._on is not None:
            self._on(value)
            return
        if self._ended:
            return
        if len(self._waiting) >= self.queue:
            self._drop(value)
        else:
            self._waiting.append(value)
        self._wake.set()

    def _drop(self, value: T) -> None:
        self.dropped += 1
        if self.policy == "fail":
            self._failure = GapError(f"{self.pattern}: {self.queue} messages wait: the reader is too slow")
            self.end()
            return
        if self.policy == "drop_oldest":
            self._waiting.popleft()
            self._waiting.append(value)
        # One gap for all that is dropped while the queue stays full: how much, `dropped` tells by then.
        if self._dropped_told is None:
            self._dropped_told = Gap(self.pattern, "queue_full", missing=1)
            self.tell(self._dropped_told)

    def tell(self, gap: Gap) -> None:
        """Counts a gap, and says it to `on_gap` or the log."""
        self.gap_count += 1
        self.gaps.append(gap)
        if self._on_gap is not None:
            self._on_gap(gap)
        else:
            self._log.warning(
                "gap", subject=gap.subject, reason=gap.reason, after=gap.after, before=gap.before, missing=gap.missing
            )

    def reconnected(self) -> None:
        """The bus was away: what was published meanwhile is missing, however much that was."""
        if isinstance(self._numbers, DenseSeqs):
            return  # Its numbers tell, and tell how much.
        self.tell(Gap(self.pattern, "reconnected"))

    @property
    def lost_by_bus(self) -> int:
        """Messages that arrived in this process and were dropped before they came here."""
        return self._inner.dropped if self._inner is not None else 0

    # -- what is read

    @property
    def full(self) -> bool:
        return self._on is None and not self._ended and len(self._waiting) >= self.queue

    async def room(self) -> None:
        """Returns when the reader has taken something, or the subscription has ended."""
        self._room.clear()
        if self.full:
            await self._room.wait()

    def __aiter__(self) -> AsyncIterator[T]:
        if self._on is not None:
            raise TypeError(f"{self.pattern}: its messages go to the callback `on`; leave that out to iterate")
        return self

    async def __anext__(self) -> T:
        await self.start()
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        self._dropped_told = None
        value = self._waiting.popleft()
        self._room.set()
        return value
