"""The fold of views against its oracle: any tape gives what its complete list of records gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk import Risk
from tapewire import messages as m
from tapewire.errors import WireError
from tapewire.views import INTERVALS, Views
from tests.oracle.naive_market import NaiveMarket
from tests.oracle.naive_views import NaiveViews

SEEDS = st.integers(0, 1 << 32)
STEPS = st.integers(1, 250)
WHAT_RISK_COUNTS = (
    m.OrderAccepted,
    m.OrderExecuted,
    m.OrderCancelled,
    m.OrderReplaced,
    m.OrderRestated,
    m.OrderTriggered,
    m.TradeBusted,
    m.TradeCorrected,
)


def played(seed: int, steps: int) -> NaiveMarket:
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    return market


def folded(records: list[bytes], views: Views | None = None) -> Views:
    views = views or Views("demo")
    for raw in records:
        views.fold(raw)
    return views


@given(SEEDS, STEPS)
@settings(max_examples=60, deadline=None)
def test_orders_are_what_their_records_say(seed: int, steps: int) -> None:
    records = played(seed, steps).records
    views, naive = folded(records), NaiveViews(records)
    expected = naive.orders()
    assert views.orders.by_id.keys() == expected.keys()
    for order_id, order in views.orders.by_id.items():
        one = expected[order_id]
        assert (order.account, order.buy, order.price, order.qty) == (one.account, one.buy, one.price, one.qty)
        assert (order.leaves, order.cum, order.notional) == (one.leaves, one.cum, one.notional)
        assert (order.status.name, order.text, order.waiting) == (one.status, one.text, one.waiting)
        assert order.stop_px == one.stop_px
        life = [m.decode(raw).seq for raw in order.life]
        assert order.dropped == len(one.life) - len(life)
        assert life == [*one.life[:16], *one.life[16 + order.dropped :]]
    live = {order_id for order_id, one in expected.items() if one.leaves}
    assert {order_id for own in views.orders.live.values() for order_id in own} == live
    assert views.orders.live_count == len(live)
    refused = [(order.account, order.created) for _, order in views.orders.done.all() if not order.order_id]
    assert refused == naive.refused()


@given(SEEDS, STEPS)
@settings(max_examples=60, deadline=None)
def test_positions_are_those_of_the_trades_that_stand(seed: int, steps: int) -> None:
    records = played(seed, steps).records
    views, naive = folded(records), NaiveViews(records)
    assert {(one.account, one.instrument) for one in views.holdings.values()} == naive.holdings()
    for one in views.holdings.values():
        assert (one.net, one.cost, one.realised) == naive.position(one.account, one.instrument)
        total = one.realised + one.unrealised(1000)
        assert total == one.sold_notional - one.bought_notional + one.net * 1000
        assert one.bought - one.sold == one.net


@given(SEEDS, STEPS)
@settings(max_examples=40, deadline=None)
def test_exposure_is_what_risk_counts(seed: int, steps: int) -> None:
    records = played(seed, steps).records
    views, risk = folded(records), Risk()
    for instrument in range(1, 9):
        # Those of the tape hold what risk itself would have refused before it folds them.
        risk.fold(bytes(m.InstrumentDefinition(instrument=instrument, ticker="ANY", tick_size=1, lot_size=1)))
    for raw in records:
        if isinstance(m.decode(raw), WHAT_RISK_COUNTS):
            risk.fold(raw)
    for one in views.holdings.values():
        assert (one.net, one.open_buy, one.open_sell) == risk.exposure(one.account, one.instrument)
    assert views.orders.live_count == risk.live_orders


@given(SEEDS, STEPS)
@settings(max_examples=40, deadline=None)
def test_bars_trades_limits_and_kills_are_what_the_records_say(seed: int, steps: int) -> None:
    records = played(seed, steps).records
    views, naive = folded(records), NaiveViews(records)
    traded = {r.instrument for r in naive.records if isinstance(r, m.OrderExecuted)}
    assert views.bars.keys() == traded
    for instrument, bars in views.bars.items():
        for name, seconds in INTERVALS.items():
            assert bars.last(name, 10_000) == naive.bars(instrument, seconds)
    for instrument, trades in views.trades.items():
        kinds = m.OrderExecuted | m.TradeBusted | m.TradeCorrected
        said = [bytes(r) for r in naive.records if isinstance(r, kinds) and r.instrument == instrument]
        assert list(trades) == said[-500:]
    assert views.limits == naive.limits()
    assert views.kills.keys() == naive.kills()
    types = [r.TYPE for r in naive.records]
    assert views.counts == [types.count(kind) for kind in range(len(views.counts))]


@given(SEEDS, STEPS, st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_restored_fold_goes_on_as_if_nothing_had_been(seed: int, steps: int, part: float) -> None:
    market = played(seed, steps)
    at = market.ends[int(part * (len(market.ends) - 1))]
    views = folded(market.records[:at])
    views.settle()
    again = Views.restored("demo", views.state())
    assert again.state() == views.state()
    rest = market.records[at:]
    views, again = folded(rest, views), folded(rest, again)
    views.settle()
    again.settle()
    whole = folded(market.records)
    whole.settle()
    assert again.state() == views.state() == whole.state()


@given(SEEDS, STEPS)
@settings(max_examples=30, deadline=None)
def test_whoever_hears_the_changes_knows_the_books(seed: int, steps: int) -> None:
    market, views = NaiveMarket(seed), Views("demo")
    books: dict[int, dict[tuple[int, int], tuple[int, int]]] = {1: {}, 2: {}}
    tops: dict[int, tuple[int, int, int, int]] = {}
    done = 0
    for _ in range(steps):
        changes = [change for raw in market.records[done:] for change in views.fold(raw)]
        done = len(market.records)
        for change in [*changes, *views.settle()]:
            if change.kind == "book":
                for level in change.item:
                    book = books.setdefault(change.owner, {})
                    book[level.side, level.price] = (level.qty, level.orders)
                    if not level.qty:
                        del book[level.side, level.price]
            elif change.kind == "quote" and (now := views.book(change.owner)) is not None:
                assert now.top != tops.get(change.owner)
                tops[change.owner] = now.top
        for instrument in (1, 2):
            assert books[instrument] == market.levels(instrument)
            if (known := views.book(instrument)) is not None:
                for side, told in zip((m.Side.buy, m.Side.sell), known.depth(3), strict=True):
                    expected = market.matcher.depth(instrument, side, 3) if known.listed else []
                    assert [level[:3] for level in told] == expected
        market.step()


def test_other_bytes_are_no_state() -> None:
    views = folded(played(1, 50).records)
    views.settle()
    state = views.state()
    for bad in (b"", b"{}", state[:-1], state[:100], b"\x93\x02\x01\x00"):
        with pytest.raises(WireError):
            Views.restored("demo", bad)
