"""The figures of trading against sums made the long way, over whole lists of fills."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tapewire import messages as m
from tapewire.connection.instrument import Instrument
from tapewire.connection.order import OrderState
from tapewire.strategy.metrics import Tally, ratio

INSTRUMENT = Instrument(
    m.InstrumentDefinition(instrument=1, ticker="ACME", tick_size=1, lot_size=1, price_exponent=-2, qty_exponent=-3)
)
NOTIONAL = Fraction(1, 10**5)
PRICE = Fraction(1, 100)
QTY = Fraction(1, 1000)


class Step(NamedTuple):
    buys: bool
    price: int
    qty: int
    maker: bool
    bid: int | None
    spread: int
    pause: int


steps = st.lists(
    st.builds(
        Step,
        st.booleans(),
        st.integers(1, 2_000),
        st.integers(1, 500),
        st.booleans(),
        st.none() | st.integers(1, 2_000),
        st.integers(1, 5),
        st.integers(0, 1_000),
    ),
    max_size=40,
)


class Naive:
    """Lists, fractions and loops."""

    def __init__(self) -> None:
        self.units: list[tuple[int, int]] = []
        """(sign, price) of each single lot that is open, the oldest first."""
        self.realised = self.cash = Fraction(0)
        self.position: list[tuple[int, int]] = []

    def trade(self, sign: int, price: int, qty: int, now: int) -> None:
        self.cash -= sign * qty * price * NOTIONAL
        for _ in range(qty):
            if self.units and self.units[0][0] != sign:
                was, at = self.units.pop(0)
                self.realised += was * (price - at) * NOTIONAL
            else:
                self.units.append((sign, price))
        self.position.append((now, sum(one for one, _ in self.units)))


@given(steps)
def test_the_figures_are_those_of_sums_made_the_long_way(taken: list[Step]) -> None:
    tally, naive, now = Tally(INSTRUMENT), Naive(), 1_000
    capture = slippage = captured_on = slipped_on = Fraction(0)
    unmeasured = 0
    mid: Fraction | None = None
    for step in taken:
        now += step.pause
        tally.twice_mid = None if step.bid is None else 2 * step.bid + step.spread
        mid = None if step.bid is None else (Fraction(2 * step.bid + step.spread, 2)) * PRICE
        side = m.Side.buy if step.buys else m.Side.sell
        command = m.NewOrder(side=side, qty=step.qty, price=step.price, client_text="t")
        arrival = tally.sent(OrderState(command, INSTRUMENT))
        tally.fill(side, step.price, step.qty, now, maker=step.maker, first=True, arrival=arrival)
        sign, price, qty = (1 if step.buys else -1), step.price * PRICE, step.qty * QTY
        if mid is None:
            unmeasured += 1 + step.maker * 0
        else:
            slippage += sign * (price - mid) * qty
            slipped_on += price * qty
            if step.maker:
                capture += sign * (mid - price) * qty
                captured_on += price * qty
        naive.trade(sign, step.price, step.qty, now)
    end = now + 500
    got = tally.metrics(end)
    position = naive.position[-1][1] if naive.position else 0
    assert Fraction(got.position) == position * QTY
    assert Fraction(got.cash) == naive.cash
    assert Fraction(got.realised) == naive.realised
    if mid is None and position:
        assert (got.pnl, got.unrealised) == (None, None)
    else:
        pnl = naive.cash + position * QTY * (mid or 0)
        assert got.pnl is not None
        assert got.unrealised is not None
        assert Fraction(got.pnl) == pnl
        assert Fraction(got.unrealised) == pnl - naive.realised
    assert Fraction(got.spread_capture) == capture
    assert Fraction(got.slippage) == slippage
    assert close(got.spread_capture_bps, 10_000 * capture / captured_on if captured_on else Fraction(0))
    assert close(got.slippage_bps, 10_000 * slippage / slipped_on if slipped_on else Fraction(0))
    assert got.fills_without_mid == unmeasured
    assert Fraction(got.position_max) == max([0, *(p for _, p in naive.position)]) * QTY
    assert Fraction(got.position_min) == min([0, *(p for _, p in naive.position)]) * QTY
    assert close(got.position_mean, mean_size(naive.position, end))
    assert (got.fills, got.filled_orders, got.fill_rate) == (len(taken), len(taken), Decimal(bool(taken)))
    assert Fraction(got.volume) == sum((step.price * PRICE * step.qty * QTY for step in taken), Fraction(0))


def mean_size(position: list[tuple[int, int]], end: int) -> Fraction:
    """Of the position's size, from the first fill to the end."""
    if not position or end == position[0][0]:
        return Fraction(0)
    spans = zip(position, [*position[1:], (end, 0)], strict=True)
    return (
        sum((abs(held) * (until - since) for (since, held), (until, _) in spans), Fraction(0))
        * QTY
        / (end - position[0][0])
    )


def close(got: Decimal, exact: Fraction) -> bool:
    """To the twelve digits that a ratio has."""
    return abs(Fraction(got) - exact) <= abs(exact) * Fraction(1, 10**11)


def test_a_trade_that_is_taken_back_leaves_no_trace_in_the_position() -> None:
    tally = Tally(INSTRUMENT)
    tally.twice_mid = 200
    tally.fill(m.Side.buy, 100, 5, 1, maker=True, first=True, arrival=200)
    tally.moved(-5, 100, 2)
    got = tally.metrics(3)
    assert (got.position, got.cash, got.pnl, got.realised) == (Decimal(0),) * 4


def test_a_ratio_of_nothing_is_nothing() -> None:
    assert (ratio(1, 0), ratio(1, 3)) == (Decimal(0), Decimal("0.333333333333"))
