"""What holds of the simulated markets whatever the instrument, the seed and the rate."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.flow import ASK, BID, MAX_LEVELS, MAX_SWEEP, SECOND_NS, Book, Change, Flow
from services.simulator.instruments import Instrument
from services.simulator.kraken_book import View
from tests.simulated_venue import START_NS

instruments = st.builds(
    Instrument,
    symbol=st.just("X"),
    base=st.just("X"),
    quote=st.just("Y"),
    price_decimals=st.integers(0, 8),
    qty_decimals=st.integers(0, 8),
    tick=st.integers(1, 1_000_000),
    lot=st.integers(1, 1_000_000),
    start_price=st.integers(10**9, 10**13),
    width=st.integers(1, 500),
    typical_lots=st.integers(1, 10**9),
)


@settings(max_examples=60, deadline=None)
@given(instruments, st.integers(0, 2**32), st.floats(1, 2000))
def test_the_book_is_never_crossed_and_every_number_is_a_multiple(i: Instrument, seed: int, rate: float) -> None:
    flow = Flow(i, seed, rate, START_NS)
    last = flow.update_id
    for step in range(1, 11):
        for event in flow.step(START_NS + step * SECOND_NS // 10):
            assert not flow.book.crossed
            assert event.first_id == last + 1
            assert 1 <= len(event.changes) <= MAX_SWEEP
            last = event.last_id
            for side, price, qty in event.changes:
                assert price > 0
                assert qty >= 0
                assert (price % i.tick, qty % i.lot) == (0, 0)
                assert flow.book.levels[side].get(price, 0) == qty
            for fill in event.fills:
                assert fill.qty > 0
                assert any((c.side, c.price) == (fill.maker_side, fill.price) for c in event.changes)
    for side in (BID, ASK):
        prices = flow.book.prices[side]
        assert prices == sorted(flow.book.levels[side])
        assert 0 < len(prices) <= MAX_LEVELS + 1


changes = st.lists(st.builds(Change, st.sampled_from([BID, ASK]), st.integers(1, 30), st.integers(0, 3)), max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([1, 3, 10]), st.lists(changes, max_size=30))
def test_a_client_that_cuts_to_its_depth_has_the_best_levels(depth: int, steps: list[list[Change]]) -> None:
    # Sides are kept apart (bids below, asks above), as in any real book.
    book, client = Book(), Book()
    view = View(book, depth)
    for step in steps:
        placed = [Change(side, price if side == BID else price + 100, qty) for side, price, qty in step]
        for change in placed:
            book.set(*change)
        for change in view.update(book, tuple(placed)):
            client.set(*change)
        for side in (BID, ASK):
            for price, _ in client.top(side, 1000)[depth:]:
                client.set(side, price, 0)
            assert client.top(side, depth) == book.top(side, depth)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([BID, ASK]), st.integers(1, 40), st.integers(0, 3)), max_size=80))
def test_the_book_equals_a_plain_dictionary(steps: list[tuple[int, int, int]]) -> None:
    book = Book()
    plain: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for side, price, qty in steps:
        book.set(side, price, qty)
        plain[side][price] = qty
        if not qty:
            del plain[side][price]
    for side in (BID, ASK):
        best_first = sorted(plain[side].items(), reverse=side == BID)
        assert book.top(side, 100) == best_first
        assert book.top(side, 3) == best_first[:3]
        assert book.best(side) == (best_first[0][0] if best_first else 0)
