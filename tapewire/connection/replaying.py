"""A tape as if it were live: `tapewire.replay(tape, speed=…)` gives what `tapewire.connect` gives.

    orders tape ──HouseMarket──▶ what the journal published      md tape ──▶ what the connector published
                                        └────────▶ subscriptions, books, reports ◀────────┘

Nothing is published anywhere. It begins with the first subscription (those that are made in the same turn of the loop
see it from the beginning, too) and waits for readers that are slow, so that none loses anything; iterations end with
the tape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, NoReturn, Self

from tapewire import house, subjects
from tapewire import messages as m
from tapewire.connection.handle import Order
from tapewire.connection.instrument import Instrument
from tapewire.connection.markets import Markets
from tapewire.connection.order import KINDS, Report
from tapewire.connection.subscription import Subscription
from tapewire.errors import OrderRefused, TapewireError, TransportError
from tapewire.house import HouseMarket
from tapewire.house_snapshot import snapshot_for
from tapewire.interfaces import Handler, Received, TransportStats
from tapewire.subjects import matches
from tapewire.tape import TapeReader

BATCH: Final = 1024
YIELD_EVERY: Final = 64
"""Messages between two turns of the loop."""
LOOK_EVERY_S: Final = 0.001
LONGEST_SLEEP_S: Final = 3600.0

KIND_OF: Final[dict[type[m.Message], str]] = {
    m.Trade: "trade",
    m.Quote: "quote",
    m.BookDelta: "book",
    m.BookSnapshot: "book",
    m.FeedStatus: "status",
    m.InstrumentDefinition: "instrument",
}
"""Under which kind of subject a connector publishes what stands on its tape."""


class Played(NamedTuple):
    """A message as it was published, and when."""

    subject: str
    data: bytes
    ts: int
    reply: str = ""
    headers: None = None


def published(raws: Iterator[bytes], env: str, feed: str, market: HouseMarket) -> Iterator[Played]:
    """What the services made of a tape's records, in their order. `feed`: of a venue's tape; `house` for orders."""
    if feed == house.FEED:
        ts = 0
        for raw in raws:
            record = m.decode(raw)
            ts = max(ts, record.ts)
            yield Played(subjects.subject(env, "orders", "tape", 0), raw, ts)
            yield from (Played(to, payload, ts) for to, payload in market.fold(raw))
        yield from (Played(to, payload, ts) for to, payload in market.settle())
        return
    for raw in raws:
        record = m.decode(raw)
        if (kind := KIND_OF.get(type(record))) is not None:
            yield Played(subjects.subject(env, feed, kind, record.ticker), raw, record.ts)  # type: ignore[attr-defined]


class _Playing:
    """A `Transport` that only brings: the subscriptions of one replay."""

    def __init__(self, answer: Callable[[str, bytes], Awaitable[bytes]]) -> None:
        self.stats = TransportStats()
        self.connected = True
        self._answer = answer
        self.subscriptions: list[_PlayedSubscription] = []
        self.begun = asyncio.Event()

    async def connect(self) -> None: ...

    def publish(self, subject: str, payload: bytes, headers: bytes | None = None, reply: str = "") -> bool:
        raise TransportError(f"publish on {subject}: a replay only brings what was")

    async def writable(self) -> None: ...

    async def subscribe(self, pattern: str, handler: Handler, *, max_pending: int | None = None) -> _PlayedSubscription:
        made = _PlayedSubscription(self, pattern, handler)
        self.subscriptions.append(made)
        self.begun.set()
        return made

    def new_inbox(self) -> str:
        raise TransportError("a replay answers nobody but who plays it")

    async def request(self, subject: str, payload: bytes, *, timeout: float = 1.0) -> Received:
        return Played(subject, await self._answer(subject, payload), 0)

    def deliver(self, message: Played) -> None:
        for subscription in tuple(self.subscriptions):
            if matches(subscription.pattern, message.subject):
                self.stats.received += 1
                subscription.handler(message)

    async def flush(self) -> None: ...

    async def drain(self) -> None: ...

    async def close(self) -> None: ...


class _PlayedSubscription:
    dropped = 0

    def __init__(self, transport: _Playing, pattern: str, handler: Handler) -> None:
        self._transport, self.pattern, self.handler = transport, pattern, handler

    async def unsubscribe(self) -> None:
        if self in self._transport.subscriptions:
            self._transport.subscriptions.remove(self)


class Replay(Markets):
    """Market data and reports of a tape, in its order. What would change something raises OrderRefused."""

    def __init__(
        self, tape: Path | str, *, speed: float | None = None, env: str = "replay", feed: str = "", account: int = 0
    ) -> None:
        """`speed`: 1.0 as it was, 10.0 ten times as fast, None as fast as it is read. `feed`: whose tape it is; if left
        out, by its name: orders.<n> is the house's, md.<feed> a venue's."""
        self.path = Path(tape)
        self.feed = feed or feed_of(self.path)
        if speed is not None and not speed > 0:
            raise ValueError(f"speed is {speed}; expected above 0, or None for as fast as possible")
        self.speed, self.account = speed, account
        self._market = HouseMarket(env)
        self._playing = _Playing(self._snapshot)
        super().__init__(self._playing, env)
        self._now = 0
        self.played = 0
        """Messages so far."""
        self.ended = asyncio.Event()
        self._player: asyncio.Task[None] | None = None

    # -- its life

    async def __aenter__(self) -> Self:
        if self.feed == house.FEED:
            await self.transport.subscribe(
                subjects.pattern(self.env, house.FEED, "instrument"), lambda got: self._defined(bytes(got.data))
            )
            self._playing.begun.clear()
        self._player = asyncio.get_running_loop().create_task(self._play())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._player is not None
        self._player.cancel()
        await asyncio.wait([self._player])
        await self.close_subscriptions()
        if error is None and not self._player.cancelled() and (failed := self._player.exception()) is not None:
            raise failed

    def now(self) -> int:
        """The tape's time, UTC ns."""
        return self._now

    async def _play(self) -> None:
        try:
            await self._playing.begun.wait()
            await asyncio.sleep(0)
            with TapeReader(self.path, None) as reader:
                await self._deliver_all(published(iter(reader), self.env, self.feed, self._market))
        finally:
            self.ended.set()
            for subscription in tuple(self._subscriptions):
                subscription.end()

    async def _deliver_all(self, messages: Iterator[Played]) -> None:
        loop = asyncio.get_running_loop()
        began, first = loop.time(), 0
        for message in messages:
            if self.speed is not None:
                first = first or message.ts
                due = began + (message.ts - first) / 1e9 / self.speed
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(min(wait, LONGEST_SLEEP_S))
            self._now = message.ts
            self._playing.deliver(message)
            self.played += 1
            for subscription in self._subscriptions:
                while subscription.full:
                    await subscription.room()
            if self.played % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    # -- what a connection has

    async def instrument(self, ticker: str) -> Instrument:
        """As it is defined at this point of the tape; waits for its definition if that comes later."""
        self._playing.begun.set()
        while ticker not in self._by_ticker:
            if self.ended.is_set():
                listed = ", ".join(sorted(self._by_ticker)) or "none"
                raise TransportError(f"{self.path}: no instrument {ticker!r}; it has {listed}")
            await asyncio.sleep(LOOK_EVERY_S)
        return self._by_ticker[ticker]

    async def instruments(self) -> dict[str, Instrument]:
        return dict(self._by_ticker)

    def reports(self, account: int = 0) -> Subscription[Report]:
        """Every report of an account, in the order of the tape."""
        account = account or self.account
        if not account:
            raise OrderRefused("no account: give replay(account=…), or one here")
        return self._subscribe(house.FEED, "exec", str(account), self._read_report, None, None, {})

    def _read_report(self, message: m.Message) -> Report | None:
        if type(message) not in KINDS:
            return None
        return Report(message, self._by_id.get(message.instrument))  # type: ignore[arg-type]

    async def buy(self, *args: object, **more: object) -> Order:
        """Raises OrderRefused: what was is over. A simulation enters orders into a tape's market (docs/strategy.md)."""
        _over()

    sell = submit = cancel_all = buy

    async def _snapshot(self, subject: str, payload: bytes) -> bytes:
        """As the journal answers, but for a ticker that is yet to be listed: that is waited for."""
        ticker = subjects.Subject.parse(subject).key
        while ticker and self._market.book(ticker) is None and not self.ended.is_set():
            await asyncio.sleep(LOOK_EVERY_S)
        return snapshot_for(self._market, subject, payload, self._now)


def _over() -> NoReturn:
    raise OrderRefused("a replay takes no orders: `tapewire strategy run --simulate` enters them into a tape's market")


def feed_of(tape: Path) -> str:
    """Whose tape it is, by its name. Raises TapewireError for one that is neither an orders tape nor a feed's."""
    kind, _, rest = tape.name.partition(".")
    if kind == "orders":
        return house.FEED
    if kind == "md" and rest:
        return rest
    raise TapewireError(f"{tape}: expected a tape orders.<shard> or md.<feed>; say feed=… for one of another name")


def replay(
    tape: Path | str, *, speed: float | None = None, env: str = "replay", feed: str = "", account: int = 0
) -> Replay:
    """A tape as if it were live, to be entered by `async with`; see Replay."""
    return Replay(tape, speed=speed, env=env, feed=feed, account=account)
