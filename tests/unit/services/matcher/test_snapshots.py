"""Snapshots: bytes that stay the same for ever, that hold the whole state, and that nothing else passes for."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.matcher import Matcher
from tapewire import messages as m
from tapewire.errors import WireError
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.order_flow import MARKETS, Flow
from tests.unit.services.matcher.market import BUY, SELL, Market, Status, Tif

GOLDEN = Path(__file__).parents[3] / "golden"
V1, V2 = GOLDEN / "matcher_snapshot_v1.hex", GOLDEN / "matcher_snapshot_v2.hex"
BOTH = pytest.mark.parametrize("of", [Matcher, NaiveMatcher], ids=["core", "oracle"])
Kind = type[Matcher] | type[NaiveMatcher]

STANDING = {"session": 7, "self_trade_group": 2**20 + 3, "self_trade": m.SelfTrade.cancel_oldest}
GTD = {"time_in_force": Tif.gtd, "expire_time": 9000}


def golden_market(of: Kind) -> Market:
    """Something of everything that a snapshot holds."""
    market = Market(of=of)
    fill_a_trading_book(market)
    fill_a_call(market)
    market.define(instrument=300, tick_size=1, lot_size=1, max_qty=0, min_price=0, max_price=0, status=Status.trading)
    market.set_status(Status.halted, instrument=300, reason=m.StatusReason.news, resume_time=8000)
    market.advance(1500)
    trade = {"instrument": 1, "maker_order_id": 1, "taker_order_id": 2, "price": 250, "qty": 10}
    market.send(m.CorrectTrade(match_id=1, new_price=245, new_qty=20, **trade))
    market.send(m.BustTrade(match_id=2, **trade))
    return market


def fill_a_trading_book(market: Market) -> None:
    market.trade(250)
    market.trade(250)
    market.define(
        reference_price=250, static_band_bps=2000, dynamic_band_bps=10_000, limit_state_ms=15_000, pause_ms=300_000
    )
    market.order(BUY, 20, 300, account=4, time_in_force=Tif.day)
    market.order(BUY, 20, 300, account=5, post_only=True)
    market.order(BUY, 90, 300, account=6, display_qty=40, **STANDING)
    market.order(BUY, 30, 300, account=7, hidden=True)
    market.order(BUY, 10, 200, **GTD)
    market.order(BUY, 20, 295, account=4, time_in_force=Tif.day)
    market.order(BUY, 20, 295, account=5, post_only=True)
    market.order(SELL, 20, 310, post_only=True, slide=True)
    market.order(SELL, 20, 310, display_qty=10, **GTD)
    market.order(SELL, 40, 300, account=8)
    market.order(SELL, 10, 300, account=8)
    market.stop(BUY, 20, 350, 400, **STANDING)
    market.stop(BUY, 20, 350)
    market.stop_limit(BUY, 20, 345, 360, hidden=True)
    market.stop(SELL, 20, 100, time_in_force=Tif.day)
    market.stop_limit(SELL, 20, 105, 90, display_qty=10, **GTD)
    market.market_order(BUY, 20, 333, time_in_force=Tif.at_close)
    market.order(SELL, 20, 350, time_in_force=Tif.at_close)


def fill_a_call(market: Market) -> None:
    market.define(instrument=2, status=Status.opening_auction, reference_price=500)
    market.order(BUY, 30, 500, instrument=2, time_in_force=Tif.at_open)
    market.market_order(SELL, 20, instrument=2)
    market.market_order(SELL, 20, 401, instrument=2, **GTD)


@BOTH
def test_the_bytes_of_a_snapshot_stay_the_same_for_ever(of: Kind) -> None:
    assert golden_market(of).matcher.snapshot().hex(" ", 8).split() == V2.read_text().split()


@BOTH
def test_a_golden_snapshot_is_restored(of: Kind) -> None:
    golden = bytes.fromhex(V2.read_text())
    restored, fresh = of.restore(golden), golden_market(of)
    assert restored.snapshot() == golden
    for instrument in (1, 2):
        for side in (BUY, SELL):
            assert restored.depth(instrument, side, 9) == fresh.matcher.depth(instrument, side, 9)
    assert restored.status(300) == Status.halted
    assert restored.next_due() == 8000
    market = golden_market(of)
    market.matcher = restored
    for command in after_the_golden():
        assert market.send(command) == fresh.send(command) != []


def after_the_golden() -> list[m.Message]:
    """Commands that bring to light what a restored matcher might have forgotten."""
    return [
        m.AdvanceClock(up_to=9000),
        m.BustTrade(instrument=1, match_id=2, price=250, qty=10),
        m.SetInstrumentStatus(instrument=2, status=Status.trading),
        m.SetInstrumentStatus(instrument=1, status=Status.closing_auction),
        m.SetInstrumentStatus(instrument=1, status=Status.trading),
        m.MassCancel(session=7),
        m.MassCancel(),
    ]


def test_a_snapshot_of_version_1_is_refused() -> None:
    with pytest.raises(WireError, match=r"not a matcher snapshot of version 2 .*Take another snapshot"):
        Matcher.restore(bytes.fromhex(V1.read_text()))


def test_a_snapshot_that_was_tampered_with_is_refused() -> None:
    good = golden_market(Matcher).matcher.snapshot()
    for n in range(0, len(good), 8):
        with pytest.raises(WireError):
            Matcher.restore(good[:n])
    with pytest.raises(WireError):
        Matcher.restore(good + bytes(8))
    with pytest.raises(WireError, match="at most 3 orders"):
        Matcher.restore(good, 3)
    hurts = [bytes(8), b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x01" + bytes(7), bytes(7) + b"\x01"]
    for at in range(0, len(good), 8):
        for hurt in [*hurts, bytes(x ^ 1 for x in good[at : at + 8])]:
            bytes_ = good[:at] + hurt + good[at + 8 :]
            try:
                restored = Matcher.restore(bytes_)
            except WireError:
                continue
            assert restored.snapshot() == bytes_  # some words may hold anything: account, counters


@pytest.mark.parametrize("market", MARKETS)
def test_a_restored_matcher_goes_on_as_the_first_would(market: str) -> None:
    flow, first = Flow(11, **MARKETS[market]), Matcher()
    for _ in flow.play(first.apply, 1500):
        pass
    second = Matcher.restore(first.snapshot())
    commands = [flow.command() for _ in range(1500)]
    assert first.apply_batch(commands) == second.apply_batch(commands)
    assert first.digest() == second.digest()
