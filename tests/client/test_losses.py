"""What a client knows after the bus, the journal or the API was away: everything, once, and nothing that was not."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.connection import Connection, Gap, Order, OrderStatus
from tapewire.errors import OrderRefused
from tapewire.nats_server import NatsServer
from tests.api.stack import ANSWERED_S
from tests.client.stack import BusStack

PATIENCE_S = 30.0


async def flow(
    tw: Connection, pick: random.Random, count: int, orders: list[Order], enough: asyncio.Event | None = None
) -> None:
    """So many orders of both sides around one price, or more until it is `enough`, and cancels of some; never waits
    for an answer."""
    cancels: list[asyncio.Task[object]] = []
    done = 0
    while done < count or (enough is not None and not enough.is_set()):
        done += 1
        with contextlib.suppress(OrderRefused):  # not connected: it was never an order
            side, price = pick.choice(("buy", "sell")), 95 + pick.randint(0, 9)
            orders.append(await tw.submit("ACME", side, pick.randint(1, 9), price))
        if orders and pick.random() < 0.3:
            cancels.append(asyncio.create_task(cancelled(pick.choice(orders))))
        await asyncio.sleep(pick.random() * 0.004)
    await asyncio.wait_for(asyncio.gather(*cancels), 2 * PATIENCE_S)


async def cancelled(order: Order) -> object:
    try:
        return await order.cancel()
    except OrderRefused:
        return None


def truth(records: list[m.Message], account: int) -> dict[str, tuple[str, int, int]]:
    """By ClOrdID: status, cumQty and leavesQty of an account's orders, by the tape alone."""
    orders: dict[int, list[int]] = {}
    ended: dict[int, str] = {}
    texts: dict[int, str] = {}
    refused: dict[str, tuple[str, int, int]] = {}
    commands: dict[int, m.NewOrder] = {}
    for record in records:
        if isinstance(record, m.NewOrder) and record.account == account:
            commands[record.seq] = record
        elif isinstance(record, m.OrderRejected) and record.cause in commands:
            refused[commands[record.cause].client_text] = ("rejected", 0, 0)
        elif isinstance(record, m.OrderAccepted) and record.account == account:
            orders[record.order_id] = [0, record.qty]
            texts[record.order_id] = commands[record.cause].client_text
        elif isinstance(record, m.OrderExecuted):
            for order_id in (record.maker_order_id, record.taker_order_id):
                if order_id in orders:
                    orders[order_id][0] += record.qty
                    orders[order_id][1] -= record.qty
                    if not orders[order_id][1]:
                        ended[order_id] = "filled"
        elif isinstance(record, m.OrderCancelled) and record.order_id in orders:
            orders[record.order_id][1] = 0
            ended[record.order_id] = "cancelled"
    found = dict(refused)
    for order_id, (cum, leaves) in orders.items():
        status = ended.get(order_id, "partially_filled" if cum else "new")
        found[texts[order_id]] = (status, cum, leaves)
    return found


def known(orders: list[Order]) -> dict[str, tuple[str, int, int]]:
    return {
        order.cl_ord_id: (order.status.value, order.cum_mantissa, order.leaves_mantissa)
        for order in orders
        if order.status is not OrderStatus.not_taken
    }


async def settled(tw: Connection, orders: list[Order]) -> None:
    """Every order is answered, and everything up to the tape's end was taken."""
    for order in orders:
        try:
            await asyncio.wait_for(order.ack(), PATIENCE_S)
        except OrderRefused:
            assert order.status is OrderStatus.not_taken
    stream = await tw.stream(tw.account)
    page = await stream.door.history(stream.cursor)
    if page.records:
        await asyncio.wait_for(stream.reached(page.records[-1].seq), PATIENCE_S)


