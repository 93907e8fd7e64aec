"""A tape as if it were live: the same calls, the same messages, the same book."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import tapewire
from tapewire import messages as m
from tapewire.connection import Trade
from tapewire.errors import OrderRefused, TapewireError, TransportError
from tapewire.house import HouseMarket
from tests.recorded_market import ACCOUNTS, TICKER, record_orders, record_venue, records


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_orders(tmp_path_factory.mktemp("orders"), 400)


async def test_a_reader_that_is_slow_misses_nothing_and_ends_with_the_tape(orders: Path) -> None:
    expected = [record.match_id for record in map(m.decode, records(orders)) if isinstance(record, m.OrderExecuted)]
    async with tapewire.replay(orders) as tw:
        found = []
        async for trade in tw.trades("house", TICKER, queue=2):
            assert isinstance(trade, Trade)
            found.append(trade.trade_id)
            if len(found) % 10 == 0:
                await asyncio.sleep(0.001)
        assert found == expected
        assert len(found) > 30


async def test_the_book_at_the_end_is_that_of_the_fold(orders: Path) -> None:
    market = HouseMarket("dev")
    for raw in records(orders):
        market.fold(raw)
    market.settle()
    async with tapewire.replay(orders, speed=None) as tw:
        book = await tw.book("house", TICKER)
        await tw.ended.wait()
        expected = market.book(TICKER)
        assert expected is not None
        assert book.live
        assert (book.gaps, book.book_seq) == (0, expected.book_seq)
        assert {price: level[0] for price, level in book.bid_levels.levels.items()} == {
            price: total[0] for price, total in expected.bids.totals.items()
        }


async def test_reports_are_those_of_the_account(orders: Path) -> None:
    account = ACCOUNTS[0]
    expected = [
        record.seq
        for record in map(m.decode, records(orders))
        if account
        in (getattr(record, "account", 0), getattr(record, "maker_account", 0), getattr(record, "taker_account", 0))
        and record.cause
    ]
    async with tapewire.replay(orders, account=account) as tw:
        found = [report async for report in tw.reports()]
        assert [report.seq for report in found] == expected
        assert all(report.price is not None for report in found if report.kind == "executed")


async def test_a_venue_s_tape_replays_under_its_own_feed(orders: Path, tmp_path: Path) -> None:
    tape = record_venue(orders, tmp_path)
    expected = [record.seq for record in map(m.decode, records(tape)) if isinstance(record, m.Quote)]
    async with tapewire.replay(tape) as tw:
        assert [quote.seq async for quote in tw.quotes("venue")] == expected


async def test_speed_is_that_of_the_tape_times_as_fast(orders: Path) -> None:
    stamps = [m.decode(raw).ts for raw in records(orders)]
    span = (stamps[-1] - stamps[0]) / 1e9
    began = time.monotonic()
    async with tapewire.replay(orders, speed=span / 0.3) as tw:
        async for _ in tw.quotes("house"):
            pass
    assert 0.25 < time.monotonic() - began < 30.0


async def test_nothing_can_be_changed_and_wrong_names_are_told(orders: Path, tmp_path: Path) -> None:
    async with tapewire.replay(orders) as tw:
        with pytest.raises(OrderRefused, match="takes no orders"):
            await tw.buy(TICKER, 1, "100")
        with pytest.raises(TransportError, match="no instrument 'NONE'"):
            await tw.instrument("NONE")
    with pytest.raises(TapewireError, match=r"expected a tape orders"):
        tapewire.replay(tmp_path / "something")
    with pytest.raises(ValueError, match="speed"):
        tapewire.replay(orders, speed=0)


async def several(tape: Path) -> AsyncIterator[int]:
    async with tapewire.replay(tape) as tw:
        async for record in tw.tape(0):
            yield record.seq


async def test_the_tape_itself_comes_record_by_record(orders: Path) -> None:
    assert [seq async for seq in several(orders)] == [m.decode(raw).seq for raw in records(orders)]
