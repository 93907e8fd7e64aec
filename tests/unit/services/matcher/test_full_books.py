"""Where sums come to the bounds of a level, and of 64 bits."""

from __future__ import annotations

import pytest

from services.matcher import Matcher
from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher
from tests.unit.services.matcher.full_books import PER_LEVEL, full_book
from tests.unit.services.matcher.market import BUY, SELL, Status, Tif

Kind = type[Matcher] | type[NaiveMatcher]
TWO = {"instrument": 2}


@pytest.fixture(params=[Matcher, NaiveMatcher], ids=["core", "oracle"])
def of(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


def test_a_level_holds_no_more_than_it_can_count(of: Kind) -> None:
    market = full_book(of, (BUY, 7))
    id = PER_LEVEL
    assert market.order(BUY, 1, 7, **TWO) == [f"rejected {id + 1}: capacity {2**62 + 1} {2**62}"]
    assert len(market.order(BUY, 1, 6, **TWO)) == 1
    assert market.replace(id + 2, 1, 7) == [f"refused {id + 2}: capacity {2**62 + 1} {2**62}"]
    assert market.replace(1, 2**50 - 1, 7) == [f"replaced 1: {2**50 - 1} of {2**50 - 1} at 7, keeps its place"]
    assert market.replace(id + 2, 1, 7) == [f"replaced {id + 2}: 1 of 1 at 7, loses its place"]


def test_so_does_a_level_of_stops(of: Kind) -> None:
    market = full_book(of, (BUY, 7), stops=True)
    id = PER_LEVEL
    assert market.stop(BUY, 1, 7, **TWO) == [f"rejected {id + 1}: capacity {2**62 + 1} {2**62}"]
    assert len(market.stop(SELL, 1, 7, **TWO)) == 1
    assert len(market.stop(BUY, 1, 8, **TWO)) == 1
    assert market.replace(id + 3, 1, 0, stop_px=7) == [f"refused {id + 3}: capacity {2**62 + 1} {2**62}"]


def test_a_triggered_stop_limit_that_its_level_cannot_hold_is_cancelled(of: Kind) -> None:
    market = full_book(of, (BUY, 7))
    id = PER_LEVEL
    market.stop_limit(BUY, 10, 9, 7, **TWO)
    market.order(SELL, 10, 9, **TWO)
    assert market.order(BUY, 10, 9, **TWO)[2:] == [
        f"triggered {id + 1}: 10 at 7, stop 9, last 9",
        f"cancelled {id + 1}: 10 of it, 0 done, market_remainder",
    ]


def test_an_order_for_the_close_that_its_level_cannot_hold_is_cancelled(of: Kind) -> None:
    market = full_book(of, (BUY, 7))
    id = PER_LEVEL
    market.order(BUY, 10, 7, time_in_force=Tif.at_close, **TWO)
    assert market.set_status(Status.closing_auction, **TWO)[1:] == [
        f"triggered {id + 1}: 10 at 7, for closing_auction",
        f"cancelled {id + 1}: 10 of it, 0 done, market_remainder",
        "done 1",
    ]


CROSSED = [(BUY, 102), (BUY, 101), (BUY, 100), (SELL, 99), (SELL, 100)]


def test_a_volume_beyond_64_bits_is_indicated_as_far_as_it_can_be_told(of: Kind) -> None:
    market = full_book(of, *CROSSED, status=Status.opening_auction)
    assert market.cancel(1) == [
        f"cancelled 1: {2**50} of it, 0 done, requested",
        f"indicated {2**63 - 1} at 100, {2**62 - 2**50} left to buy",
    ]


def test_a_volume_beyond_64_bits_is_traded_whole() -> None:
    matcher = full_book(Matcher, *CROSSED, status=Status.opening_auction).matcher
    events = matcher.apply(bytes(m.SetInstrumentStatus(instrument=2, status=Status.trading)))
    *executed, changed, completed = map(m.decode, events)
    assert sum(e.qty for e in executed if isinstance(e, m.OrderExecuted)) == 2**63
    assert isinstance(changed, m.InstrumentStatusChanged)
    assert (changed.auction_price, changed.auction_qty) == (101, 2**63 - 1)
    assert isinstance(completed, m.CommandCompleted)
    assert matcher.best(2) == (100, 2**62, 0, 0)
