"""Routing against every possible split: nothing trades more, nothing is cheaper, and no bound of a venue is broken."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.router import routing
from services.router.interfaces import VenueBook
from services.router.learned import Learned
from services.router.markets import View
from tapewire import messages as m
from tests.oracle.naive_routing import Shop, best_split

MILLION = 1_000_000


def view_of(shops: list[Shop], side: m.Side) -> View:
    view = View(m.InstrumentDefinition(instrument=1, ticker="X", tick_size=1, lot_size=1))
    for shop in shops:
        book: VenueBook = view.book(shop.venue, m.VenueState.ready)
        book.quality = m.BookQuality.live
        if side == m.Side.buy:
            book.asks = list(shop.levels)
        else:
            book.bids = list(shop.levels)
    return view


def markets_of(shops: list[Shop], side: m.Side) -> dict[int, m.MarketDefinition]:
    sign = 1 if side == m.Side.buy else -1
    return {
        shop.venue: m.MarketDefinition(
            venue=shop.venue, lot_size=shop.lot, min_qty=shop.least, max_qty=shop.most,
            taker_fee=sign * (shop.factor - MILLION),
        )
        for shop in shops
    }  # fmt: skip


@st.composite
def cases(draw: st.DrawFn, same_lots: bool = True) -> tuple[m.Side, int, int, list[Shop]]:
    side = draw(st.sampled_from((m.Side.buy, m.Side.sell)))
    lots = [draw(st.sampled_from((1, 2)))] * 3 if same_lots else draw(st.lists(st.sampled_from((1, 2, 3)), min_size=3))
    shops = []
    for venue in range(1, draw(st.integers(1, 3)) + 1):
        lot = lots[venue - 1]
        prices = draw(st.lists(st.integers(98, 103), unique=True, max_size=3))
        levels = [(p, lot * draw(st.integers(1, 4))) for p in sorted(prices, reverse=side == m.Side.sell)]
        least = lot * draw(st.sampled_from((1, 1, 2, 5)))
        factor = MILLION + draw(st.integers(-20_000, 20_000))
        shops.append(Shop(venue, tuple(levels), factor, lot, least, max(least, lot * draw(st.integers(1, 20)))))
    return side, draw(st.integers(1, 20)), draw(st.sampled_from((0, 100, 101))), shops


def within(side: m.Side, price: int, limit: int) -> bool:
    return not limit or (price <= limit if side == m.Side.buy else price >= limit)


def check_bounds(case: tuple[m.Side, int, int, list[Shop]], routed: routing.Routed) -> None:
    side, qty, limit, shops = case
    by_venue = {shop.venue: shop for shop in shops}
    assert sum(child.qty for child in routed.children) + routed.unrouted == qty
    assert routed.unrouted >= 0
    assert len({child.venue for child in routed.children}) == len(routed.children)
    for child in routed.children:
        shop = by_venue[child.venue]
        reached = [q for p, q in shop.levels if within(side, p, child.price)]
        assert within(side, child.price, limit)
        assert child.qty <= sum(reached), "more than is shown"
        assert child.qty > sum(reached[:-1]), "a worse limit than it needs"
        assert child.qty % shop.lot == 0
        assert shop.least <= child.qty <= shop.most
    given = {child.venue: child.qty for child in routed.children}
    assert {score.venue: score.qty for score in routed.scores if score.qty} == given
    assert [score.venue for score in routed.scores] == sorted(by_venue)
    assert all(score.unusable == m.Unusable.unspecified for score in routed.scores if score.qty)


def take(case: tuple[m.Side, int, int, list[Shop]]) -> tuple[routing.Routed, tuple[int, int]]:
    side, qty, limit, shops = case
    routed = routing.take(view_of(shops, side), markets_of(shops, side), Learned(), side, qty, limit)
    sign = 1 if side == m.Side.buy else -1
    by_venue = {shop.venue: shop for shop in shops}
    cost = sign * sum(by_venue[child.venue].cost(child.qty) for child in routed.children)
    return routed, (qty - routed.unrouted, cost)


def limited(case: tuple[m.Side, int, int, list[Shop]]) -> list[Shop]:
    side, _, limit, shops = case
    return [
        Shop(s.venue, tuple(x for x in s.levels if within(side, x[0], limit)), s.factor, s.lot, s.least, s.most)
        for s in shops
    ]


@settings(max_examples=300, deadline=None)
@given(cases())
@example(
    # The cheapest venue must give back some, so that the other one reaches its smallest order.
    (m.Side.buy, 7, 0, [Shop(1, ((100, 4),), MILLION, 1, 1, 99), Shop(2, ((101, 10),), MILLION, 1, 5, 99)])
)
def test_no_split_trades_more_or_costs_less(case: tuple[m.Side, int, int, list[Shop]]) -> None:
    routed, got = take(case)
    check_bounds(case, routed)
    sign = 1 if case[0] == m.Side.buy else -1
    assert got == best_split(case[1], limited(case), sign)


@settings(max_examples=150, deadline=None)
@given(cases(same_lots=False))
@example((m.Side.buy, 10, 0, [Shop(1, ((100, 5),), MILLION, 1, 1, 99), Shop(2, ((101, 10),), MILLION, 10, 10, 99)]))
def test_with_different_lots_no_bound_is_broken(case: tuple[m.Side, int, int, list[Shop]]) -> None:
    routed, got = take(case)
    check_bounds(case, routed)
    sign = 1 if case[0] == m.Side.buy else -1
    assert got[0] <= best_split(case[1], limited(case), sign)[0]


@settings(max_examples=100, deadline=None)
@given(cases())
def test_the_same_market_gives_the_same_decision(case: tuple[m.Side, int, int, list[Shop]]) -> None:
    assert take(case) == take(case)
