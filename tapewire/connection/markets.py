"""The market-data side of a connection: subscriptions, books, instruments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypedDict, TypeVar, Unpack

from tapewire import house, subjects
from tapewire import messages as m
from tapewire.connection.instrument import Instrument
from tapewire.connection.live_book import LiveBook
from tapewire.connection.numbers import DenseSeqs, DenseTrades, Repeats
from tapewire.connection.subscription import Policy, Subscription
from tapewire.connection.values import Auction, Gap, Quote, Status, Trade, TradeBusted, TradeCorrected
from tapewire.errors import TransportError
from tapewire.interfaces import Subscription as BusSubscription
from tapewire.interfaces import Transport
from tapewire.order_bus import unframed

T = TypeVar("T")
ANY: Final = "*"
"""As a ticker: all of them."""
ASK_TIMEOUT_S: Final = 2.0

AnyTrade = Trade | TradeBusted | TradeCorrected


class Options(TypedDict, total=False):
    """How a subscription hands on what comes."""

    on_gap: Callable[[Gap], None]
    """Told of each gap; left out, the log is."""
    queue: int
    """Messages that wait at most; 10,000."""
    policy: Policy
    """What a full queue does: drop_oldest (the default), drop_newest, or fail."""


class Markets:
    """Subscriptions to feeds. Prices and quantities come as Decimals (tapewire/connection/values.py)."""

    def __init__(self, transport: Transport, env: str) -> None:
        self.transport, self.env = transport, env
        self._subscriptions: list[Subscription[object]] = []
        self._books: list[LiveBook] = []
        self._lost: dict[Subscription[object], int] = {}
        self._by_ticker: dict[str, Instrument] = {}
        self._by_id: dict[int, Instrument] = {}
        self._definitions: BusSubscription | None = None
        self._learning = asyncio.Lock()

    # -- subscriptions

    def trades(
        self, feed: str, ticker: str = ANY, *, on: Callable[[AnyTrade], None] | None = None, **options: Unpack[Options]
    ) -> Subscription[AnyTrade]:
        """Trades of a feed; of the house also TradeBusted and TradeCorrected. All of the house's: gaps by trade id."""
        dense = feed == house.FEED and ticker == ANY
        numbers = DenseTrades() if dense else Repeats() if feed == house.FEED else None
        return self._subscribe(feed, "trade", ticker, self._read_trade, numbers, on, options)

    def quotes(
        self, feed: str, ticker: str = ANY, *, on: Callable[[Quote], None] | None = None, **options: Unpack[Options]
    ) -> Subscription[Quote]:
        """Tops of books, whenever one changes."""
        numbers = Repeats() if feed == house.FEED else None
        return self._subscribe(feed, "quote", ticker, _read_quote, numbers, on, options)

    def status(
        self, feed: str, ticker: str = ANY, *, on: Callable[[Status], None] | None = None, **options: Unpack[Options]
    ) -> Subscription[Status]:
        """Status and limit state of the house's instruments, or a venue's feed states."""
        numbers = Repeats() if feed == house.FEED else None
        return self._subscribe(feed, "status", ticker, _read_status, numbers, on, options)

    def auctions(
        self, ticker: str = ANY, *, on: Callable[[Auction], None] | None = None, **options: Unpack[Options]
    ) -> Subscription[Auction]:
        """What the house's calls would trade, whenever that changes."""
        return self._subscribe(house.FEED, "auction", ticker, _read_auction, Repeats(), on, options)

    def tape(
        self, shard: int = 0, *, on: Callable[[m.Message], None] | None = None, **options: Unpack[Options]
    ) -> Subscription[m.Message]:
        """Every record of the orders tape, as far as the bus lets this client read it; gaps by seq."""
        return self._subscribe("orders", "tape", str(shard), lambda message: message, DenseSeqs(), on, options)

    def book(
        self,
        feed: str,
        ticker: str,
        *,
        on: Callable[[LiveBook], None] | None = None,
        on_gap: Callable[[Gap], None] | None = None,
    ) -> LiveBook:
        """A book that keeps itself up to date: `book = await tw.book(...)`, or `async with tw.book(...) as book`.

        `on`: called after each change.
        """
        made = LiveBook(self, self.env, feed, ticker, on=on, on_gap=on_gap)
        self._books.append(made)
        return made

    def _subscribe(
        self,
        feed: str,
        kind: str,
        ticker: str,
        read: Callable[[m.Message], T | None],
        numbers: Repeats | None,
        on: Callable[[T], None] | None,
        options: Options,
    ) -> Subscription[T]:
        pattern = subjects.pattern(self.env, feed, kind, None if ticker == ANY else ticker)
        return Subscription(self, pattern, read, numbers=numbers, on=on, **options)

    def _read_trade(self, message: m.Message) -> AnyTrade | None:
        if isinstance(message, m.Trade):
            return Trade(message)
        if isinstance(message, m.TradeBusted):
            return TradeBusted(message, self._by_id.get(message.instrument))
        if isinstance(message, m.TradeCorrected):
            return TradeCorrected(message, self._by_id.get(message.instrument))
        return None

    # -- what subscriptions ask of their owner

    def joined(self, subscription: Subscription[object]) -> None:
        self._subscriptions.append(subscription)

    def left(self, subscription: Subscription[object]) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._lost.pop(subscription, None)
        self._books = [book for book in self._books if book.subscription is not subscription]

    def reconnected(self) -> None:
        """The bus was away: every subscription is told, and every book is asked for anew."""
        for subscription in tuple(self._subscriptions):
            subscription.reconnected()
        for book in self._books:
            book.lost()

    def look_at_losses(self) -> None:
        """Tells the subscriptions of which this process has dropped messages before they were handed on."""
        for subscription in tuple(self._subscriptions):
            lost, before = subscription.lost_by_bus, self._lost.get(subscription, 0)
            if lost > before:
                self._lost[subscription] = lost
                subscription.tell(Gap(subscription.pattern, "bus_dropped", missing=lost - before))
                for book in self._books:
                    if book.subscription is subscription:
                        book.lost()

    async def close_subscriptions(self) -> None:
        for book in list(self._books):
            await book.close()
        for subscription in list(self._subscriptions):
            await subscription.close()

    # -- instruments of the house

    async def instrument(self, ticker: str) -> Instrument:
        """An instrument of the house as it is defined. Raises TransportError if it is not listed, or nobody tells."""
        found = self._by_ticker.get(ticker)
        if found is None:
            await self._learn()
            found = self._by_ticker.get(ticker)
        if found is None:
            listed = ", ".join(sorted(self._by_ticker)) or "none"
            raise TransportError(f"{self.env}: the house lists no {ticker!r}; it lists {listed}")
        return found

    async def instruments(self) -> dict[str, Instrument]:
        """All that the house lists, by ticker."""
        await self._learn()
        return dict(self._by_ticker)

    def known_instrument(self, number: int) -> Instrument | None:
        """By its id on the tape; None if this connection has not learnt of it yet."""
        return self._by_id.get(number)

    async def _learn(self) -> None:
        async with self._learning:
            if self._definitions is None:
                pattern = subjects.pattern(self.env, house.FEED, "instrument")
                self._definitions = await self.transport.subscribe(
                    pattern, lambda received: self._defined(bytes(received.data))
                )
            answer = await self.transport.request(
                subjects.subject(self.env, house.FEED, "snapshot", ""), b"instruments", timeout=ASK_TIMEOUT_S
            )
            for raw in unframed(answer.data):
                self._defined(raw)

    def _defined(self, raw: bytes) -> None:
        message = m.decode(raw)
        if isinstance(message, m.InstrumentDefinition):
            instrument = Instrument(message)
            self._by_ticker[instrument.ticker] = self._by_id[instrument.id] = instrument


def _read_quote(message: m.Message) -> Quote | None:
    return Quote(message) if isinstance(message, m.Quote) else None


def _read_status(message: m.Message) -> Status | None:
    known = isinstance(message, m.InstrumentStatusChanged | m.LimitStateChanged | m.FeedStatus)
    return Status(message) if known else None


def _read_auction(message: m.Message) -> Auction | None:
    return Auction(message) if isinstance(message, m.AuctionIndicated) else None
