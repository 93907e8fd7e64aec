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
        expected, protection = self.oracle.check(c)
        assert (reason, value, limit) == expected, c
        after = m.decode(sequenced)
        if (
            isinstance(after, m.NewOrder)
            and reason == m.RejectReason.unspecified
            and after.ord_type == m.OrdType.market
        ):
            assert after.price == protection
        decided = after.replace(decision=reason)
        self.fold(decided)
        if reason == m.RejectReason.unspecified:
            self.answer(decided)

    def answer(self, c: m.Message) -> None:
        pick = self.random
        if isinstance(c, m.NewOrder):
            order_id, self.next_order = self.next_order, self.next_order + 1
            common = {"instrument": c.instrument, "account": c.account, "order_id": order_id, "side": c.side}
            self.fold(m.OrderAccepted(**common, qty=c.qty, price=c.price))
            if pick.random() < 0.5:
                self.trade(order_id)
        elif isinstance(c, m.ReplaceOrder):
            leaves = c.qty - self.oracle.orders[c.order_id][4]
            if leaves > 0:
                self.fold(m.OrderReplaced(order_id=c.order_id, instrument=c.instrument, leaves_qty=leaves))
        elif isinstance(c, m.CancelOrder) and c.order_id in self.oracle.orders:
            self.cancel(c.order_id)

    def cancel(self, order_id: int) -> None:
        account, instrument, buy, leaves, _ = self.oracle.orders[order_id]
        side = m.Side.buy if buy else m.Side.sell
        self.fold(
            m.OrderCancelled(order_id=order_id, account=account, instrument=instrument, side=side, cancelled_qty=leaves)
        )

    def trade(self, taker: int) -> None:
        _, instrument, buy, leaves, _ = self.oracle.orders[taker]
        makers = [i for i, o in self.oracle.orders.items() if o[1] == instrument and o[2] != buy and i != taker]
        if not makers:
            return
        maker = self.random.choice(makers)
        qty = self.random.randint(1, min(leaves, self.oracle.orders[maker][3]))
        self.fold(
            m.OrderExecuted(
                instrument=instrument,
                maker_order_id=maker,
                taker_order_id=taker,
                qty=qty,
                price=self.random.randint(50, 150),
                maker_leaves_qty=self.oracle.orders[maker][3] - qty,
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
        kind = pick.randrange(20)
        if kind < 11:
            return m.NewOrder(
                **common,
                instrument=instrument,
                side=pick.choice([1, 2, 1, 2, 0, 7]),
                ord_type=pick.choice([1, 1, 1, 2, 2, 0, 9]),
                time_in_force=pick.choice([1, 2, 3, 4, 2, 0]),
                price=pick.choice([price, 0]),
                qty=qty,
                post_only=pick.random() < 0.1,
            )
        if kind < 14:
            return m.ReplaceOrder(**common, order_id=order_id, price=price, qty=qty)
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
    for account in ACCOUNTS:
        for instrument in INSTRUMENTS:
            assert world.risk.exposure(account, instrument) == world.oracle.exposure(account, instrument)
    assert world.risk.live_orders == len(world.oracle.orders)
    again = Risk.restore(world.risk.snapshot())
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
            Risk.restore(bytes(snapshot[:cut]))
    snapshot[flip % len(snapshot)] ^= 1 << bit
    try:
        restored = Risk.restore(bytes(snapshot))
    except ValueError:
        return
    assert len(restored.snapshot()) % 8 == 0
