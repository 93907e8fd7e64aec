"""Risk against its oracle: any stream of commands and fills gives the same decisions and the same exposures."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk import Risk
from tapewire import messages as m
from tests.oracle.naive_risk import NaiveRisk

ACCOUNTS = (1, 2, 3)
INSTRUMENTS = (1, 2)


class World:
    """Feeds the same records to risk and to the oracle; answers accepted orders in a simple, always legal way."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.risk, self.oracle = Risk(), NaiveRisk()
        self.next_order, self.cl_ord_id = 1, 0

    def fold(self, record: m.Message) -> None:
        self.risk.fold(bytes(record))
        self.oracle.fold(record)

    def command(self, c: m.Message) -> None:
        reason, value, limit, sequenced = self.risk.check(bytes(c))
        expected, after = self.oracle.check(c)
        assert (reason, value, limit) == expected, c
        assert m.decode(sequenced) == after
        decided = after.replace(decision=reason)
        self.fold(decided)
        if reason == m.RejectReason.unspecified:
            self.answer(decided)

    def answer(self, c: m.Message) -> None:
        pick = self.random
        if isinstance(c, m.NewOrder):
            order_id, self.next_order = self.next_order, self.next_order + 1
            common = {"instrument": c.instrument, "account": c.account, "order_id": order_id, "side": c.side}
            stop_px = c.stop_px if c.ord_type >= m.OrdType.stop else 0
            self.fold(m.OrderAccepted(**common, qty=c.qty, price=c.price, ord_type=c.ord_type, stop_px=stop_px))
            if not stop_px and pick.random() < 0.5:
                self.trade(order_id)
        elif isinstance(c, m.ReplaceOrder):
            leaves = c.qty - self.oracle.orders[c.order_id].cum
            if leaves > 0 and pick.random() < 0.9:  # else the matcher refuses it
                self.fold(m.OrderReplaced(order_id=c.order_id, instrument=c.instrument, leaves_qty=leaves))
        elif isinstance(c, m.CancelOrder) and c.order_id in self.oracle.orders:
            self.cancel(c.order_id)
        elif isinstance(c, m.SetInstrumentStatus):
            self.fold(m.InstrumentStatusChanged(instrument=c.instrument, status=c.status))
        elif isinstance(c, m.BustTrade | m.CorrectTrade):
            self.amend(c)

    def amend(self, c: m.BustTrade | m.CorrectTrade) -> None:
        sides = {"maker_account": c.maker_account, "taker_account": c.taker_account, "taker_side": c.taker_side}
        if isinstance(c, m.BustTrade):
            self.fold(m.TradeBusted(instrument=c.instrument, qty=c.qty, price=c.price, **sides))
        else:
            self.fold(m.TradeCorrected(instrument=c.instrument, old_qty=c.qty, qty=c.new_qty, **sides))

    def something_happens(self) -> None:
        """What the market does by itself: stops are triggered, orders decremented."""
        if not self.oracle.orders:
            return
        order_id = self.random.choice(list(self.oracle.orders))
        order = self.oracle.orders[order_id]
        if order.stop_px:
            self.fold(m.OrderTriggered(order_id=order_id, instrument=order.instrument, stop_px=order.stop_px))
            if order.ord_type == m.OrdType.stop:
                self.cancel(order_id)
        elif order.leaves > 1:
            left = self.random.randint(1, order.leaves - 1)
            self.fold(m.OrderRestated(order_id=order_id, instrument=order.instrument, leaves_qty=left))

    def cancel(self, order_id: int) -> None:
        order = self.oracle.orders[order_id]
        self.fold(
            m.OrderCancelled(
                order_id=order_id,
                account=order.account,
                instrument=order.instrument,
                side=m.Side.buy if order.buy else m.Side.sell,
                cancelled_qty=order.leaves,
            )
        )

    def trade(self, taker: int) -> None:
        orders = self.oracle.orders
        instrument, buy, leaves = orders[taker].instrument, orders[taker].buy, orders[taker].leaves
        makers = [i for i, o in orders.items() if (o.instrument, o.buy) == (instrument, not buy) and not o.stop_px]
        if not makers:
            return
        maker = self.random.choice(makers)
        qty = self.random.randint(1, min(leaves, orders[maker].leaves))
        self.fold(
            m.OrderExecuted(
                instrument=instrument,
                maker_order_id=maker,
                taker_order_id=taker,
                qty=qty,
                price=self.random.randint(50, 150),
                maker_leaves_qty=orders[maker].leaves - qty,
                taker_leaves_qty=leaves - qty,
            )
        )

    def random_command(self) -> m.Message:
        pick = self.random
        self.cl_ord_id += pick.choice([1, 1, 1, 1, 0, -1])
        common = {
            "source": pick.choice([1, 2]),
            "account": pick.choice([*ACCOUNTS, *ACCOUNTS, 0, 9, 2**20]),
            "cl_ord_id": max(self.cl_ord_id, 0),
        }
        instrument = pick.choice([*INSTRUMENTS, *INSTRUMENTS, 0, 7])
        price = pick.choice([pick.randint(80, 120), pick.randint(80, 120) * 2, 0, -5, 2**62, 101])
        qty = pick.choice([pick.randint(1, 40), pick.randint(1, 40) * 5, 0, -3, 2**62])
        order_id = pick.choice([*list(self.oracle.orders)[-5:], 0, 99999])
        kind = pick.randrange(24)
        if kind >= 20:
            return self.random_operators_command(kind, instrument, price, qty)
        if kind < 11:
            return m.NewOrder(
                **common,
                instrument=instrument,
                side=pick.choice([1, 2, 1, 2, 0, 7]),
                ord_type=pick.choice([1, 1, 1, 1, 2, 2, 3, 4, 4, 0, 9]),
                stop_px=pick.choice([0, 0, pick.randint(60, 140), pick.choice([-1, 2**60])]),
                self_trade=pick.choice([0, 0, 1, 3, 9]),
                self_trade_group=pick.choice([0, 5]),
                time_in_force=pick.choice([1, 2, 3, 4, 2, 0]),
                price=pick.choice([price, 0]),
                qty=qty,
                post_only=pick.random() < 0.1,
            )
        if kind < 14:
            stop_px = pick.choice([0, 0, pick.randint(60, 140)])
            return m.ReplaceOrder(**common, order_id=order_id, price=pick.choice([price, 0]), qty=qty, stop_px=stop_px)
        if kind < 16:
            return m.CancelOrder(**common, order_id=order_id)
        if kind == 16:
            return m.MassCancel(**common, side=pick.choice([0, 1, 2, 3]))
        if kind == 17:
            return m.KillSwitch(account=common["account"], engaged=pick.random() < 0.3)
        if kind == 18:
            return m.AccountLimits(
                account=pick.choice([*ACCOUNTS, 0, 2**20]),
                max_order_qty=pick.choice([0, 100, -1]),
                max_notional=pick.choice([0, 5000, -1]),
                max_position=pick.choice([0, 60, -1, 2**61]),
                self_trade_group=pick.choice([0, 7, 2**20 - 1, 2**20]),
                self_trade=pick.choice([0, 2, 5, 6]),
            )
        return m.InstrumentDefinition(
            instrument=pick.choice([*INSTRUMENTS, 0, 2**20]),
            ticker=pick.choice(["A", "A", ""]),
            tick_size=pick.choice([2, 2, 1, 0]),
            lot_size=pick.choice([5, 5, 1, 0]),
            max_qty=pick.choice([0, 1000]),
            min_price=pick.choice([0, 10, -1]),
            max_price=pick.choice([0, 500, 5]),
            reference_price=pick.choice([0, 100, -1]),
            collar_bps=pick.choice([0, 1000, 200_000]),
            status=pick.choice([1, 1, 1, 2, 3, 0]),
        )

    def random_operators_command(self, kind: int, instrument: int, price: int, qty: int) -> m.Message:
        pick = self.random
        if kind == 20:
            # Only an instrument without live orders: the matcher cancels them first.
            busy = {order.instrument for order in self.oracle.orders.values()}
            status = m.InstrumentStatus.delisted if instrument not in busy and pick.random() < 0.3 else 2
            return m.SetInstrumentStatus(instrument=instrument, status=status)
        if kind == 21:
            return m.AdvanceClock(up_to=pick.randint(-1, 100))
        fields = {
            "instrument": pick.choice([instrument, *INSTRUMENTS]),
            "match_id": 1,
            "maker_account": pick.choice([*ACCOUNTS, *ACCOUNTS, 9, 0, 2**20]),
            "taker_account": pick.choice([*ACCOUNTS, *ACCOUNTS, 9]),
            "taker_side": pick.choice([1, 2, 1, 2, 0, 3]),
            "price": price,
            "qty": pick.choice([qty, 2**50]),
        }
        if kind == 22:
            return m.BustTrade(**fields)
        return m.CorrectTrade(**fields, new_price=price, new_qty=pick.choice([qty, 2**50, 2**50 + 1]))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_any_stream_is_decided_as_the_oracle_decides_it(seed: int) -> None:
    world = World(seed)
    for account in ACCOUNTS:
        world.command(m.AccountLimits(account=account, max_position=200))
    for instrument in INSTRUMENTS:
        world.command(
            m.InstrumentDefinition(
                instrument=instrument,
                ticker="A",
                tick_size=2,
                lot_size=5,
                reference_price=100,
                collar_bps=1000,
                status=1,
            )
        )
    for _ in range(150):
        world.command(world.random_command())
        if world.random.random() < 0.2:
            world.something_happens()
    for account in ACCOUNTS:
        for instrument in INSTRUMENTS:
            assert world.risk.exposure(account, instrument) == world.oracle.exposure(account, instrument)
    assert world.risk.live_orders == len(world.oracle.orders)
    again = Risk.restore(world.risk.snapshot(), next_order_id=world.next_order)
    assert again.snapshot() == world.risk.snapshot()
    for account in ACCOUNTS:
        assert again.exposure(account, 1) == world.oracle.exposure(account, 1)


