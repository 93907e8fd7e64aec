"""One venue's book of one instrument, kept from quotes, whole pictures and changes, as the router sees it.

A quote alone makes a book of one level a side. Where depth is told too, a quote cuts it to its own top: what was better
is gone, what lies deeper stays as last told.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Final

from tapewire import messages as m

LEVELS_MAX: Final = 100  # of a side that routing looks at; all are kept
_STALE = m.BookQuality.stale


class _Side:
    """Prices best first (bids negated, so that both sides rise) with what each shows."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[int] = []
        self._qty: dict[int, int] = {}

    def clear(self) -> None:
        self._keys.clear()
        self._qty.clear()

    def set(self, price: int, qty: int) -> None:
        """What a level shows from now on; 0 takes it away."""
        key = self._sign * price
        if qty > 0:
            if key not in self._qty:
                insort(self._keys, key)
            self._qty[key] = qty
        elif self._qty.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def cut(self, price: int, qty: int) -> None:
        """Makes this level the best one; without a quantity the side is empty."""
        if qty <= 0:
            self.clear()
            return
        better = bisect_left(self._keys, self._sign * price)
        for key in self._keys[:better]:
            del self._qty[key]
        del self._keys[:better]
        self.set(price, qty)

    def best_first(self) -> list[tuple[int, int]]:
        return [(self._sign * key, self._qty[key]) for key in self._keys[:LEVELS_MAX]]


class Levels:
    """Both sides, and how far they can be trusted."""

    def __init__(self) -> None:
        self.quality = _STALE
        self._bids, self._asks = _Side(-1), _Side(1)
        self._seq = 0
        self._depth = False
        """Whether changes can be applied: a whole picture came, and none was missed since."""

    @property
    def whole_known(self) -> bool:
        """Whether a whole picture came and none was missed since: a quote alone shows the best of each side."""
        return self._depth and self.quality != _STALE

    def sides(self) -> tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]]:
        return self._bids.best_first(), self._asks.best_first()

    def lose(self) -> None:
        """Nothing of it holds any longer."""
        self.quality, self._depth, self._seq = _STALE, False, 0
        self._bids.clear()
        self._asks.clear()

    def top(self, seq: int, quality: m.BookQuality, bid: tuple[int, int], ask: tuple[int, int]) -> None:
        """A quote. One that is older than the depth already known says nothing new; `seq` 0: the feed counts none."""
        if seq and seq < self._seq:
            return
        self.quality = quality
        self._bids.cut(*bid)
        self._asks.cut(*ask)

    def whole(self, seq: int, quality: m.BookQuality, levels: Iterable[tuple[m.Side, int, int]]) -> None:
        self._bids.clear()
        self._asks.clear()
        self._set(levels)
        self.quality, self._seq, self._depth = quality, seq, True

    def change(self, seq: int, quality: m.BookQuality, levels: Iterable[tuple[m.Side, int, int]]) -> None:
        """Changes on top of a whole picture. After a missed one the book is stale until the next picture."""
        if not self._depth or seq <= self._seq:
            return
        if seq != self._seq + 1:
            self.lose()
            return
        self._set(levels)
        self.quality, self._seq = quality, seq

    def _set(self, levels: Iterable[tuple[m.Side, int, int]]) -> None:
        for side, price, qty in levels:
            (self._bids if side == m.Side.buy else self._asks).set(price, qty)
