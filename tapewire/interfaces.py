"""The protocols that parts of Tapewire meet at, on one page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


class Received(Protocol):
    """A message as a subscriber gets it. `data` is the payload; `reply` is empty unless an answer is expected."""

    @property
    def subject(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def reply(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str] | None: ...


Handler = Callable[[Received], Awaitable[None] | None]
"""Called once per message, in the order of arrival within its subscription. A plain function is fastest, and holds up
everything while it runs. While a coroutine function waits, further messages of its subscription wait too, up to
`max_pending`; beyond that they are dropped and counted."""

OnFailure = Callable[[BaseException], None]
"""Told what a handler raised, or why the transport closed by itself. A service stops; by default it is logged."""


@dataclass(slots=True)
class TransportStats:
    """Counters since the transport was made."""

    published: int = 0
    received: int = 0
    dropped: int = 0
    """Messages that arrived but found `max_pending` others waiting."""
    refused: int = 0
    """Publishes that found the outgoing buffer full; nothing of them was sent."""
    reconnects: int = 0
    handler_errors: int = 0


class Subscription(Protocol):
    """Interest in a pattern, until `unsubscribe` or the transport's end. Survives reconnections."""

    @property
    def pattern(self) -> str: ...
    @property
    def dropped(self) -> int: ...
    async def unsubscribe(self) -> None: ...


class Transport(Protocol):
    """A bus: at most once, in order per publisher and subscription, nothing stored.

    All methods are called on the event loop's thread. Expected failures are a False from `publish`, or TransportError.
    """

    @property
    def stats(self) -> TransportStats: ...

    @property
    def connected(self) -> bool: ...

    async def connect(self) -> None:
        """Reaches the bus. Raises TransportError, saying where it looked, if that takes too long."""

    def publish(self, subject: str, payload: bytes, headers: bytes | None = None, reply: str = "") -> bool:
        """Hands over one message; it leaves by itself at the end of this turn of the loop, with all others of the turn.

        `headers` is a block made once by `tapewire.transports.headers.block`. False: the outgoing buffer is full
        (`await writable()`), and nothing was sent. Raises TransportError if closed, or the payload is above 1 MiB.
        """

    async def writable(self) -> None:
        """Returns when `publish` has room again."""

    async def subscribe(self, pattern: str, handler: Handler, *, max_pending: int | None = None) -> Subscription:
        """Calls `handler` for what fits `pattern`. On return the bus knows: nothing published later is missed."""

    def new_inbox(self) -> str:
        """A subject of our own for answers; `<it>.*` may be subscribed to. For who is connected."""

    async def request(self, subject: str, payload: bytes, *, timeout: float = 1.0) -> Received:
        """The first answer. Raises TransportError if nobody listens or none comes within `timeout` seconds."""

    async def flush(self) -> None:
        """Returns when everything published so far has reached the bus."""

    async def drain(self) -> None:
        """Stops new deliveries, lets handlers finish what waits, sends what is left, and closes."""

    async def close(self) -> None:
        """Closes at once; what waits is dropped."""
