"""Latest values over the bus: what a feed publishes, folded into a page of this process by the code of its sequencer.

Missing numbers show as `gaps`: of a venue's feed every message has the next number; of the house each book has. A bus
that was away counts one for every instrument. A book with a gap has the quality `resync` until its next snapshot: that
of the house is asked for, a venue's comes by itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tapewire import house, logs, subjects
from tapewire import messages as m
from tapewire.config import Latest as Settings
from tapewire.config import Nats
from tapewire.errors import LatestError, TransportError
from tapewire.house_snapshot import BOOK, INSTRUMENTS
from tapewire.interfaces import Received, Subscription
from tapewire.latest._latest import LatestReader, LatestWriter
from tapewire.lifecycle import Background
from tapewire.order_bus import unframed
from tapewire.transports.nats import NatsTransport

if TYPE_CHECKING:
    from tapewire.config import Config

KINDS: Final = ("trade", "quote", "book", "status", "instrument")
ASK_TIMEOUT_S: Final = 2.0
ASK_AGAIN_S: Final = 0.5


class Filling:
    """The bus's side of `Latest.remote`."""

    def __init__(self, url: str, env: str, feed: str, config: Config | None) -> None:
        nats = config.nats if config is not None else Nats(url=url)
        sizes = config.latest if config is not None else Settings()
        self._env, self._feed = config.env if config is not None else env, feed
        self.writer = LatestWriter(
            None,
            instruments=sizes.instruments,
            quotes=sizes.quotes,
            trades=sizes.trades,
            references=sizes.references,
            contiguous=feed != house.FEED,
        )
        self._reader = LatestReader(self.writer.path)
        self._log = logs.get("latest")
        self._transport = NatsTransport(
            nats, name="latest", on_disconnected=self.writer.lose_all, on_reconnected=self._ask_all, log=self._log
        )
        self._tasks = Background(lambda error: self._log.error("latest_task_failed", error=repr(error)))
        self._subscriptions: list[Subscription] = []
        self._asking: set[str] = set()
        self._dropped = 0

    @property
    def connected(self) -> bool:
        return self._transport.connected

    async def start(self) -> None:
        await self._transport.connect()
        for kind in KINDS:
            pattern = subjects.pattern(self._env, self._feed, kind)
            self._subscriptions.append(await self._transport.subscribe(pattern, self._on_message))
        if self._feed == house.FEED:
            await self._ask_house()

    async def close(self) -> None:
        self._tasks.cancel()
        self._reader.close()
        if self._transport.connected:
            await self._transport.drain()
        else:
            await self._transport.close()
        self.writer.close()

    def _on_message(self, received: Received) -> None:
        dropped = sum(one.dropped for one in self._subscriptions)
        if dropped > self._dropped:
            # This process was too slow for the bus: nobody knows of which instruments it lost something.
            self._dropped = dropped
            self.writer.lose_all()
            self._ask_all()
        raw = bytes(received.data)
        self.writer.put(raw)
        if self._feed == house.FEED:
            message = m.decode(raw)
            if isinstance(message, m.BookDelta) and self._quality(message.ticker) is m.BookQuality.resync:
                self._ask_book(message.ticker)

    def _quality(self, ticker: str) -> m.BookQuality:
        try:
            return self._reader.get(ticker).top_quality
        except LatestError:
            return m.BookQuality.unspecified  # the page has no room for it, and says so to who asks

    def _ask_all(self) -> None:
        if self._feed == house.FEED:
            self._tasks.begin(self._ask_house())

    async def _ask_house(self) -> None:
        try:
            answer = await self._transport.request(
                subjects.subject(self._env, house.FEED, "snapshot", ""), INSTRUMENTS.encode(), timeout=ASK_TIMEOUT_S
            )
        except (TransportError, TimeoutError) as error:
            self._log.warning("house_does_not_tell_its_instruments", reason=str(error))
            return
        for raw in unframed(answer.data):
            self.writer.put(raw)
            message = m.decode(raw)
            if isinstance(message, m.InstrumentDefinition):
                for what in ("status", BOOK):
                    await self._ask(message.ticker, what)

    def _ask_book(self, ticker: str) -> None:
        if ticker not in self._asking:
            self._asking.add(ticker)
            self._tasks.begin(self._until_whole(ticker))

    async def _until_whole(self, ticker: str) -> None:
        try:
            while self._quality(ticker) is m.BookQuality.resync:
                if not await self._ask(ticker, BOOK):
                    await asyncio.sleep(ASK_AGAIN_S)
        finally:
            self._asking.discard(ticker)

    async def _ask(self, ticker: str, what: str) -> bool:
        """Whether the house answered, with what it has published last."""
        to = subjects.subject(self._env, house.FEED, "snapshot", ticker)
        try:
            answer = await self._transport.request(to, what.encode(), timeout=ASK_TIMEOUT_S)
        except (TransportError, TimeoutError) as error:
            self._log.warning("house_does_not_answer", ticker=ticker, asked=what, reason=str(error))
            return False
        raw = bytes(answer.data)
        if isinstance(m.decode(raw), m.FeedStatus):
            return False  # it says why not: of a status that was never told, or a ticker that is gone
        return self.writer.put(raw)
