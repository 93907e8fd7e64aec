"""Subscriptions over a bus in memory: bounded queues, repeated messages, gaps told."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tapewire import messages as m
from tapewire.connection import Connection, Gap, Quote
from tapewire.connection.live_book import LiveBook
from tapewire.errors import GapError
from tapewire.transports.memory import MemoryBus, MemoryTransport

TERMS = {"ticker": "ACME", "price_exponent": -2, "qty_exponent": 0, "quality": m.BookQuality.live}


class World:
    """A connection, and the publisher's side of its bus."""

    def __init__(self) -> None:
        bus = MemoryBus()
        self.publisher = MemoryTransport(bus)
        self.tw = Connection(MemoryTransport(bus), env="t")

    async def __aenter__(self) -> World:
        await self.publisher.connect()
        await self.tw.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.tw.close()
        await self.publisher.close()

    async def trade(self, number: int, ticker: str = "ACME", ts: int = 0) -> None:
        trade = m.Trade(
            seq=number, ts=ts or number, trade_id=number, price=10_000, qty=1, **{**TERMS, "ticker": ticker}
        )
        self.publisher.publish(f"t.house.trade.{ticker}", bytes(trade))
        await asyncio.sleep(0)

    async def book(self, message: m.BookSnapshot | m.BookDelta) -> None:
        self.publisher.publish("t.venue.book.ACME", bytes(message))
        await turns()


async def turns(count: int = 100) -> None:
    """All that lies ready on the loop is done by then, however slow the machine is: nothing here waits for time."""
    for _ in range(count):
        await asyncio.sleep(0)


async def told(subscription: object) -> list[int]:
    await turns()
    await subscription.close()  # type: ignore[attr-defined]
    return [trade.trade_id async for trade in subscription]  # type: ignore[attr-defined]


async def test_a_full_queue_drops_by_its_policy_and_says_so() -> None:
    async with World() as world:
        gaps: list[Gap] = []
        oldest = await world.tw.trades("house", "ACME", queue=3, on_gap=gaps.append).start()
        newest = await world.tw.trades("house", "ACME", queue=3, policy="drop_newest", on_gap=gaps.append).start()
        fails = await world.tw.trades("house", "ACME", queue=3, policy="fail").start()
        for number in range(1, 8):
            await world.trade(number)
        assert await told(oldest) == [5, 6, 7]
        assert await told(newest) == [1, 2, 3]
        assert (oldest.dropped, newest.dropped) == (4, 4)
        assert [gap.reason for gap in gaps] == ["queue_full", "queue_full"]
        assert [(await anext(fails)).seq for _ in range(3)] == [1, 2, 3]
        with pytest.raises(GapError, match="too slow"):
            await anext(fails)


async def test_a_message_that_is_published_again_is_told_once() -> None:
    async with World() as world:
        trades = await world.tw.trades("house", "ACME").start()
        for number in (1, 2, 3, 2, 3, 4):
            await world.trade(number)
        await world.trade(2, ts=50)  # a tape that lost its tail gave the number again, later
        assert await told(trades) == [1, 2, 3, 4, 2]
        assert trades.repeated == 2


async def test_of_all_trades_a_missing_number_is_a_gap() -> None:
    async with World() as world:
        gaps: list[Gap] = []
        trades = await world.tw.trades("house", on_gap=gaps.append).start()
        for number, ticker in ((1, "ACME"), (2, "B"), (5, "ACME"), (6, "B")):
            await world.trade(number, ticker)
        assert await told(trades) == [1, 2, 5, 6]
        assert gaps == [Gap("t.house.trade.ACME", "trade_id", 2, 5, 2)]


async def test_callbacks_are_called_and_cannot_be_iterated() -> None:
    async with World() as world:
        quotes: list[Quote] = []
        subscription = await world.tw.quotes("house", "ACME", on=quotes.append).start()
        quote = m.Quote(seq=1, ts=1, bid_price=9_999, bid_qty=5, **TERMS)
        world.publisher.publish("t.house.quote.ACME", bytes(quote))
        await turns()
        assert [(one.bid, one.bid_qty, one.ask, one.ask_qty) for one in quotes] == [
            (Decimal("99.99"), Decimal(5), None, None)
        ]
        with pytest.raises(TypeError, match="callback"):
            aiter(subscription)


async def test_a_venue_s_book_waits_for_its_next_snapshot_after_a_gap() -> None:
    gaps: list[Gap] = []
    heard: list[tuple[int, str]] = []

    def on(book: LiveBook) -> None:
        heard.append((book.book_seq, book.quality.name))

    async with World() as world:
        starting = asyncio.create_task(world.tw.book("venue", "ACME", on=on, on_gap=gaps.append).start())
        await turns()
        level = m.BookLevel(9_990, 5, 1, m.Side.buy)
        await world.book(m.BookDelta(seq=1, ts=1, book_seq=6, levels=[level], **TERMS))  # before any snapshot
        await world.book(m.BookSnapshot(seq=2, ts=2, book_seq=7, levels=[level], **TERMS))
        book = await starting
        await world.book(m.BookDelta(seq=3, ts=3, book_seq=8, levels=[m.BookLevel(9_990, 7, 2, m.Side.buy)], **TERMS))
        assert (book.best_bid, book.live) == ((Decimal("99.90"), Decimal(7), 2), True)
        await world.book(m.BookDelta(seq=5, ts=5, book_seq=10, levels=[level], **TERMS))
        assert (book.live, book.quality) == (False, m.BookQuality.resync)
        await world.book(m.BookDelta(seq=6, ts=6, book_seq=11, levels=[m.BookLevel(9_980, 1, 1, m.Side.buy)], **TERMS))
        await world.book(m.BookSnapshot(seq=7, ts=7, book_seq=10, levels=[level], **TERMS))
        assert [one[:2] for one in book.bids()] == [(Decimal("99.90"), Decimal(5)), (Decimal("99.80"), Decimal(1))]
        assert (book.live, book.book_seq, book.gaps, book.resyncs) == (True, 11, 1, 1)
        assert gaps == [Gap("t.venue.book.ACME", "book_seq", 8, 10, 1)]
        assert heard == [(7, "live"), (8, "live"), (8, "resync"), (11, "live")]


async def test_a_reader_that_comes_back_is_told_that_the_bus_was_away() -> None:
    async with World() as world:
        gaps: list[Gap] = []
        await world.tw.trades("house", "ACME", on_gap=gaps.append).start()
        world.tw.on_disconnected()
        world.tw.on_reconnected()
        assert gaps == [Gap("t.house.trade.ACME", "reconnected")]
