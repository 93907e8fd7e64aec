"""The compiled matcher and its slow twin get the same commands: events, snapshots and digests must be the same."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.matcher import Matcher
from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher, Resting
from tests.oracle.order_flow import Flow

MARKETS: dict[str, dict[str, float]] = {
    "narrow": {"spread": 4},
    "wide": {"spread": 3000, "middle": 10_000.0},
    "falling by 60 %": {"spread": 40, "middle": 5000.0, "drift": -1.0},
    "prices of 1 and 2^40 ticks": {"extremes": 0.3},
    "quantities that add up to more than 64 bits": {"huge": 0.6, "spread": 1, "nonsense": 0.0},
    "nonsense": {"nonsense": 0.3},
}


def compare(seed: int, market: str, commands: int, capacity: int, twin: type[NaiveMatcher] = NaiveMatcher) -> None:
    flow = Flow(seed, **MARKETS[market])  # type: ignore[arg-type]
    compiled, naive = Matcher(capacity), twin(capacity)
    for i, command in enumerate(flow.definitions() + flow.commands(commands)):
        got, expected = compiled.apply(command), naive.apply(command)
        if got != expected:
            shown = [[m.decode(event) for event in events] for events in (got, expected)]
            raise AssertionError(f"seed {seed}, command {i}: {m.decode(command)}: got {shown[0]}, expected {shown[1]}")
        if i % 200 == 0:
            assert compiled.snapshot() == naive.snapshot(), f"seed {seed}, command {i}"
    assert Matcher.restore(naive.snapshot(), capacity).digest() == compiled.digest() == naive.digest()


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("capacity", [40, 2**20])
def test_the_compiled_matcher_does_what_the_oracle_does(market: str, capacity: int) -> None:
    for seed in range(3):
        compare(seed, market, 3000, capacity)


def test_a_twin_that_is_unfair_is_found_out() -> None:
    class Unfair(NaiveMatcher):
        def _queue(self, order: Resting) -> None:
            super()._queue(order)
            order.arrived *= -1  # who came last is served first

    with pytest.raises(AssertionError, match="seed 0, command"):
        compare(0, "narrow", 3000, 2**20, Unfair)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("market", MARKETS)
def test_the_compiled_matcher_does_what_the_oracle_does_for_a_million_commands(market: str) -> None:
    for seed in range(100, 121):
        compare(seed, market, 8000, 120 if seed % 2 else 2**20)


PRICES = st.one_of(st.integers(95, 105), st.sampled_from([1, 2, 2**40, 2**40 - 1, 0, -1, 2**63 - 1]))
QUANTITIES = st.one_of(st.integers(1, 5), st.sampled_from([0, -1, 2**50, 2**50 + 1]))
ACCOUNTS = st.integers(1, 2)
SIDES = st.sampled_from([m.Side.buy, m.Side.sell])


class Twins(RuleBasedStateMachine):
    """What hypothesis finds it also makes small, which the seeded flow cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.compiled, self.naive = Matcher(6), NaiveMatcher(6)
        self.seq = self.order_id = 0

    def send(self, message: m.Message) -> None:
        self.seq += 1
        command = bytes(message.replace(seq=self.seq))
        assert self.compiled.apply(command) == self.naive.apply(command)

    @initialize()
    def open(self) -> None:
        for instrument in (1, 2):
            self.send(
                m.InstrumentDefinition(
                    instrument=instrument, ticker="T", tick_size=1, lot_size=1, status=m.InstrumentStatus.trading
                )
            )

    @rule(
        instrument=st.integers(1, 3),
        side=SIDES,
        price=PRICES,
        qty=QUANTITIES,
        account=ACCOUNTS,
        kind=st.sampled_from([m.OrdType.limit] * 4 + [m.OrdType.market]),
        fate=st.sampled_from([m.TimeInForce.gtc] * 4 + [m.TimeInForce.day, m.TimeInForce.ioc, m.TimeInForce.fok]),
        post_only=st.sampled_from([False] * 4 + [True]),
    )
    def order(
        self,
        instrument: int,
        side: m.Side,
        price: int,
        qty: int,
        account: int,
        kind: m.OrdType,
        fate: m.TimeInForce,
        post_only: bool,
    ) -> None:
        self.order_id += 1
        self.send(
            m.NewOrder(
                instrument=instrument, side=side, price=price, qty=qty, account=account, ord_type=kind,
                time_in_force=fate, post_only=post_only, order_id=self.order_id,
            )
        )  # fmt: skip

    @precondition(lambda self: self.order_id)
    @rule(back=st.integers(0, 8), account=ACCOUNTS)
    def cancel(self, back: int, account: int) -> None:
        self.send(m.CancelOrder(order_id=max(self.order_id - back, 0), account=account))

    @precondition(lambda self: self.order_id)
    @rule(back=st.integers(0, 8), account=ACCOUNTS, price=PRICES, qty=QUANTITIES)
    def replace(self, back: int, account: int, price: int, qty: int) -> None:
        self.send(m.ReplaceOrder(order_id=max(self.order_id - back, 0), account=account, price=price, qty=qty))

    @rule(account=st.integers(0, 2), instrument=st.integers(0, 3), side=st.integers(0, 3), reason=st.integers(0, 8))
    def mass_cancel(self, account: int, instrument: int, side: int, reason: int) -> None:
        self.send(m.MassCancel(account=account, instrument=instrument, side=side, reason=reason))

    @rule(instrument=st.integers(0, 2), tick=st.integers(0, 2), lot=st.integers(0, 2), status=st.integers(0, 4))
    def define(self, instrument: int, tick: int, lot: int, status: int) -> None:
        self.send(m.InstrumentDefinition(instrument=instrument, tick_size=tick, lot_size=lot, status=status))

    @rule()
    def restart(self) -> None:
        self.compiled = Matcher.restore(self.compiled.snapshot(), 6)

    @invariant()
    def same_state(self) -> None:
        assert self.compiled.snapshot() == self.naive.snapshot()
        for instrument in self.naive.instruments:
            assert self.compiled.best(instrument) == self.naive.best(instrument)
            for side in (m.Side.buy, m.Side.sell):
                assert self.compiled.depth(instrument, side, 3) == self.naive.depth(instrument, side, 3)


Twins.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestTwins = Twins.TestCase
