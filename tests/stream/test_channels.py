"""Every channel over a real engine: what a client is told, whole messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tapewire import messages as m
from tests.stream.books import HeldBook
from tests.stream.world import World, client, running

BUY, SELL = m.Side.buy, m.Side.sell


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path) as world:
        yield world


async def market(world: World) -> None:
    """Bids of account 2 at 99.00 and 98.00, an offer at 101.00."""
    world.send(world.order(BUY, 9900, 10), world.order(BUY, 9800, 5), world.order(SELL, 10100, 7))
    await world.settled()


def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in names}


async def test_book(world: World) -> None:
    await market(world)
    async with client(world) as c:
        await c.say(op="subscribe", id=7, channel="book", ticker="ACME", depth=2, interval_ms=0)
        assert await c.next() == {
            "op": "subscribed",
            "id": 7,
            "ch": "book",
            "interval_ms": 0,
            "feed": "house",
            "ticker": "ACME",
            "depth": 2,
        }
        snapshot = await c.next()
        assert without(snapshot, "ts", "seq", "book_seq") == {
            "id": 7,
            "ch": "book",
            "type": "snapshot",
            "feed": "house",
            "ticker": "ACME",
            "quality": "live",
            "bids": [["99.00", "10", 1], ["98.00", "5", 1]],
            "asks": [["101.00", "7", 1]],
        }
        world.send(world.order(BUY, 9850, 1))
        update = await c.next()
        assert update["seq"] == world.engine.next_seq - 1
        assert without(update, "ts", "seq") == {
            "id": 7,
            "ch": "book",
            "type": "update",
            "feed": "house",
            "ticker": "ACME",
            "book_seq": snapshot["book_seq"] + 1,
            "prev": snapshot["book_seq"],
            "quality": "live",
            "bids": [["98.50", "1", 1], ["98.00", "0", 0]],
            "asks": [],
        }


async def test_trades_quotes_status_and_bars(world: World) -> None:
    await market(world)
    async with client(world) as c:
        trades = await c.subscribe(1, "trades", ticker="ACME", interval_ms=0)
        assert trades == {"id": 1, "ch": "trades", "type": "snapshot", "seq": 0, "trades": []}
        quotes = await c.subscribe(2, "quotes", ticker="ACME", interval_ms=0)
        assert (quotes["bid"], quotes["ask"], quotes["quality"]) == (["99.00", "10"], ["101.00", "7"], "live")
        status = await c.subscribe(3, "status", ticker="ACME")
        assert (status["status"], status["limit_state"]) == ("trading", "normal")
        bars = await c.subscribe(4, "bars", ticker="ACME", interval="1s", interval_ms=0)
        assert (bars["interval"], bars["bars"]) == ("1s", [])
        world.send(world.order(SELL, 9900, 4))
        told = {message["ch"]: message for message in [await c.next(), await c.next(), await c.next()]}
        [trade] = told["trades"]["trades"]
        assert without(trade, "ts", "seq", "trade_id") == {
            "feed": "house",
            "ticker": "ACME",
            "price": "99.00",
            "qty": "4",
            "aggressor": "sell",
            "kind": "trade",
        }
        assert told["trades"]["seq"] == trade["seq"]
        assert told["quotes"]["bid"] == ["99.00", "6"]
        assert told["bars"]["bars"][0][1:] == ["99.00", "99.00", "99.00", "99.00", "4", 1]
        world.rings[0].write(bytes(m.SetInstrumentStatus(instrument=1, status=m.InstrumentStatus.halted)))
        halted = await c.find(id=3)
        assert (halted["type"], halted["status"]) == ("update", "halted")


async def test_orders_fills_positions_and_risk_of_an_account(world: World) -> None:
    world.send(world.order(BUY, 9900, 10))
    await world.settled()
    async with client(world, "other") as c:
        orders = await c.subscribe(1, "orders", account=2)
        assert [order["leaves_qty"] for order in orders["orders"]] == ["10"]
        assert orders["seq"] == world.hub.seq
        fills = await c.subscribe(2, "fills", account=2)
        assert fills == {"id": 2, "ch": "fills", "type": "snapshot", "seq": 0, "fills": []}
        positions = await c.subscribe(3, "positions", account=2, interval_ms=0)
        assert positions["positions"] == []
        risk = await c.subscribe(4, "risk", interval_ms=0)
        assert [(one["account"], one["live_orders"]) for one in risk["accounts"]] == [(2, 1)]
        world.send(world.order(SELL, 9900, 4, account=1))
        told = {message["ch"]: message for message in [await c.next() for _ in range(4)]}
        [order] = told["orders"]["orders"]
        assert (order["status"], order["leaves_qty"], order["event"]["type"]) == (
            "partially_filled",
            "6",
            "order_executed",
        )
        [fill] = told["fills"]["fills"]
        assert (fill["account"], fill["side"], fill["qty"], fill["liquidity"]) == (2, "buy", "4", "maker")
        [position] = told["positions"]["positions"]
        assert (position["net"], position["ticker"]) == ("4", "ACME")
        assert told["risk"]["accounts"][0]["exposures"][0]["net"] == "4"


async def test_the_tape_and_the_platform_for_who_may_see_them(world: World) -> None:
    await market(world)
    async with client(world, "risk") as c:
        tape = await c.subscribe(1, "tape", types=["order_accepted"], interval_ms=0)
        assert tape == {"id": 1, "ch": "tape", "type": "snapshot", "seq": world.hub.seq, "records": []}
        world.send(world.order(BUY, 9700, 1))
        told = await c.next()
        [record] = told["records"]
        assert (record["type"], record["seq"]) == ("order_accepted", told["seq"])
        state = await c.subscribe(2, "state")
        assert state["released_seq"] == world.engine.next_seq - 1
        for number, channel in enumerate(("latency", "feeds", "services", "parents"), start=3):
            message = await c.subscribe(number, channel)
            name = {"latency": "stages"}.get(channel, channel)
            assert (message["ch"], message["type"], name in message) == (channel, "snapshot", True)


async def test_a_resume_gives_what_came_behind_it_and_nothing_else(world: World) -> None:
    await market(world)
    for qty in (1, 2, 3):
        world.send(world.order(SELL, 9900, qty, account=1))
    await world.settled()
    async with client(world, "other") as c:
        snapshot = await c.subscribe(1, "trades", ticker="ACME")
        assert [trade["qty"] for trade in snapshot["trades"]] == ["1", "2", "3"]
        first = snapshot["trades"][0]["seq"]
        resumed = await c.subscribe(2, "trades", ticker="ACME", after=first)
        assert (resumed["type"], [trade["qty"] for trade in resumed["trades"]]) == ("update", ["2", "3"])
        fills = await c.subscribe(3, "fills", account=2, after=first)
        assert [fill["qty"] for fill in fills["fills"]] == ["2", "3"]
        orders = await c.subscribe(4, "orders", account=2, after=first)
        assert [order["cum_qty"] for order in orders["orders"]] == ["6"]
        assert [event["qty"] for event in orders["orders"][0]["events"]] == ["2", "3"]
        ahead = await c.ask(op="subscribe", id=5, channel="fills", account=2, after=world.hub.seq + 1)
        assert (ahead["reason"], ahead["field"]) == ("ahead", "after")


async def test_a_client_is_told_no_more_after_it_unsubscribed(world: World) -> None:
    await market(world)
    async with client(world) as c:
        await c.subscribe(1, "book", ticker="ACME", interval_ms=0)
        assert await c.ask(op="unsubscribe", id=1) == {"op": "unsubscribed", "id": 1}
        world.send(world.order(BUY, 9700, 1))
        await world.settled()
        assert (await c.ask(op="ping"))["op"] == "pong"
        assert world.stream.counters.subscriptions == 0


async def test_two_depths_of_one_book_are_each_held_by_its_updates(world: World) -> None:
    async with client(world) as c:
        held = {1: HeldBook(), 2: HeldBook()}
        held[1].take(await c.subscribe(1, "book", ticker="WIDE", depth=3, interval_ms=0))
        held[2].take(await c.subscribe(2, "book", ticker="WIDE", depth=100, interval_ms=5))
        for price in range(1, 40):
            world.send(world.order(BUY, price, 1, instrument=2))
            await world.settled()
        await c.say(op="ping")
        while min(one.book_seq for one in held.values()) < world.hub.book("house", "WIDE").book_seq:
            message = await c.next()
            if "ch" in message:
                held[message["id"]].take(message)
        for number, depth in ((1, 3), (2, 100)):
            now = world.hub.book("house", "WIDE", depth)
            assert held[number].levels()[0] == [list(level) for level in now.bids]
