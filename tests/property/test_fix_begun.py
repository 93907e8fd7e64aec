"""A gateway begun at an engine's snapshot knows what stands, and what comes, as one that folds all records."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.fold import Fold
from services.gateway.happened import Exec, Order
from services.gateway.reports import Reports
from services.gateway.state import Place
from tapewire import engine_state
from tapewire import messages as m
from tapewire.fix.message import fields_of
from tests.engine_states import snapshot_of
from tests.oracle.naive_market import NaiveMarket
from tests.property.test_fix_gateway_state import TERMS

UNKNOWN = {11, 41, 6, 110, 111, 99, 453, 448, 447, 452, 528}
"""Fields that an order from before may lack."""
AMENDED = (m.TradeBusted, m.TradeCorrected)


def played(seed: int, steps: int) -> NaiveMarket:
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    return market


def begun(records: list[bytes]) -> Fold:
    engine = engine_state.decode(snapshot_of(records))
    return Fold.of_engine(engine, Place.at(engine.seq, records[-1]), TERMS, 0, 0)


def fields(body: str) -> dict[int, str]:
    return fields_of(f"8=FIX.4.4\x019=1\x01{body}10=000\x01".encode()).fields


def reported(fold: Fold, records: list[bytes]) -> list[tuple[int, dict[int, str]]]:
    """OrderID and fields of every report. Whose session it was, the random flow does not say as an engine does."""
    found, reports = [], Reports("FIX.4.4", 0)
    for raw in records:
        found += [
            (one.order.order_id, fields(reports.execution(one)))
            for one in fold.orders.fold(m.decode(raw))
            if isinstance(one, Exec)
        ]
        fold.house.fold(raw)
    return found


def stands(order: Order) -> dict[str, Any]:
    found = {name: getattr(order, name) for name in ("account", "side", "price", "qty", "leaves", "waiting")}
    found["ticker"] = order.instrument.ticker if order.instrument is not None else None
    return found


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 200), part=st.floats(0, 1))
def test_what_stands_and_what_is_reported_since_is_the_same(seed: int, steps: int, part: float) -> None:
    market = played(seed, steps)
    at = market.ends[int(part * (len(market.ends) - 1))]
    before, rest = market.records[:at], market.records[at:]
    whole, first = Fold(TERMS, 0, 0), begun(before)
    whole.fold_orders(before)
    other = Fold.restored(first.state(), TERMS, 0, 0)
    assert other.state() == first.state()
    assert {number: stands(one) for number, one in other.orders.live.items()} == {
        number: stands(one) for number, one in whole.orders.live.items()
    }
    live = set(other.orders.live)
    assert other.orders.first_match == len(whole.orders.trades) // 5 + 1
    for number, one in whole.orders.instruments.by_number.items():
        mine = other.orders.instruments.by_number[number]
        assert (mine.ticker, mine.status, mine.reason) == (one.ticker, one.status, one.reason)
    amended = {order_id for r in map(m.decode, market.records) if isinstance(r, AMENDED)
               for order_id in (r.maker_order_id, r.taker_order_id)}  # fmt: skip
    expected = [(number, one) for number, one in reported(whole, rest) if number not in amended]
    found = [(number, one) for number, one in reported(other, rest) if number not in amended]
    assert len(found) == len(expected)
    for (number, one), (its, known) in zip(found, expected, strict=True):
        assert number == its
        if number not in live:
            assert one == known
            continue
        # Nothing is told otherwise; what is not known is not told.
        lacks = known.keys() - one.keys()
        assert lacks <= UNKNOWN
        assert one == {tag: value for tag, value in known.items() if tag not in lacks}


@pytest.mark.parametrize("seed", range(3))
def test_a_bust_of_a_trade_from_before_takes_what_is_known_to_have_filled(seed: int) -> None:
    market = played(seed, 1500)
    pick = random.Random(seed)
    met = 0
    for at in pick.sample(market.ends, 12):
        fold = begun(market.records[:at])
        for order in [one for one in fold.orders.live.values() if one.unpriced]:
            was, unpriced = order.cum, order.unpriced
            bust = m.TradeBusted(
                seq=at + 1, ts=1, match_id=1, maker_order_id=order.order_id, maker_account=order.account,
                price=7, qty=unpriced,
            )  # fmt: skip
            (report,) = fold.orders.fold(bust)
            assert isinstance(report, Exec)
            assert (order.cum, order.unpriced, report.type, report.ref) == (was - unpriced, 0, "H", "")
            assert fields(Reports("FIX.4.4", 0).execution(report))[6] == "0"  # of nothing that is left
            assert fold.orders.fold(bust.replace(maker_account=order.account + 1)) == []
            assert fold.orders.fold(bust) == [], "more than has filled"
            met += 1
    assert met
