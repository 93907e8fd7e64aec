"""Every question of docs/postgres.md is asked of a real server, and answered as it stands there."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapewire import messages as m
from tests.sinks.router_story import router_story
from tests.sinks.stack import Database, World

DOC = Path(__file__).resolve().parents[2] / "docs" / "postgres.md"
BLOCK = re.compile(r"```(sql|text) (\w+)\n(.*?)```", re.S)
TS = 1_795_251_600_000_000_000  # 2026-11-21 09:00 UTC


def story() -> list[bytes]:
    """A small morning: three orders, a match, a cancel, a refusal."""
    new = m.NewOrder(instrument=1, ord_type=m.OrdType.limit, time_in_force=m.TimeInForce.gtc)
    accepted = m.OrderAccepted(instrument=1, ord_type=m.OrdType.limit, time_in_force=m.TimeInForce.gtc)
    buy, sell = m.Side.buy, m.Side.sell
    records = [
        m.EpochStarted(epoch=1, version="1"),
        m.InstrumentDefinition(instrument=1, ticker="ACME", tick_size=1, lot_size=1, price_exponent=-1),
        new.replace(order_id=1, cl_ord_id=1, price=1000, qty=3, account=1, side=sell, client_text="my-first"),
        accepted.replace(cause=3, order_id=1, cl_ord_id=1, price=1000, qty=3, account=1, side=sell),
        new.replace(order_id=3, cl_ord_id=1, price=990, qty=1, account=1, side=buy),
        accepted.replace(cause=5, order_id=3, cl_ord_id=1, price=990, qty=1, account=1, side=buy),
        new.replace(order_id=2, cl_ord_id=1, price=1005, qty=5, account=2, side=buy, client_text="my-second"),
        accepted.replace(cause=7, order_id=2, cl_ord_id=1, price=1005, qty=5, account=2, side=buy),
        m.OrderExecuted(
            cause=7,
            instrument=1,
            match_id=1,
            maker_order_id=1,
            taker_order_id=2,
            price=1000,
            qty=3,
            taker_leaves_qty=2,
            maker_account=1,
            taker_account=2,
            aggressor=buy,
            taker_side=buy,
        ),
        m.CancelOrder(instrument=1, order_id=2, cl_ord_id=0, account=2),
        m.OrderCancelled(
            cause=10,
            instrument=1,
            order_id=2,
            price=1005,
            cancelled_qty=2,
            cum_qty=3,
            account=2,
            side=buy,
            reason=m.CancelReason.requested,
        ),
        new.replace(cl_ord_id=3, price=1005, qty=10**6, account=2, side=buy, decision=m.RejectReason.max_notional),
        m.OrderRejected(
            cause=12,
            instrument=1,
            cl_ord_id=3,
            value=1005 * 10**6,
            limit=10**8,
            account=2,
            reason=m.RejectReason.max_notional,
        ),
    ]
    # An event carries the time of its command.
    return [
        bytes(one.replace(seq=at, ts=TS + (one.cause or at) * 1_000_000)) for at, one in enumerate(records, start=1)
    ]


def shown(value: Any) -> str:
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


async def test_every_question_of_the_document_is_answered_as_it_says(world: World[Database]) -> None:
    world.write(story())
    routed = router_story(TS)
    world.write(routed, "router.0")
    async with world.sink(tapes=("orders.*", "router.*")) as sink:
        await sink.until_seq(13)
        await sink.until_seq(len(routed), "router.0")
    blocks = {(kind, name): text for kind, name, text in BLOCK.findall(DOC.read_text())}
    questions = [name for kind, name in blocks if kind == "sql"]
    assert len(questions) == 10
    async with world.database.connected() as connection:
        for name in questions:
            rows = await connection.fetch(blocks["sql", name])
            head, *lines = blocks["text", name].strip("\n").splitlines()
            assert [cells(line) for line in lines] == [[shown(value) for value in row.values()] for row in rows], name
            assert cells(head) == list(rows[0].keys()), name


async def test_busts_and_corrections_stand_in_the_views(world: World[Database]) -> None:
    records = story()
    seq = len(records)
    terms = {"instrument": 1, "match_id": 1, "maker_order_id": 1, "taker_order_id": 2, "maker_account": 1}
    sides = {"taker_account": 2, "taker_side": m.Side.buy}
    corrected = m.TradeCorrected(
        seq=seq + 1, ts=TS + 10**9, cause=seq + 1, **terms, **sides, old_price=1000, old_qty=3, price=1001, qty=2
    )
    busted = m.TradeBusted(seq=seq + 2, ts=TS + 2 * 10**9, cause=seq + 2, **terms, **sides, price=1001, qty=2)
    world.write([*records, bytes(corrected)])
    async with world.sink() as sink:
        await sink.until_seq(seq + 1)
        async with world.database.connected() as connection:
            (row,) = await connection.fetch("SELECT * FROM account_day WHERE account = 2")
            assert (row["qty"], row["notional"]) == (2, Decimal("200.2"))
            life = await connection.fetch("SELECT event FROM order_life WHERE order_id = 2 ORDER BY seq")
            assert [one["event"] for one in life] == ["asked", "accepted", "executed", "cancelled", "corrected"]
        world.write([bytes(busted)])
        await sink.until_seq(seq + 2)
        async with world.database.connected() as connection:
            assert await connection.fetch("SELECT * FROM account_day") == []
            assert await connection.fetch("SELECT * FROM best_execution") == []
            last = await connection.fetchrow(
                "SELECT net, fills FROM positions WHERE account = 2 ORDER BY seq DESC LIMIT 1"
            )
            assert tuple(last) == (0, 0)