async def told_once(orders: list[Order], records: list[m.Message]) -> None:
    """Each order's reports are the tape's events of it, in that order, each once."""
    for order in orders:
        if not order.order_id:
            continue
        theirs = [
            record.seq
            for record in records
            if (
                getattr(record, "order_id", 0) == order.order_id
                and isinstance(record, m.OrderAccepted | m.OrderCancelled | m.CancelRejected | m.OrderReplaced)
            )
            or (
                isinstance(record, m.OrderExecuted) and order.order_id in (record.maker_order_id, record.taker_order_id)
            )
        ]
        assert [report.seq for report in order._reports] == theirs


async def test_the_api_killed_while_orders_are_under_way_leaves_none_in_doubt(tmp_path: Path) -> None:
    pick = random.Random(5)
    orders: list[Order] = []
    with BusStack(tmp_path) as stack:
        async with stack.connect(1, answer_timeout=0.5) as tw, stack.connect(2) as other:
            resting = [await other.sell("ACME", 50, "100"), await other.buy("ACME", 50, "98")]
            for order in resting:
                await order.ack()
            for _ in range(3):
                hit = asyncio.Event()
                running = asyncio.create_task(flow(tw, pick, 60, orders, hit))
                await asyncio.sleep(0.05 + pick.random() * 0.15)
                await asyncio.to_thread(stack.kill, "api")
                before = len(orders)
                async with asyncio.timeout(PATIENCE_S):
                    while len(orders) < before + 3:
                        await asyncio.sleep(0.001)
                hit.set()
                await asyncio.sleep(pick.random() * 0.2)
                await asyncio.to_thread(stack.start, "api", '"open"')
                await running
            await settled(tw, orders)
            records = stack.records()
            assert known(orders) == truth(records, 1)
            await told_once(orders, records)
    lost = [order for order in orders if order.status is OrderStatus.not_taken]
    assert len(orders) > 150
    assert lost, "the kills hit nothing: a test that cannot fail"


async def test_the_bus_away_loses_no_report_and_doubles_none(tmp_path: Path) -> None:
    pick = random.Random(6)
    orders: list[Order] = []
    gaps: list[Gap] = []
    with BusStack(tmp_path) as stack:
        async with stack.connect(1, answer_timeout=3.0) as tw, tw.book("house", "ACME", on_gap=gaps.append) as book:
            await flow(tw, pick, 40, orders)
            running = asyncio.create_task(flow(tw, pick, 150, orders))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(stack.nats.stop)
            await asyncio.sleep(0.3)
            stack.nats = NatsServer(tmp_path / "nats", port=stack.nats_port, strict_port=True)
            await asyncio.to_thread(stack.nats.start)
            await running
            await settled(tw, orders)
            records = stack.records()
            assert known(orders) == truth(records, 1)
            await told_once(orders, records)
            last = await tw.buy("ACME", 1, "90.00")
            await last.ack()
            async for _ in book.changes():
                if book.live and book.qty_at(m.Side.buy, last.price):
                    break
            assert {gap.reason for gap in gaps} >= {"reconnected"}
            assert book.resyncs >= 1


async def test_without_a_journal_reports_come_off_the_tape(tmp_path: Path) -> None:
    with BusStack(tmp_path) as stack:
        async with stack.connect(1) as tw:
            order = await tw.buy("ACME", 3, "90.00")
            await order.ack()
            await asyncio.to_thread(stack.kill, "journal")
            report = await asyncio.wait_for(order.cancel(), PATIENCE_S)
            assert (report.kind, order.status) == ("cancelled", OrderStatus.cancelled)
            assert [one.kind async for one in order.reports()] == ["accepted", "cancelled"]


async def test_an_order_that_nobody_takes_is_refused_at_once(tmp_path: Path) -> None:
    with BusStack(tmp_path) as stack:
        async with stack.connect(1) as tw:
            first = await tw.buy("ACME", 1, "90.00")
            await first.ack()
            await asyncio.to_thread(stack.kill, "api")
            order = await tw.buy("ACME", 1, "90.00")
            with pytest.raises(OrderRefused, match="nobody takes orders"):
                await asyncio.wait_for(order.ack(), ANSWERED_S / 2)
            assert (order.status, (await order.done()).status) == (OrderStatus.not_taken, OrderStatus.not_taken)
