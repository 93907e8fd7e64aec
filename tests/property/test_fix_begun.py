"""A gateway begun at an engine's snapshot knows what stands, and what comes, as one that folds all records."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.fold import Fold, begin, restore
from services.gateway.happened import Exec, Order
from services.gateway.reports import Reports
from services.gateway.snapshot import advance
from services.gateway.state import Place
from services.gateway.tape import GatewayTape
from tapewire import engine_state, snapshots
from tapewire import messages as m
from tapewire.errors import TapeError, TapeGone
from tapewire.fix.message import fields_of
from tapewire.logs import Logger, configure
from tapewire.tape import TapeWriter, inspect
from tests.engine_states import snapshot_of
from tests.full_disk import fill, small_disk
from tests.oracle.naive_market import NaiveMarket
from tests.property.test_fix_gateway_state import TERMS

UNKNOWN = {11, 41, 6, 110, 111, 99, 453, 448, 447, 452, 528}
"""Fields that an order from before may lack."""
AMENDED = (m.TradeBusted, m.TradeCorrected)


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
    market = NaiveMarket.played(seed, steps)
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
    for number, instrument in whole.orders.instruments.by_number.items():
        mine = other.orders.instruments.by_number[number]
        assert (mine.ticker, mine.status) == (instrument.ticker, instrument.status)
        # The engine keeps nothing of a book that is gone: why it went is not known.
        gone = instrument.status == m.InstrumentStatus.delisted
        assert mine.reason == (m.StatusReason.unspecified if gone else instrument.reason)
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
    market = NaiveMarket.played(seed, 1500)
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


def test_a_trade_from_before_that_is_corrected_twice_is_counted_once() -> None:
    """Else the rest of what filled before would pass for known, and its average be made up."""
    market = NaiveMarket.played(1, 1500)
    folds = (begun(market.records[:at]) for at in market.ends[100:])
    fold, order = next((fold, one) for fold in folds for one in fold.orders.live.values() if one.unpriced > 4)
    was = order.unpriced
    first = m.TradeCorrected(
        seq=fold.at.seq + 1, ts=1, match_id=1, maker_order_id=order.order_id, maker_account=order.account,
        old_price=7, old_qty=2, price=8, qty=2,
    )  # fmt: skip
    assert len(fold.orders.fold(first)) == 1
    fold = Fold.restored(fold.state(), TERMS, 0, 0)
    order = fold.orders.live[order.order_id]
    assert len(fold.orders.fold(first.replace(old_price=8, price=9))) == 1
    assert (order.cum, order.unpriced, order.cost) == (was, was - 2, 18)
    bust = m.TradeBusted(
        seq=fold.at.seq + 1, ts=1, match_id=2, maker_order_id=order.order_id, maker_account=order.account,
        price=7, qty=was - 2,
    )  # fmt: skip
    (report,) = fold.orders.fold(bust)
    assert isinstance(report, Exec)
    assert fields(Reports("FIX.4.4", 0).execution(report))[6] == order.instrument.average(18, 2)  # type: ignore[union-attr]
    (report,) = fold.orders.fold(bust.replace(match_id=1, price=9, qty=2))
    assert (order.cum, order.unpriced, order.cost) == (0, 0, 0)


@pytest.fixture
def log() -> Logger:
    return configure("test")


def pruned(tape: Path, market: NaiveMarket) -> tuple[int, int]:
    """A tape whose beginning is gone; two commands' ends: the one that it begins right behind, and a later one."""
    with TapeWriter(tape, tape.name, durability="memory", segment_bytes=1 << 16, helper=False) as writer:
        for raw in market.records:
            writer.append(raw)
        writer.commit()
    files = [(one.first_seq - 1, one.path) for one in inspect.segments(tape)]
    at = next(place for place, (last, _) in enumerate(files) if last in market.ends)
    for _, path in files[:at]:
        path.unlink()
    last = files[at][0]
    return last, next(end for end in market.ends if end > last + 50)


@pytest.mark.parametrize("right_behind", [True, False])
def test_a_first_start_keeps_its_own_snapshot_and_only_the_first_does(
    tmp_path: Path, log: Logger, right_behind: bool
) -> None:
    """Also where the tape begins right behind the engine's, so that its record is gone."""
    market, own, orders = NaiveMarket.played(5, 2000), tmp_path / "fix.gateway", tmp_path / "orders.0"
    places = pruned(orders, market)
    TapeWriter(own, own.name, durability="memory", helper=False).close()
    with pytest.raises(TapeGone, match=r"begins with record \d+, and no snapshot of the engine .*there is none"):
        begin(own, orders, TERMS, 0, 0, log)
    at = places[0] if right_behind else places[1]
    snapshots.save(orders, snapshot_of(market.records[:at]))
    begin(own, orders, TERMS, 0, 0, log)
    first = restore(own, orders, TERMS, 0, 0, log)
    assert (first.at.seq, first.orders.known_from, first.own.seq) == (at, at, 0)
    # A later one of the engine's is not looked at any more: what lies between was not reported yet.
    later = next(end for end in market.ends if end > at + 100)
    snapshots.save(orders, snapshot_of(market.records[:later]))
    begin(own, orders, TERMS, 0, 0, log)
    assert restore(own, orders, TERMS, 0, 0, log).at == first.at
    taken = advance(own, orders, TERMS, 0, 0, log, later)
    assert taken.at.seq == later
    assert taken.orders.known_from == at
    # A gateway with records of its own never begins there: it has told somebody something.
    for path in snapshots.folder(own).glob("*"):
        path.unlink()
    with TapeWriter(own, own.name, durability="memory", helper=False) as writer:
        GatewayTape(writer, lambda: 1).changed(1, m.FixSessionState.known, 1, 1)
    begin(own, orders, TERMS, 0, 0, log)
    assert restore(own, orders, TERMS, 0, 0, log).at.seq == 0


def test_without_room_for_its_first_snapshot_it_has_not_begun(tmp_path: Path, log: Logger) -> None:
    market, orders = NaiveMarket.played(5, 2000), tmp_path / "orders.0"
    at, _ = pruned(orders, market)
    snapshots.save(orders, snapshot_of(market.records[:at]))
    with small_disk(tmp_path / "disk", 4) as disk:
        own = disk / "fix.gateway"
        TapeWriter(own, own.name, durability="memory", segment_bytes=1 << 16, helper=False).close()
        filler = fill(disk)
        with pytest.raises(TapeError, match=r"fix\.gateway: the snapshot cannot be written: No space left"):
            begin(own, orders, TERMS, 0, 0, log)
        assert restore(own, orders, TERMS, 0, 0, log).at.seq == 0
        filler.unlink()
        begin(own, orders, TERMS, 0, 0, log)
        assert restore(own, orders, TERMS, 0, 0, log).at.seq == at
