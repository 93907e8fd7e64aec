"""A venue's book as the router keeps it, against two dictionaries that are sorted when asked."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.venue_levels import LEVELS_MAX, Levels
from tapewire import messages as m
from tests.oracle.naive_venue_book import NaiveBook

BUY, SELL, LIVE = m.Side.buy, m.Side.sell, m.BookQuality.live
levels = st.lists(st.tuples(st.sampled_from((BUY, SELL)), st.integers(90, 110), st.integers(0, 3)), max_size=6)
tops = st.tuples(st.integers(90, 110), st.integers(0, 3))
steps = st.one_of(
    st.tuples(st.just("whole"), levels),
    st.tuples(st.just("change"), levels),
    st.tuples(st.just("missed"), levels),
    st.tuples(st.just("top"), tops, tops),
)


def split(changes: list[tuple[m.Side, int, int]], side: m.Side) -> list[tuple[int, int]]:
    return [(price, qty) for of, price, qty in changes if of == side]


def cut(side: dict[int, int], level: tuple[int, int], sign: int) -> dict[int, int]:
    """What a quote leaves of a side."""
    price, qty = level
    left = {p: q for p, q in side.items() if sign * p > sign * price}
    return left | {price: qty} if qty else {}


@settings(max_examples=200)
@given(st.lists(steps, max_size=12))
def test_the_router_s_book_is_what_snapshots_changes_and_quotes_make_it(given_steps: list[tuple[Any, ...]]) -> None:
    book, naive, seq, depth = Levels(), NaiveBook(), 0, False
    for kind, *rest in given_steps:
        seq += 1
        if kind == "top":
            bid, ask = rest
            book.top(seq if depth else 0, LIVE, bid, ask)
            naive.bids, naive.asks = cut(naive.bids, bid, -1), cut(naive.asks, ask, 1)
            # The quote belongs to the change that the next number will be told of.
            seq -= 1
            continue
        changes = rest[0]
        if kind == "whole":
            naive, depth = NaiveBook(), True
            book.whole(seq, LIVE, changes)
        elif kind == "change":
            book.change(seq, LIVE, changes)
        else:
            seq += 1
            book.change(seq, LIVE, changes)
            if depth:
                naive, depth = NaiveBook(), False
        if depth:
            naive.apply(split(changes, BUY), split(changes, SELL))
        assert (book.quality == LIVE) or not depth
    bids, asks = book.sides()
    assert list(bids) == sorted(naive.bids.items(), reverse=True)
    assert list(asks) == sorted(naive.asks.items())


def test_no_more_levels_are_shown_than_routing_looks_at() -> None:
    book = Levels()
    book.whole(1, LIVE, [(BUY, price, 1) for price in range(1, 2 * LEVELS_MAX)])
    bids, _ = book.sides()
    assert [price for price, _ in bids] == list(range(2 * LEVELS_MAX - 1, LEVELS_MAX - 1, -1))
