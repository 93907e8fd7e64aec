"""What executions cost against the market: exact, and as it stands after busts, corrections and restatements."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.router.benchmarks import Benchmarks
from services.router.markets import View
from tapewire import messages as m

K = m.VenueReportKind
BUY, SELL = m.Side.buy, m.Side.sell


class Market(View):
    """One venue's top, set by hand."""

    def __init__(self, bid: int = 0, ask: int = 0, last: int = 0) -> None:
        super().__init__(m.InstrumentDefinition(instrument=1, ticker="X"))
        self.book(1, m.VenueState.ready).quality = m.BookQuality.live
        self.show(bid, ask, last)

    def show(self, bid: int, ask: int, last: int = 0) -> Market:
        self.books[0].bids, self.books[0].asks = [(bid, 1)] if bid else [], [(ask, 1)] if ask else []
        self.last = last
        return self


def said(kind: m.VenueReportKind, price: int, qty: int, name: str = "e", ref: str = "", **more: Any) -> m.VenueReported:
    return m.VenueReported(kind=kind, last_price=price, last_qty=qty, exec_id=name, ref_exec_id=ref, venue=1, **more)


def test_a_worked_example() -> None:
    market = Market(99, 102)
    one = Benchmarks(BUY, 1_000, market)
    one.market(1_010, market.show(100, 104), ((102, 30),))
    one.own(said(K.executed, 103, 10))
    one.market(1_040, market.show(0, 0), ((105, 10),))
    assert one.measured(1_040, 25) == {
        "scheduled_qty": 25,
        "cum_qty": 10,
        "market_qty": 40,
        "participation": 2_500,
        "arrival": 100_500,
        "twap": 101_625,  # 100.5 for 10 ns, 102 for 30
        "vwap": 102_750,
        "average": 103_000,
        "versus_arrival": 24_875,  # 2.5 / 100.5
        "versus_twap": 13_530,
        "versus_vwap": 2_433,
        "fees": 0,
    }


def test_a_seller_s_cost_is_what_it_got_too_little() -> None:
    one = Benchmarks(SELL, 0, Market(100, 100))
    one.own(said(K.executed, 99, 1))
    assert one.measured(0, 0)["versus_arrival"] == 10_000


def test_nothing_is_made_up_before_there_is_a_price() -> None:
    market = Market()
    one = Benchmarks(BUY, 0, market)
    assert {*one.measured(50, 0).values()} == {0}
    one.market(100, market.show(0, 0, last=0))
    one.market(200, market.show(0, 90), ())
    one.market(300, market.show(0, 90, last=80), ())
    measured = one.measured(300, 0)
    assert (measured["arrival"], measured["twap"]) == (90_000, 90_000)
    assert one.measured(500, 0)["twap"] == 83_333, "90 for 100 ns, 80 for 200"


def test_a_bust_and_a_correction_leave_what_really_happened() -> None:
    def measured(*reports: m.VenueReported) -> tuple[int, int, int]:
        one = Benchmarks(BUY, 0, Market(100, 100), exponent=-4)
        for report in reports:
            one.own(report)
        found = one.measured(0, 0)
        return found["cum_qty"], found["average"], found["fees"]

    paid: dict[str, Any] = {"fee": 7, "fee_exponent": -4}
    first, second = said(K.executed, 100, 10, "a", **paid), said(K.executed, 106, 5, "b", **paid)
    assert measured(first, second) == (15, 102_000, 14)
    assert measured(first, second, said(K.busted, 106, 5, "c", "b")) == (10, 100_000, 7)
    corrected = said(K.corrected, 103, 5, "c", "b", **paid)
    assert measured(first, second, corrected) == (15, 101_000, 14)
    for name in ("b", "c"):
        assert measured(first, second, corrected, said(K.busted, 103, 5, "d", name)) == (10, 100_000, 7)
    assert measured(said(K.restated, 0, 10), first) == (20, 100_000, 7)
    assert measured(said(K.restated, 90, 10), first) == (20, 95_000, 7)
    assert measured(said(K.restated, 90, 10), said(K.busted, 90, 10, "x", "never seen")) == (0, 0, 0)


def test_market_busts_are_taken_out_of_volume_and_vwap() -> None:
    market = Market(100, 100)
    one = Benchmarks(BUY, 0, market)
    one.market(1, market, ((100, 10), (200, 10)))
    assert one.measured(1, 0)["vwap"] == 150_000
    one.market(2, market, ((200, -10),))
    assert (one.measured(2, 0)["vwap"], one.measured(2, 0)["market_qty"]) == (100_000, 10)


def test_fees_are_summed_exactly_and_rounded_up_once() -> None:
    one = Benchmarks(BUY, 0, Market(), exponent=-2, currency="USD")
    for fee, exponent, currency in ((1, -3, "USD"), (1, -3, "USD"), (5, 0, "USD"), (99, 0, "BTC")):
        one.own(said(K.executed, 1, 1, str((fee, exponent)), fee=fee, fee_exponent=exponent, fee_currency=currency))
    assert one.measured(0, 0)["fees"] == 501


prices = st.integers(1, 10**9)


@given(
    st.sampled_from((BUY, SELL)),
    st.lists(st.tuples(prices, st.integers(1, 10**9)), min_size=1),
    st.lists(st.tuples(prices, st.integers(1, 10**9)), min_size=1),
    st.lists(st.tuples(st.integers(1, 10**12), prices, prices), min_size=1),
)
def test_every_figure_is_the_exact_one_rounded_down(
    side: m.Side, own: list[tuple[int, int]], traded: list[tuple[int, int]], quotes: list[tuple[int, int, int]]
) -> None:
    market, now = Market(*quotes[0][1:]), 0
    weighted = Fraction()
    one = Benchmarks(side, 0, market)
    for wait, bid, ask in quotes:
        weighted += wait * Fraction(market.best_bid + market.best_ask, 2)
        now += wait
        one.market(now, market.show(bid, ask), tuple(traded) if now == wait else ())
    for number, (price, qty) in enumerate(own):
        one.own(said(K.executed, price, qty, str(number)))
    average = Fraction(sum(p * q for p, q in own), sum(q for _, q in own))
    vwap = Fraction(sum(p * q for p, q in traded), sum(q for _, q in traded))
    arrival, twap = Fraction(quotes[0][1] + quotes[0][2], 2), weighted / now
    sign = Fraction(1 if side == BUY else -1)
    measured = one.measured(now, 0)
    for name, exact in (("arrival", arrival), ("twap", twap), ("vwap", vwap)):
        assert measured[name] == exact * 1_000 // 1
        assert measured[f"versus_{name}"] == sign * (average - exact) / exact * 1_000_000 // 1
    assert measured["average"] == average * 1_000 // 1
