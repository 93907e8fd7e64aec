"""The venue book: absolute changes, truncation, the published window."""

from __future__ import annotations

from tapewire.feed.book import BUY, SELL, Book


def deep_book(window: int, levels: int = 10) -> Book:
    """Bids 1000, 999, ... and asks 1001, 1002, ..., one lot each, its snapshot taken."""
    book = Book(window)
    book.load([(1000 - i, 1) for i in range(levels)], [(1001 + i, 1) for i in range(levels)])
    book.snapshot()
    return book


def test_a_snapshot_gives_bids_from_the_best_down_then_asks_from_the_best_up() -> None:
    book = Book(window=2)
    book.load([(98, 3), (100, 1), (99, 2), (97, 0)], [(103, 6), (101, 4), (102, 5)])
    assert book.snapshot() == [(100, 1, 0, BUY), (99, 2, 0, BUY), (101, 4, 0, SELL), (102, 5, 0, SELL)]
    assert book.top() == (100, 1, 101, 4)


def test_changes_that_change_nothing_are_not_published() -> None:
    book = deep_book(window=5)
    assert book.apply([(998, 1), (500, 0)], [(1001, 1)]) == []
    assert book.apply([(998, 0)], [(1001, 7)]) == [(998, 0, 0, BUY), (1001, 7, 0, SELL)]


def test_changes_outside_the_window_are_kept_but_not_published() -> None:
    book = deep_book(window=3)
    assert book.apply([(995, 9), (998, 9)], [(1010, 9)]) == [(998, 9, 0, BUY)]
    assert book.bids.levels[995] == book.asks.levels[1010] == 9


def test_a_window_that_lost_more_than_half_its_levels_asks_for_a_snapshot() -> None:
    book = deep_book(window=4)
    asked = []
    for price in (1000, 999, 998):
        book.apply([(price, 0)], [])
        asked.append(book.needs_snapshot)
    assert asked == [False, False, True]
    assert [level[0] for level in book.snapshot()][:4] == [997, 996, 995, 994]
    assert book.needs_snapshot is False


def test_a_window_that_grew_to_more_than_twice_its_size_asks_for_a_snapshot() -> None:
    book = deep_book(window=4, levels=4)
    book.load([(1000 - 10 * i, 1) for i in range(4)], [(1001, 1)])
    book.snapshot()
    asked = []
    for changes in ([(999 - i, 1) for i in range(4)], [(995, 1)]):
        book.apply(changes, [])
        asked.append(book.needs_snapshot)
    assert asked == [False, True]


def test_levels_that_fall_out_of_the_venues_depth_are_published_as_removed() -> None:
    book = Book(window=0, depth=2)
    book.load([(100, 1), (99, 1)], [(101, 1), (102, 1)])
    book.snapshot()
    assert book.apply([], [(100, 5)]) == [(100, 5, 0, SELL), (102, 0, 0, SELL)]
    assert book.asks.levels == {100: 5, 101: 1}


def test_a_level_that_is_added_and_falls_out_at_once_leaves_no_trace() -> None:
    book = Book(window=0, depth=1)
    book.load([(100, 1)], [(101, 1)])
    book.snapshot()
    published = {}
    for price, qty, _, side in book.apply([(99, 5)], []):
        published[side, price] = qty
    assert published == {(BUY, 99): 0}
    assert book.bids.levels == {100: 1}


def test_equal_best_prices_are_crossed_and_an_empty_side_never_is() -> None:
    book = deep_book(window=4)
    assert not book.crossed()
    book.apply([(1001, 1)], [])
    assert book.crossed()
    book.load([], [(1, 1)])
    assert not book.crossed()
    assert book.top() == (0, 0, 1, 1)