@given(cut=st.integers(0, 400), flip=st.integers(0, 400), bit=st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_a_damaged_snapshot_is_refused_or_harmless(cut: int, flip: int, bit: int) -> None:
    world = World(1)
    world.command(m.AccountLimits(account=1))
    world.command(m.InstrumentDefinition(instrument=1, ticker="A", tick_size=1, lot_size=1, status=1))
    world.command(
        m.NewOrder(account=1, instrument=1, cl_ord_id=1, source=1, side=1, ord_type=1, time_in_force=2, price=5, qty=5)
    )
    snapshot = bytearray(world.risk.snapshot())
    if cut < len(snapshot):
        with pytest.raises(ValueError, match="not a snapshot of risk"):
            Risk.restore(bytes(snapshot[:cut]), next_order_id=2)
    snapshot[flip % len(snapshot)] ^= 1 << bit
    try:
        restored = Risk.restore(bytes(snapshot), next_order_id=2)
    except ValueError:
        return
    assert len(restored.snapshot()) % 8 == 0


def test_a_snapshot_of_orders_that_were_never_given_is_refused() -> None:
    """Risk's table of orders is as long as the greatest id: a damaged one must not ask for gigabytes."""
    world = World(1)
    world.command(m.AccountLimits(account=1))
    world.command(m.InstrumentDefinition(instrument=1, ticker="A", tick_size=1, lot_size=1, status=1))
    for cl_ord_id in (1, 2):
        order = m.NewOrder(
            account=1, instrument=1, cl_ord_id=cl_ord_id, source=1, side=1, ord_type=1, time_in_force=2, price=5, qty=5
        )
        world.command(order)
    good = world.risk.snapshot()
    assert Risk.restore(good, next_order_id=3).live_orders == 2
    with pytest.raises(ValueError, match="not a snapshot of risk"):
        Risk.restore(good, next_order_id=2)
    first, second = len(good) - 2 * 48, len(good) - 48
    assert [int.from_bytes(good[at : at + 8], "little") for at in (first, second)] == [1, 2]
    for at, damaged in ((second, 2**40 - 1), (second, 3), (second, 1), (first, 2), (first, 0), (first, 2**63)):
        bad = good[:at] + damaged.to_bytes(8, "little") + good[at + 8 :]
        with pytest.raises(ValueError, match="not a snapshot of risk"):
            Risk.restore(bad, next_order_id=3)


@pytest.mark.parametrize("stray", [m.NewOrder, m.CancelOrder, m.ReplaceOrder])
def test_a_stray_command_of_no_account_does_not_make_mass_cancels_of_all_stale(stray: type[m.Message]) -> None:
    world = World(1)
    world.command(m.MassCancel(source=1, cl_ord_id=5))
    world.command(stray(source=1, cl_ord_id=2**64 - 1))
    assert world.risk.check(bytes(m.MassCancel(source=1, cl_ord_id=6)))[0] == m.RejectReason.unspecified
    assert world.risk.check(bytes(m.MassCancel(source=1, cl_ord_id=5)))[0] == m.RejectReason.stale_cl_ord_id
