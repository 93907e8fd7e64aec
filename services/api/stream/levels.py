"""What changed between two books, as the levels of an update: a client that applies it holds the second book."""

from __future__ import annotations

from services.api.types import Book, Level


def changed(before: list[Level], now: list[Level]) -> list[Level]:
    """One side. Levels of `now` that are new or different, and with quantity "0" those that are gone.

    With a depth, a level that fell out of it is gone, too: who applies updates never holds more than the depth.
    """
    old = {level[0]: level for level in before}
    found = [level for level in now if old.pop(level[0], None) != level]
    found += [(price, "0", 0) for price in old]
    return found


class BookUpdate(Book, kw_only=True, tag_field=None):
    """The levels that changed since `prev`, the book_seq of the snapshot or update before it."""

    prev: int


def update(before: Book, now: Book) -> BookUpdate | None:
    """None: nothing that a client sees has changed."""
    bids, asks = changed(before.bids, now.bids), changed(before.asks, now.asks)
    if not bids and not asks and before.quality == now.quality:
        return None
    return BookUpdate(
        feed=now.feed,
        ticker=now.ticker,
        book_seq=now.book_seq,
        quality=now.quality,
        seq=now.seq,
        ts=now.ts,
        bids=bids,
        asks=asks,
        prev=before.book_seq,
    )
