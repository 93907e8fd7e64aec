"""Latest values over the bus: what a feed publishes, folded into a page of this process by the code of its sequencer.

Missing numbers show as `gaps`: of a venue's feed every message has the next number; of the house each book has. A bus
that was away counts one for every instrument. What may have been missed has the quality `resync` until its next: books
and quotes of the house are asked for, those of a venue come by themselves. What stands of the house is asked for at the
start and whenever the bus is back, until it is answered: a journal that starts later than we do tells it then.
"""

from __future__ import annotations

import asyncio
import itertools
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
_NO_FRAMES: Final = bytes(4)
"""How a flat message begins; of frames, which have a length there, none does."""


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
            house=feed == house.FEED,
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
        self._wanted = self._told = 0
        """How often what stands of the house was wanted, and the last of those that it was told."""
        self._telling = False
        self._inbox = ""
        self._waiting: dict[str, asyncio.Future[bytes | None]] = {}
        """Requests under way, by where their answers come."""
        self._numbers = itertools.count()
        self._answered = True

    @property
    def connected(self) -> bool:
        return self._transport.connected

    async def start(self) -> None:
        """Connects, and asks the house once; if it does not answer, on and on. Raises TransportError."""
        await self._transport.connect()
        try:
            for kind in KINDS:
                pattern = subjects.pattern(self._env, self._feed, kind)
                self._subscriptions.append(await self._transport.subscribe(pattern, self._on_message))
            if self._feed == house.FEED:
                self._inbox = self._transport.new_inbox()
                await self._transport.subscribe(f"{self._inbox}.*", self._on_answer)
                if not await self._ask_house():
                    self._ask_all()
        except BaseException:
            await self.close()
            raise

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
            self._wanted += 1
            if not self._telling:
                self._telling = True
                self._tasks.begin(self._until_told())

    async def _until_told(self) -> None:
        try:
            while self._told < (wanted := self._wanted):
                if await self._ask_house():
                    self._told = wanted
                else:
                    await asyncio.sleep(ASK_AGAIN_S)
        finally:
            self._telling = False

    async def _ask_house(self) -> bool:
        """Whether it told everything that stands: definitions, status, books."""
        answer = await self._request("", INSTRUMENTS)
        if answer is None:
            return False
        if answer.startswith(_NO_FRAMES):
            refusal = m.decode(answer)
            self._log.warning("house_does_not_tell_its_instruments", reason=getattr(refusal, "reason", repr(refusal)))
            return True  # there are too many for one message: each is asked for as it moves
        for message in map(m.decode, unframed(answer)):
            if isinstance(message, m.InstrumentDefinition):
                for what in ("status", BOOK):
                    if await self._ask(message.ticker, what) is None:
                        return False
        return True

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

    async def _ask(self, ticker: str, what: str) -> bool | None:
        """Whether the house has it; else it says why not. None: it does not answer."""
        raw = await self._request(ticker, what)
        # It says why not of a status that was never told, or a ticker that is gone.
        return None if raw is None else not isinstance(m.decode(raw), m.FeedStatus)

    async def _request(self, ticker: str, what: str) -> bytes | None:
        """The answer, which was folded as it came; None if there is none."""
        inbox = f"{self._inbox}.{next(self._numbers)}"
        self._waiting[inbox] = asyncio.get_running_loop().create_future()
        to = subjects.subject(self._env, house.FEED, "snapshot", ticker)
        try:
            sent = self._transport.publish(to, what.encode(), reply=inbox)
            raw = await asyncio.wait_for(self._waiting[inbox], ASK_TIMEOUT_S) if sent else None
        except (TransportError, TimeoutError):
            raw = None
        finally:
            del self._waiting[inbox]
        if raw is None and self._answered:
            self._log.warning("house_does_not_answer", ticker=ticker, asked=what, again_after_seconds=ASK_AGAIN_S)
        self._answered = raw is not None  # said once, until it answers again
        return raw

    def _on_answer(self, received: Received) -> None:
        """Folds an answer where it stands between what is published: a later delta must find the book it changes."""
        raw = None if not received.data and received.headers is not None else bytes(received.data)
        if raw is None:
            pass  # it is the server who says that nobody answers there
        elif raw.startswith(_NO_FRAMES):
            if not isinstance(m.decode(raw), m.FeedStatus):
                self.writer.put(raw)
        else:
            for one in unframed(raw):
                self.writer.put(one)
        waiting = self._waiting.get(received.subject)
        if waiting is not None and not waiting.done():
            waiting.set_result(raw)
