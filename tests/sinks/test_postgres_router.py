"""A router's tape in PostgreSQL: its rows, and the views that join a parent's life."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

from tapewire import messages as m
from tests.oracle import naive_router
from tests.oracle.naive_router_rows import rows_of_router
from tests.router_day import Day
from tests.sinks.router_story import router_story
from tests.sinks.stack import Database, World, assert_same

ROUTER: dict[str, Any] = {"tapes": ("router.*",), "batch_records": 200}


@cache
def day() -> list[bytes]:
    return Day(6, 0.1, 0.05).run().raws


async def test_rows_are_those_of_the_tape_across_restarts(world: World[Database]) -> None:
    records = day()
    for at in range(0, len(records), 1500):
        world.write(records[at : at + 1500], "router.0")
        async with world.sink(**ROUTER) as sink:
            await sink.until_seq(min(at + 1500, len(records)), "router.0")
    expected = rows_of_router(records)
    expected["routes"].sort(key=lambda row: (row["seq"], row["place"]))
    assert_same(await world.database.rows(), expected)


async def test_what_venues_executed_adds_up_to_what_parents_have(world: World[Database]) -> None:
    records = [m.decode(raw) for raw in day()]
    world.write(day(), "router.0")
    async with world.sink(**ROUTER) as sink:
        await sink.until_seq(len(records), "router.0")
    last = {one.parent_id: one for one in records if isinstance(one, m.ParentChanged)}
    async with world.database.connected() as connection:
        sums = await connection.fetch(
            "SELECT p.parent_id, p.state, p.cum_qty, p.notional, coalesce(sum(e.qty), 0) AS qty, "
            "coalesce(sum(e.qty * e.price), 0) AS paid FROM parent_now p "
            "LEFT JOIN venue_execution_now e USING (tape, parent_id) GROUP BY 1, 2, 3, 4"
        )
    assert {int(one["parent_id"]): (one["state"], one["cum_qty"]) for one in sums} == {
        number: (one.state.name, one.cum_qty) for number, one in last.items()
    }
    assert sum(one["qty"] for one in sums) > 0
    for one in sums:
        assert (one["qty"], one["paid"]) == (one["cum_qty"], one["notional"])


async def test_corrections_of_corrections_and_busts_leave_what_stands(world: World[Database]) -> None:
    story = [m.decode(raw) for raw in router_story(10**18)]
    told = [one for one in story if isinstance(one, m.VenueReported)][-1].replace(cause=0)
    corrected = told.replace(
        kind=m.VenueReportKind.corrected, ref_exec_id="b3", exec_id="b4", last_price=998, last_qty=7
    )
    again = corrected.replace(ref_exec_id="b4", exec_id="b4", last_price=997, last_qty=6)
    restated = told.replace(kind=m.VenueReportKind.restated, exec_id="", ref_exec_id="", last_price=0, last_qty=-2)
    records = [
        *story,
        *(one.replace(seq=seq) for seq, one in enumerate((corrected, again, restated), start=len(story) + 1)),
    ]
    world.write(list(map(bytes, records)), "router.0")
    async with world.sink(**ROUTER) as sink:
        await sink.until_seq(len(records), "router.0")
    async with world.database.connected() as connection:
        found = await connection.fetch("SELECT child_id, price, qty FROM venue_execution_now ORDER BY seq")
    stand = [one for child in (1, 2) for one in naive_router.executions(records, child).values()]
    # A restatement without a price stands at its order's limit.
    expected = [((price or 1001) * Decimal("0.1"), qty) for qty, price in stand]
    assert [(one["price"], one["qty"]) for one in found] == expected
    assert len(found) == 3


async def test_markets_that_a_router_was_told_give_no_rows_of_the_house(world: World[Database]) -> None:
    busted = m.TradeBusted(seq=1, ts=10**18, instrument=1, match_id=3, price=5, qty=1, maker_account=1, taker_account=2)
    trade = m.Trade(seq=2, ts=10**18, instrument=1, ticker="ACME", price=5, qty=1)
    world.write([bytes(busted), bytes(trade)], "router.0")
    async with world.sink(**ROUTER) as sink:
        await sink.until_seq(2, "router.0")
    assert await world.database.rows() == {}
