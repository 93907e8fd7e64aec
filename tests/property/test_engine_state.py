"""Begun from an engine's snapshot, the house market goes on as if it had been folded from the first record."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.api.hub import picture
from tapewire import engine_state
from tapewire import messages as m
from tapewire.errors import WireError
from tapewire.house import HouseMarket, Publication
from tapewire.snapshots import Snapshot
from tapewire.views import Views
from tests.engine_states import snapshot_of
from tests.oracle.naive_market import NaiveMarket

SEEDS = st.integers(0, 1 << 32)
AMENDED = (m.TradeBusted, m.TradeCorrected)


def begun(records: list[bytes]) -> HouseMarket:
    return HouseMarket.of_engine("demo", engine_state.decode(snapshot_of(records)))


def folded(records: list[bytes]) -> HouseMarket:
    house = HouseMarket("demo")
    house.quiet = True
    for raw in records:
        house.fold(raw)
    house.settle()
    house.quiet = False
    return house


def published(house: HouseMarket, records: list[bytes]) -> list[Publication]:
    return [one for raw in records for one in house.fold(raw)] + house.settle()


def less(message: bytes, ahead: dict[str, int]) -> bytes:
    """A message of the market with its bookSeq taken back by what its ticker's is ahead."""
    known = m.decode(message)
    if not isinstance(known, m.BookDelta | m.Quote):
        return message
    return bytes(known.replace(book_seq=known.book_seq - ahead.get(known.ticker, 0)))


