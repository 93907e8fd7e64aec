"""A recorded Nasdaq book, order by order (LOBSTER): our book must show what the recording says it was, row by row.

The recording knows ten levels a side: what happens below the tenth is not in its messages. So a level is compared
while it is among the ten in two rows running; one that sinks below is forgotten, and one that comes up is taken from
the recording, as a single order that stands for all that are there. Executions of hidden orders (61) change nothing
that is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import pytest

from tapewire import messages as m
from tests.recorded_captures import FOLDER, MISSING
from tests.recorded_orders import BUY, SELL, lobster
from tests.replayed_book import ReplayedBook

RECORDED = FOLDER / "lobster" / "AAPL_20120621_level10_999rows"
LEVELS = 10
NEW, REDUCE, DELETE, EXECUTED, HIDDEN = 1, 2, 3, 4, 5

Level = tuple[int, int]


class Replay:
    def __init__(self) -> None:
        self.book = ReplayedBook(tick=100)
        self.places: dict[Hashable, tuple[int, int]] = {}
        """Side and price of what was put into the book."""
        self.counts: Counter[str] = Counter()

    def add(self, name: Hashable, side: int, price: int, qty: int) -> None:
        assert self.book.new(name, side_of(side), price, qty) == [], "the recording shows only what rests"
        self.places[name] = (side, price)

    def learn(self, side: int, levels: list[Level]) -> None:
        """Makes our side hold just these levels: forgets those below them, takes in those that came up."""
        shown = [price for price, _ in self.shown(side)]
        sunk = {(side, price) for price in shown if not within([(price, 0)], side, levels[-1][0])}
        for name in [name for name, place in self.places.items() if place in sunk]:
            if name in self.book:
                self.book.cancel(name)
            del self.places[name]
        for price, qty in levels:
            if price not in shown:
                self.add(("before", side, price), side, price, qty)

    def take(self, kind: int, order: int, qty: int, price: int, side: int) -> None:
        before = ("before", side, price)
        name: Hashable = order if order in self.book and order in self.places else before
        if kind == HIDDEN:
            self.counts["executions of hidden orders"] += 1
        elif kind == NEW:
            self.add(order, side, price, qty)
            self.counts["new"] += 1
        elif name not in self.book:
            self.counts["below the ten levels"] += 1
        elif kind == EXECUTED:
            fills = self.book.take(side_of(-side), price, qty)
            assert fills == [(name, price, qty)], f"recorded order {order} was not first in its queue"
            self.counts["executions of orders that stood before" if name == before else "executions"] += 1
        elif (left := self.book.leaves[name] - qty) > 0:
            assert self.book.replace(name, price, left) == []
            self.counts["reduced"] += 1
        else:
            self.book.cancel(name)
            self.counts["deleted"] += 1

    def shown(self, side: int) -> list[Level]:
        return list(self.book.depth(side_of(side)).items())


def side_of(direction: int) -> m.Side:
    return BUY if direction == 1 else SELL


def recorded_levels(row: list[str], side: int) -> list[Level]:
    start = 2 if side == 1 else 0
    return [(int(row[i]), int(row[i + 1])) for i in range(start, 4 * LEVELS, 4)]


def within(levels: list[Level], side: int, horizon: int) -> list[Level]:
    return [level for level in levels if (level[0] >= horizon if side == 1 else level[0] <= horizon)]


@pytest.mark.skipif(not RECORDED.is_dir(), reason=MISSING)
def test_the_book_is_what_the_recording_says_after_every_message() -> None:
    messages, books = lobster(RECORDED, "message"), lobster(RECORDED, "orderbook")
    replay, compared = Replay(), 0
    for side in (1, -1):
        replay.learn(side, recorded_levels(books[0], side))
    for i, (message, last, book) in enumerate(zip(messages[1:], books, books[1:], strict=False), start=1):
        _, kind, order, qty, price, direction = message
        replay.take(int(kind), int(order), int(qty), int(price), int(direction))
        for side in (1, -1):
            now = recorded_levels(book, side)
            in_both = within(now, side, recorded_levels(last, side)[-1][0])
            assert within(replay.shown(side), side, in_both[-1][0]) == in_both, f"row {i}, side {side}"
            compared += len(in_both)
            replay.learn(side, now)
            assert replay.shown(side) == now
    assert (len(messages), compared) == (999, 19_642)
    assert replay.counts == {
        "new": 470,
        "reduced": 2,
        "deleted": 367,
        "executions": 90,
        "executions of orders that stood before": 8,
        "executions of hidden orders": 61,
    }
