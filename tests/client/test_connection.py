"""A client over a real bus, a real engine, a real journal and a real API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from services.engine.operator import Operator
from tapewire import messages as m
from tapewire.connection import Gap, OrderStatus, Trade, TradeBusted, TradeCorrected
from tapewire.errors import OrderRefused, TransportError
from tests.client.stack import BusStack

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BusStack]:
    with BusStack(tmp_path_factory.mktemp("bus")) as running:
        yield running


async def test_an_order_is_accepted_rests_trades_and_ends_with_every_report_told_once(stack: BusStack) -> None:
    async with stack.connect(1) as seller, stack.connect(2) as buyer:
        sell = await seller.sell("ACME", 10, "100.05")
        ack = await sell.ack()
        assert (ack.kind, ack.price, ack.qty, sell.status) == (
            "accepted",
            Decimal("100.05"),
            Decimal(10),
            OrderStatus.new,
        )
        buy = await buyer.buy("ACME", "4", Decimal("100.06"))
        await asyncio.wait_for(buy.done(), PATIENCE_S)
        assert (buy.status, buy.cum_qty, buy.avg_px) == (OrderStatus.filled, Decimal(4), Decimal("100.05"))
        replaced = await sell.replace(price="100.10")
        assert (replaced.kind, sell.leaves_qty, sell.price) == ("replaced", Decimal(6), Decimal("100.10"))
        cancelled = await sell.cancel()
        assert (cancelled.kind, sell.status, sell.cum_qty, sell.leaves_qty) == (
            "cancelled",
            OrderStatus.cancelled,
            Decimal(4),
            Decimal(0),
        )
        kinds = [report.kind async for report in sell.reports()]
        assert kinds == ["accepted", "executed", "replaced", "cancelled"]
        again = await sell.cancel()
        assert (again.kind, again.reason) == ("cancel_rejected", "unknown_order")


async def test_what_cannot_be_meant_is_refused_here_and_never_sent(stack: BusStack) -> None:
    before = len(stack.records())
    async with stack.connect(1) as tw:
        with pytest.raises(TypeError, match="float"):
            await tw.buy("ACME", 1, 100.5)  # type: ignore[arg-type]
        with pytest.raises(OrderRefused, match="more digits"):
            await tw.buy("ACME", 1, "100.005")
        with pytest.raises(OrderRefused, match="more digits"):
            await tw.buy("ACME", "1.5", "100")
        with pytest.raises(OrderRefused, match="expected one of"):
            await tw.buy("ACME", 1, "100", time_in_force="forever")
        with pytest.raises(TransportError, match="lists no 'NONE'"):
            await tw.buy("NONE", 1, "100")
    assert len(stack.records()) == before


async def test_what_risk_refuses_is_told_with_its_reason(stack: BusStack) -> None:
    async with stack.connect(77) as tw:
        order = await tw.buy("ACME", 1, "100")
        ack = await order.ack()
        assert (ack.kind, ack.reason, order.status, order.reason) == (
            "rejected",
            "unknown_account",
            OrderStatus.rejected,
            "unknown_account",
        )
        assert [report.kind async for report in order.reports()] == ["rejected"]


async def test_a_mass_cancel_counts_what_it_took(stack: BusStack) -> None:
    async with stack.connect(3) as tw:
        orders = [await tw.buy("ACME", 1, f"9{n}.00") for n in range(5)]
        for order in orders:
            await order.ack()
        assert len(await tw.open_orders()) == 5
        count, report = await tw.cancel_all("ACME", "buy")
        assert (count, report.kind) == (5, "completed")
        (asked,) = [one for one in stack.records() if isinstance(one, m.MassCancel) and one.account == 3]
        assert asked.client_text
        assert {order.status for order in orders} == {OrderStatus.cancelled}
        assert await tw.open_orders() == []


async def test_market_data_and_books_follow_the_house(stack: BusStack) -> None:
    gaps: list[Gap] = []
    async with (
        stack.connect(1) as tw,
        stack.connect(2) as other,
        tw.trades("house", "BTCUSDT", on_gap=gaps.append) as trades,
        tw.book("house", "BTCUSDT") as book,
    ):
        sell = await tw.sell("BTCUSDT", "0.5", "64100.01")
        await sell.ack()
        async for _ in book.changes():
            if book.asks():
                break
        assert book.live
        assert [(level.price, level.qty, level.orders) for level in book.asks()] == [
            (Decimal("64100.01"), Decimal("0.500"), 1)
        ]
        buy = await other.buy("BTCUSDT", "0.2", "64100.01")
        await buy.done()
        trade = await asyncio.wait_for(anext(trades), PATIENCE_S)
        assert isinstance(trade, Trade)
        assert (trade.ticker, trade.price, trade.qty, trade.aggressor) == (
            "BTCUSDT",
            Decimal("64100.01"),
            Decimal("0.200"),
            m.Side.buy,
        )
        await sell.cancel()
        async for _ in book.changes():
            if not book.asks():
                break
        with pytest.raises(TransportError, match="no instrument"):
            await tw.book("house", "NOTHING")
    assert gaps == []


async def test_a_trade_that_is_corrected_then_busted_is_told_to_its_parties_and_to_the_public(stack: BusStack) -> None:
    async with (
        stack.connect(1) as seller,
        stack.connect(2) as buyer,
        seller.trades("house", "ACME") as trades,
    ):
        sell = await seller.sell("ACME", 3, "100.50")
        await sell.ack()
        buy = await buyer.buy("ACME", 3, "100.50")
        await asyncio.wait_for(buy.done(), PATIENCE_S)
        traded = await asyncio.wait_for(anext(trades), PATIENCE_S)
        with Operator(stack.engine.folders.data) as operator:
            await asyncio.to_thread(operator.correct, traded.trade_id, price=10_040)
            await asyncio.to_thread(operator.bust, traded.trade_id)
        corrected = await asyncio.wait_for(anext(trades), PATIENCE_S)
        busted = await asyncio.wait_for(anext(trades), PATIENCE_S)
        assert isinstance(corrected, TradeCorrected)
        assert (corrected.trade_id, corrected.ticker) == (traded.trade_id, "ACME")
        assert (corrected.price, corrected.old_price, corrected.qty) == (
            Decimal("100.40"),
            Decimal("100.50"),
            Decimal(3),
        )
        assert isinstance(busted, TradeBusted)
        assert (busted.trade_id, busted.price, busted.qty) == (traded.trade_id, Decimal("100.40"), Decimal(3))
        for order in (sell, buy):
            kinds: list[str] = []
            async with asyncio.timeout(PATIENCE_S):
                while kinds[-1:] != ["busted"]:
                    kinds = [report.kind async for report in order.reports()]
                    await asyncio.sleep(0.01)
            assert kinds == ["accepted", "executed", "corrected", "busted"]
            assert order.cum_qty == 0


async def test_reports_resume_exactly_behind_a_record(stack: BusStack) -> None:
    async with stack.connect(4) as tw:
        first = await tw.buy("ACME", 1, "90.00")
        seen = (await first.ack()).seq
        await first.cancel()
        second = await tw.buy("ACME", 2, "91.00")
        await second.ack()
        await second.cancel()
    async with stack.connect(4) as tw:
        found = []
        async for report in tw.reports(after=seen):
            found.append((report.kind, report.qty))
            if len(found) == 3:
                break
        assert found == [("cancelled", Decimal(1)), ("accepted", Decimal(2)), ("cancelled", Decimal(2))]


async def test_a_clordid_cannot_be_used_twice(stack: BusStack) -> None:
    async with stack.connect(5) as tw, stack.connect(5) as other:
        order = await tw.buy("ACME", 1, "90.00", cl_ord_id="mine")
        await order.ack()
        with pytest.raises(OrderRefused, match="used before"):
            await tw.buy("ACME", 1, "90.00", cl_ord_id="mine")
        # Another connection with the same text and terms is told of the first one's order, and nothing is sent again.
        same = await other.buy("ACME", 1, "90.00", cl_ord_id="mine")
        assert (await same.ack()).order_id == order.order_id
        changed = await other.buy("ACME", 2, "90.00", cl_ord_id="mine-2")
        await changed.ack()
        await tw.cancel_all()
    accepted = [one for one in stack.records() if isinstance(one, m.OrderAccepted) and one.account == 5]
    assert len(accepted) == 2


def test_the_tape_of_all_this_verifies(stack: BusStack, tmp_path: Path) -> None:
    from services.engine.verify import verify_tape

    report = verify_tape(stack.engine.tape, lambda *_: None)
    assert (report.ok, report.problems) == (True, [])