@given(SEEDS, st.integers(1, 200), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_what_is_published_of_the_records_behind_a_snapshot_is_the_same_to_the_byte(
    seed: int, steps: int, part: float
) -> None:
    market = NaiveMarket.played(seed, steps)
    at = market.ends[int(part * (len(market.ends) - 1))]
    one, other = folded(market.records[:at]), begun(market.records[:at])
    assert (other.seq, other.live_orders) == (at, one.live_orders)
    assert sorted(other.tickers) == sorted(one.tickers)
    ahead = {}
    for ticker in one.tickers:
        was, now = one.book(ticker), other.book(ticker)
        assert was is not None
        assert now is not None
        assert was.depth(1 << 20) == now.depth(1 << 20)
        assert (was.top, was.quality, was.notices.status) == (now.top, now.quality, now.notices.status)
        # No number that a subscriber has heard comes again for something else.
        assert now.book_seq == at >= was.book_seq
        ahead[ticker] = at - was.book_seq
    # Of a ticker that was delisted, too: it may be listed again.
    for number in range(1, 1200):
        if (gone := one.book_of(number)) is not None and gone.ticker not in ahead:
            ahead[gone.ticker] = at - max(book.book_seq for book in (gone, one._by_ticker[gone.ticker]))
    rest = market.records[at:]
    expected = published(one, rest)
    assert [(to, less(payload, ahead)) for to, payload in published(other, rest)] == expected


@pytest.mark.parametrize("seed", range(4))
def test_a_long_day_goes_on_from_any_place(seed: int) -> None:
    market = NaiveMarket.played(seed, 3000)
    for at in random.Random(seed).sample(market.ends, 3):
        one, other = folded(market.records[:at]), begun(market.records[:at])
        assert one._orders.kept() == other._orders.kept()
        rest = market.records[at:]
        theirs = [to for to, _ in published(one, rest)]
        assert [to for to, _ in published(other, rest)] == theirs


def test_what_holds_is_told_as_of_the_snapshot() -> None:
    """Status, limit state and auction as they stand; what the status was before is not known."""
    for seed in range(40):
        market = NaiveMarket.played(seed, 120)
        one, other = folded(market.records), begun(market.records)
        for ticker in one.tickers:
            was, now = one.book(ticker), other.book(ticker)
            assert was is not None
            assert now is not None
            status = [m.InstrumentStatusChanged.decode(book.notices.standing("status")) for book in (was, now)]
            assert status[0].status == status[1].status
            limit = [m.LimitStateChanged.decode(book.notices.standing("limit")) for book in (was, now)]
            assert limit[0].state == limit[1].state
            auction = [m.AuctionIndicated.decode(book.notices.standing("auction")) for book in (was, now)]
            told = [(one.price, one.qty, one.imbalance_qty) for one in auction]
            assert told[0] == told[1]


def test_other_bytes_are_no_state() -> None:
    good = snapshot_of(NaiveMarket.played(1, 50).records)
    engine_state.decode(good)
    for state in (b"", good.state[:-8], good.state + bytes(8), b"TWSTATE3" + good.state[8:]):
        with pytest.raises(WireError, match=f"snapshot of record {good.seq}: not the state of an engine"):
            engine_state.decode(Snapshot(good.seq, state))
    with pytest.raises(WireError, match=f"it is the state behind record {good.seq}"):
        engine_state.decode(Snapshot(good.seq + 1, good.state))


def viewed(records: list[bytes], views: Views) -> Views:
    for raw in records:
        views.fold(raw)
    views.settle()
    return views


@given(SEEDS, st.integers(1, 250), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_views_begun_there_know_what_stands_and_what_comes(seed: int, steps: int, part: float) -> None:
    market = NaiveMarket.played(seed, steps)
    at = market.ends[int(part * (len(market.ends) - 1))]
    whole = viewed(market.records, Views("demo"))
    begun_at = Views.of_engine("demo", engine_state.decode(snapshot_of(market.records[:at])))
    # What is kept of such views is all of them.
    other = viewed(market.records[at:], Views.restored("demo", begun_at.state()))
    assert other.state() == viewed(market.records[at:], begun_at).state()
    assert Views.restored("demo", other.state()).state() == other.state()
    amended = {r.maker_order_id for r in map(m.decode, market.records) if isinstance(r, AMENDED)}
    amended |= {r.taker_order_id for r in map(m.decode, market.records) if isinstance(r, AMENDED)}
    assert {a: list(own) for a, own in other.orders.live.items()} == {a: list(o) for a, o in whole.orders.live.items()}
    for order_id in (order_id for own in whole.orders.live.values() for order_id in own):
        order, mine = whole.orders.by_id[order_id], other.orders.by_id[order_id]
        assert (mine.account, mine.instrument, mine.buy) == (order.account, order.instrument, order.buy)
        assert (mine.price, mine.qty, mine.leaves, mine.waiting) == (
            *(order.price, order.qty, order.leaves, order.waiting),
        )
        if order_id not in amended:
            assert (mine.cum, mine.status) == (order.cum, order.status)
        assert bool(mine.known_from) == (order.created <= at)
        if not mine.known_from:
            assert mine.kept() == order.kept()
        elif not mine.unpriced and order_id not in amended:
            assert mine.notional == order.notional
    for key, one in whole.holdings.items():
        held = other.holdings.get(key)
        if held is None:
            assert (one.net, one.open_buy, one.open_sell) == (0, 0, 0)
            continue
        assert (held.net, held.open_buy, held.open_sell) == (one.net, one.open_buy, one.open_sell)
        assert (held.open_buy_notional, held.open_sell_notional) == (one.open_buy_notional, one.open_sell_notional)
        if held.cost_known and not amended:
            assert held.cost == one.cost
    assert [fill.seq for _, fill in other.fills.all()] == [f.seq for _, f in whole.fills.all() if f.seq > at]
    stands = whole.house.tickers
    for ticker in stands:
        book, expected = other.house.book(ticker), whole.house.book(ticker)
        assert book is not None
        assert expected is not None
        assert book.depth(1 << 20) == expected.depth(1 << 20)
        assert book.notices.status == expected.notices.status


@pytest.mark.parametrize("seed", range(3))
def test_what_cannot_be_known_is_left_out_of_answers_and_never_zero(seed: int) -> None:
    market = NaiveMarket.played(seed, 2000)
    at = market.ends[1500]
    views = Views.of_engine("demo", engine_state.decode(snapshot_of(market.records[:at])))
    shown = msgspec.json.decode(msgspec.json.encode(picture.as_of(views, None, {1: "traders"}, ["house"])))
    assert shown["known_from"] == at
    assert shown["orders"]
    for order in shown["orders"]:
        assert order["known_from"] == order["seq"] == at
        assert not {"cl_ord_id", "created_seq", "created_ts", "ts", "event"} & order.keys()
        assert ("avg_price" in order) == (float(order["cum_qty"]) == 0)
    held = [one for one in shown["positions"] if float(one["net"])]
    assert held
    for one in held:
        assert not {"bought", "sold", "realised", "avg_price", "unrealised", "fills"} & one.keys()
    viewed(market.records[at:], views)
    shown = msgspec.json.decode(msgspec.json.encode(picture.as_of(views, None, {1: "traders"}, ["house"])))
    assert any("created_seq" in order for order in shown["orders"])
    assert not any("realised" in one for one in shown["positions"])
