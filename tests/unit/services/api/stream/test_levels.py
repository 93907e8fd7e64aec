"""Updates of a book: who applies them holds the book."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.api.stream.levels import changed, update
from services.api.types import Book, Level
from tests.stream.books import applied

PRICES = [f"{number}.50" for number in range(8)]
SIDE = st.dictionaries(st.sampled_from(PRICES), st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=8)


def levels(side: dict[str, tuple[int, int]]) -> list[Level]:
    return [(price, str(qty), orders) for price, (qty, orders) in sorted(side.items())]


def book(seq: int, bids: list[Level], asks: list[Level], quality: str = "live") -> Book:
    return Book("house", "ACME", seq, quality, 10 * seq, "1", bids, asks)


@given(SIDE, SIDE)
def test_a_side_with_its_changes_applied_is_the_next_one(
    before: dict[str, tuple[int, int]], now: dict[str, tuple[int, int]]
) -> None:
    told = changed(levels(before), levels(now))
    assert applied({level[0]: level for level in levels(before)}, told) == {level[0]: level for level in levels(now)}
    assert len(told) <= len(before) + len(now)


@given(SIDE)
def test_nothing_is_told_of_a_side_that_is_the_same(side: dict[str, tuple[int, int]]) -> None:
    assert changed(levels(side), levels(side)) == []


def test_an_update_names_the_book_it_builds_on() -> None:
    before = book(4, [("9.00", "1", 1), ("8.00", "2", 1)], [])
    now = book(7, [("9.00", "3", 2)], [("10.00", "1", 1)])
    told = update(before, now)
    assert told is not None
    assert (told.prev, told.book_seq, told.seq) == (4, 7, 70)
    assert told.bids == [("9.00", "3", 2), ("8.00", "0", 0)]
    assert told.asks == [("10.00", "1", 1)]


def test_a_book_that_looks_the_same_is_not_told_unless_its_quality_changed() -> None:
    before = book(4, [("9.00", "1", 1)], [])
    assert update(before, book(5, [("9.00", "1", 1)], [])) is None
    told = update(before, book(5, [("9.00", "1", 1)], [], "stale"))
    assert told is not None
    assert (told.bids, told.asks, told.quality) == ([], [], "stale")
