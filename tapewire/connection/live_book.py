"""A book that keeps itself up to date from the bus.

    house     deltas wait ──▶ ask <env>.house.snapshot.<ticker> ──▶ snapshot, then what waited behind it
    venues    their own snapshots, which come by themselves every few seconds and after each loss

A missing bookSeq is told as a Gap, and the book is asked for anew; until then its quality is `resync`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import Final, Self

from tapewire import house, logs, subjects
from tapewire import messages as m
from tapewire.connection.book import Applied, Book
from tapewire.connection.subscription import QUEUE, Owner, Subscription
from tapewire.connection.values import Gap
from tapewire.errors import TransportError

ASK_TIMEOUT_S: Final = 2.0
ASK_AGAIN_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Between two requests for a snapshot; the last one for ever."""

BookMessage = m.BookSnapshot | m.BookDelta


class LiveBook(Book):
    """`book = await tw.book("house", "BTCUSDT")`: as a Book, always as of the last message."""

    def __init__(
        self,
        owner: Owner,
        env: str,
        feed: str,
        ticker: str,
        *,
        on: Callable[[LiveBook], None] | None = None,
        on_gap: Callable[[Gap], None] | None = None,
        queue: int = QUEUE,
    ) -> None:
        super().__init__(feed, ticker)
        self._owner, self._env, self._on, self._queue = owner, env, on, queue
        self.resyncs = 0
        """Snapshots taken after a gap."""
        self.subscription: Subscription[BookMessage] = Subscription(
            owner,
            subjects.subject(env, feed, "book", ticker),
            lambda message: message if isinstance(message, BookMessage) else None,
            on=self._on_message,
            on_gap=on_gap,
        )
        self._snapshots = subjects.subject(env, feed, "snapshot", ticker)
        self._waiting: deque[m.BookDelta] = deque(maxlen=queue)
        self._changed = asyncio.Event()
        self._whole = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._after_gap = False
        self._closed = False
        self._refused = ""
        self._log = logs.get("connection")

    # -- its life

    async def start(self) -> Self:
        """Returns once the book stands on a snapshot. Raises TransportError if the house lists no such ticker."""
        await self.subscription.start()
        if self.feed == house.FEED:
            self._ask()
        await self._whole.wait()
        if self._refused:
            await self.close()
            raise TransportError(f"{self._snapshots}: {self._refused}")
        return self

    def __await__(self) -> Generator[object, None, Self]:
        return self.start().__await__()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self._closed = True
        self._changed.set()
        self._whole.set()
        if self._asking is not None:
            self._asking.cancel()
        await self.subscription.close()

    @property
    def gaps(self) -> int:
        """How often something was missing."""
        return self.subscription.gap_count

    async def changes(self) -> AsyncIterator[Self]:
        """Gives the book as it stands, then after each change; changes that come while the reader works are one."""
        while not self._closed:
            await self._changed.wait()
            self._changed.clear()
            if not self._closed:
                yield self

    # -- what comes in

    def _on_message(self, message: BookMessage) -> None:
        before = self.book_seq
        applied = self.apply(message)
        if applied is Applied.gap:
            self.subscription.tell(
                Gap(self.subscription.pattern, "book_seq", before, message.book_seq, message.book_seq - before - 1)
            )
            self.lost()
        if applied in (Applied.gap, Applied.waiting):
            assert isinstance(message, m.BookDelta)
            self._waiting.append(message)
        elif applied is Applied.snapshot:
            self._stands()
        if applied in (Applied.snapshot, Applied.delta, Applied.gap):
            self._say()

    def lost(self) -> None:
        """Deltas are or may be missing: the book is asked for anew."""
        self.broken()
        self._after_gap = True
        if self.feed == house.FEED:
            self._ask()

    def feed_status(self, status: m.FeedStatus) -> None:
        """What its feed says of itself, or of this instrument."""
        if status.quality not in (m.BookQuality.unspecified, m.BookQuality.live):
            self.unusable(status.quality)
            self._say()

    def _stands(self) -> None:
        self.resyncs += self._after_gap
        self._after_gap = False
        waiting, self._waiting = self._waiting, deque(maxlen=self._queue)
        for delta in waiting:
            if self.apply(delta) is Applied.gap:
                self.lost()
                break
        if self.ready:
            self._whole.set()

    def _say(self) -> None:
        self._changed.set()
        if self._on is not None:
            self._on(self)

    # -- asking

    def _ask(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask_until_it_stands())

    async def _ask_until_it_stands(self) -> None:
        tries = 0
        while not self.ready and not self._closed:
            try:
                answer = await self._owner.transport.request(self._snapshots, b"", timeout=ASK_TIMEOUT_S)
            except TransportError as error:
                # The journal may be starting, or the bus away: whoever reads sees `resync` until it is answered.
                self._log.warning("snapshot_not_answered", subject=self._snapshots, error=str(error))
            else:
                message = m.decode(bytes(answer.data))
                if isinstance(message, m.BookSnapshot):
                    self._on_message(message)
                elif isinstance(message, m.FeedStatus) and not self._whole.is_set():
                    self._refused = message.reason
                    self._whole.set()
                    return
            if not self.ready:
                await asyncio.sleep(ASK_AGAIN_S[min(tries, len(ASK_AGAIN_S) - 1)])
                tries += 1
