"""What the matcher's events promise a reader: the exact book, no quantity lost, never crossed in trading."""

from __future__ import annotations

import pytest

from tapewire import messages as m
from tests.oracle.event_book import BUY, SELL, EventBook
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.order_flow import MARKETS, Flow


def check(naive: NaiveMatcher, book: EventBook) -> None:
    for id, i in naive.instruments.items():
        for side in (BUY, SELL):
            assert book.queue(id, side) == [(o.id, o.price, o.leaves, o.shown) for o in i.side(side)]
        assert book.waiting(id) == {(o.id, o.leaves) for o in i.waiting}
        bid, ask = i.best(BUY), i.best(SELL)
        assert not i.trading or not bid or not ask or bid < ask, f"crossed: {bid} {ask}"
    assert len(book.orders) == naive.live_orders


def rebuild(flow: Flow, commands: int, misses: type[m.Message] | None = None) -> None:
    naive, book = NaiveMatcher(), EventBook()
    for _, events in flow.play(naive.apply, commands):
        for event in map(m.decode, events):
            if misses is None or not isinstance(event, misses):
                book.take(event)
        check(naive, book)


@pytest.mark.parametrize("market", MARKETS)
def test_the_book_can_be_rebuilt_from_the_events_alone(market: str) -> None:
    """Prices, quantities, what is shown, and who stands before whom, after every command."""
    for seed in (50, 51):
        rebuild(Flow(seed, **MARKETS[market]), 1500)


@pytest.mark.parametrize("misses", [m.OrderRestated, m.OrderTriggered, m.OrderReplaced, m.OrderExecuted])
def test_a_reader_that_misses_events_is_found_out(misses: type[m.Message]) -> None:
    with pytest.raises((AssertionError, KeyError)):
        rebuild(Flow(50), 1500, misses)
