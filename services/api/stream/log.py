"""The last items of something that is told item by item: trades, fills, orders, records.

    ── floor ──┬─ item ─ item ─ item ─┬── end ──▶        every item with floor < seq <= end is here
               oldest               newest

Items carry the seq of the record that they come from; several may come from one (a match with oneself is two fills),
and those are never parted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class Log:
    """Bounded: the oldest items go, and `floor` rises."""

    def __init__(self, floor: int, capacity: int) -> None:
        """Whole from `floor` on: what comes behind it will be appended."""
        self.floor = floor
        self.end = floor
        """The seq of the newest item; `floor` if there is none."""
        self._capacity = capacity
        self._seqs: list[int] = []
        self._items: list[bytes] = []

    def __len__(self) -> int:
        return len(self._items)

    def append(self, seq: int, item: bytes) -> None:
        """`seq` never falls."""
        assert seq >= self.end, "items come in the order of the tape"
        self._seqs.append(seq)
        self._items.append(item)
        self.end = seq
        if len(self._seqs) >= 2 * self._capacity:
            self._forget(len(self._seqs) - self._capacity)

    def fill(self, items: Iterable[tuple[int, bytes]], floor: int) -> None:
        """Begins anew with these, in order. Those up to `floor` may not be all; `newest` tells them alone."""
        self._seqs.clear()
        self._items.clear()
        for seq, item in items:
            self._seqs.append(seq)
            self._items.append(item)
        self.floor = floor
        self.end = max(floor, self._seqs[-1] if self._seqs else floor)

    def after(self, seq: int, limit: int, up_to: int) -> tuple[list[bytes], int]:
        """Items behind `seq` and not behind `up_to`, the oldest `limit` of them (a few more, rather than to part those
        of one record); and the seq up to where that is whole."""
        assert seq >= self.floor, "what is asked for has been forgotten"
        first = bisect_right(self._seqs, seq)
        last = bisect_right(self._seqs, up_to)
        if last - first > limit:
            last = bisect_right(self._seqs, self._seqs[first + limit - 1])
            return self._items[first:last], self._seqs[last - 1]
        return self._items[first:last], max(seq, up_to)

    def newest(self, limit: int, up_to: int) -> list[bytes]:
        """The last `limit` items not behind `up_to` (a few more, as above)."""
        last = bisect_right(self._seqs, up_to)
        first = max(0, last - limit)
        if 0 < first < last:
            first = bisect_right(self._seqs, self._seqs[first] - 1)
        return self._items[first:last]

    def count(self, after: int, up_to: int) -> int:
        """How many items stand behind `after` and not behind `up_to`."""
        return bisect_right(self._seqs, up_to) - bisect_right(self._seqs, after)

    def _forget(self, count: int) -> None:
        # Half of the list at a time: one append pays for one item that is moved.
        self.floor = self._seqs[count - 1]
        count = bisect_right(self._seqs, self.floor)
        del self._seqs[:count]
        del self._items[:count]
