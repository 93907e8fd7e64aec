"""What the API knows of the platform: the fold of the orders tape, venues' markets, health, statistics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from services.api.hub.events import Event
from services.api.platform import Feeds, Latency, Parents, Services, TapeRecord, TapeRecords, TapeState
from services.api.types import (
    AsOf,
    Bars,
    Book,
    Fills,
    Instrument,
    InstrumentStatus,
    Order,
    Orders,
    Positions,
    Quote,
    RiskState,
    Trades,
)
from tapewire.config import Config
from tapewire.interfaces import Transport
from tapewire.logs import Logger

Listener = Callable[[Event], None]


class Hub:
    """Everything is called on the event loop's thread. `now` gives UTC ns.

    Queries raise LookupError with a sentence for what is not known (a ticker, a feed, an order).
    """

    def __init__(self, config: Config, transport: Transport | None, log: Logger, now: Callable[[], int]) -> None:
        """`transport` is connected by whoever made it; without one venues, health and parents stay empty."""

    async def start(self) -> None:
        """Folds what is on the tape (from the newest snapshot on), then returns; subscribes to the bus."""

    async def run(self, stop: asyncio.Event) -> None:
        """Follows the tape until `stop`: at most 5 ms of the loop at a time. Calls listeners."""

    async def close(self) -> None:
        """Stores a snapshot, ends the time machine's process."""

    @property
    def ready(self) -> bool:
        """Whether everything on the tape has been taken in, up to a thousand records."""

    @property
    def seq(self) -> int:
        """The last record of the orders tape taken in."""

    def listen(self, callback: Listener, channels: Iterable[str]) -> Callable[[], None]:
        """Calls `callback` for each event of these channels; what is returned ends it. A callback must not raise."""

    # markets
    def instruments(self) -> list[Instrument]: ...
    def instrument(self, ticker: str) -> Instrument: ...
    def book(self, feed: str, ticker: str, depth: int = 20) -> Book: ...
    def quote(self, feed: str, ticker: str) -> Quote: ...
    def trades(self, feed: str, ticker: str, after: int = 0, limit: int = 50) -> Trades:
        """The next behind `after`, or, with 0, the last `limit`, oldest first."""

    def bars(self, feed: str, ticker: str, interval: str, limit: int = 500) -> Bars:
        """The last ones, the one under way included; oldest first."""

    def status(self, ticker: str) -> InstrumentStatus: ...

    # orders and accounts; `accounts` None: all
    def orders(
        self,
        accounts: Iterable[int] | None,
        *,
        live: bool = True,
        ticker: str = "",
        after: int = 0,
        limit: int = 100,
    ) -> Orders:
        """Live ones (or done ones) by OrderID behind `after`."""

    def order(self, order_id: int) -> Order:
        """With all its events."""

    def fills(self, accounts: Iterable[int] | None, after: int = 0, limit: int = 100) -> Fills: ...
    def positions(self, accounts: Iterable[int] | None) -> Positions: ...
    def risk(self, accounts: Iterable[int] | None) -> RiskState: ...

    # platform
    def record(self, raw: bytes) -> TapeRecord: ...
    async def records(self, after: int, limit: int = 100, types: frozenset[str] = frozenset()) -> TapeRecords: ...
    def state(self) -> TapeState: ...
    def latency(self) -> Latency: ...
    def feeds(self) -> Feeds: ...
    def services(self) -> Services: ...
    def parents(self, accounts: Iterable[int] | None) -> Parents: ...

    async def as_of(self, seq: int, client: str) -> AsOf:
        """All as it was right after record `seq`. A newer request of the same `client` ends this one (CancelledError
        becomes Superseded). Raises TooOld with the oldest seq, LookupError beyond the end, TimeoutError, Busy."""
