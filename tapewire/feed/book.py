"""A venue's book as we know it: integer price to quantity per side, and what of it is published.

    bids   keys  [ .., 61735, 61736, 61737 ]         best last, so that the busy end is the cheap end of the list
    asks   keys  [ .., -61740, -61739, -61738 ]      the same, with the price negated

Where the venue sends its whole book, what is published is a window by price: the levels at or better than a floor
(bids) and a ceiling (asks) that are set when a snapshot is taken. A subscriber's book therefore equals the venue's
within the window at every message, though the venue may hold tens of thousands of levels. When the market has moved so
far that the window holds less than half or more than twice what was asked, `needs_snapshot` asks for a new one.
Where the venue itself keeps N levels a side (Kraken), all of them are published, and so are the removals that its rule
of truncation leaves unsaid.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from tapewire.messages import BookQuality, Side

MAX_LEVELS = 50_000
"""Per side. Beyond it the levels furthest from the market are forgotten."""

BUY, SELL = int(Side.buy), int(Side.sell)
LIVE, RESYNC, STALE, CROSSED = map(int, (BookQuality.live, BookQuality.resync, BookQuality.stale, BookQuality.crossed))

Change = tuple[int, int]
"""(price, the level's whole quantity; 0 removes it)."""
Level = tuple[int, int, int, int]
"""(price, quantity, orders, side), in the order of BookLevel."""


class BookSide:
    """One side of a book. `sign` is 1 for bids and -1 for asks: keys are sign x price, ascending towards the best."""

    __slots__ = ("keys", "levels", "side", "sign")

    def __init__(self, side: int) -> None:
        self.side = side
        self.sign = 1 if side == BUY else -1
        self.levels: dict[int, int] = {}
        self.keys: list[int] = []

    def set(self, price: int, qty: int) -> bool:
        """Whether this changed the book: removing an unknown level, or setting what is set, does not."""
        levels = self.levels
        if qty:
            known = levels.get(price)
            if known is None:
                insort(self.keys, price * self.sign)
            levels[price] = qty
            return known != qty
        if levels.pop(price, None) is None:
            return False
        keys = self.keys
        key = price * self.sign
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        return True

    def load(self, changes: Iterable[Change]) -> None:
        """Replaces the side. Levels of quantity 0 are left out."""
        self.levels = {price: qty for price, qty in changes if qty}
        self.keys = sorted(price * self.sign for price in self.levels)

    def best(self) -> Change:
        """The best (price, quantity), or (0, 0) when the side is empty."""
        if not self.keys:
            return 0, 0
        price = self.keys[-1] * self.sign
        return price, self.levels[price]

    def truncate(self, depth: int) -> list[int]:
        """Forgets all but the `depth` best levels and returns the prices that fell out, worst first."""
        excess = len(self.keys) - depth
        if excess <= 0:
            return []
        gone = [key * self.sign for key in self.keys[:excess]]
        del self.keys[:excess]
        for price in gone:
            del self.levels[price]
        return gone

    def top(self, count: int) -> list[Level]:
        """The best `count` levels, best first."""
        sign, levels, side = self.sign, self.levels, self.side
        return [(key * sign, levels[key * sign], 0, side) for key in reversed(self.keys[-count:])]


class Book:
    """One instrument's book, its quality, and the sequence of what was published of it.

    `window`: levels a side to publish, 0 for all; `depth`: levels a side the venue maintains, 0 where it sends all.
    """

    __slots__ = ("_bounds", "asks", "bids", "depth", "needs_snapshot", "quality", "seq", "window")

    def __init__(self, window: int, depth: int = 0) -> None:
        self.bids, self.asks = BookSide(BUY), BookSide(SELL)
        self.window, self.depth = window, depth or MAX_LEVELS
        self.quality = RESYNC
        self.seq = 0
        self.needs_snapshot = True
        self._bounds = (0, 0)

    def clear(self) -> None:
        """Forgets the levels, not the sequence."""
        self.bids.load(())
        self.asks.load(())
        self.needs_snapshot = True

    def load(self, bids: Iterable[Change], asks: Iterable[Change]) -> None:
        """Replaces the book by a snapshot of the venue."""
        self.bids.load(bids)
        self.asks.load(asks)
        self.bids.truncate(self.depth)
        self.asks.truncate(self.depth)
        self.needs_snapshot = True

    def apply(self, bids: Iterable[Change], asks: Iterable[Change]) -> list[Level]:
        """Applies the absolute changes of one message; returns what of it is to be published, removals by depth too."""
        floor, ceiling = self._bounds
        out: list[Level] = []
        change = self.bids.set
        for price, qty in bids:
            if change(price, qty) and price >= floor:
                out.append((price, qty, 0, BUY))
        change = self.asks.set
        for price, qty in asks:
            if change(price, qty) and price <= ceiling:
                out.append((price, qty, 0, SELL))
        depth = self.depth
        if len(self.bids.keys) > depth:
            out += [(price, 0, 0, BUY) for price in self.bids.truncate(depth) if price >= floor]
        if len(self.asks.keys) > depth:
            out += [(price, 0, 0, SELL) for price in self.asks.truncate(depth) if price <= ceiling]
        if out and self.window and not self.needs_snapshot:
            self.needs_snapshot = self._drifted(self.bids, floor) or self._drifted(self.asks, -ceiling)
        return out

    def _drifted(self, side: BookSide, bound_key: int) -> bool:
        """Whether the window has too few levels while the book has more, or far too many."""
        known = len(side.keys)
        inside = known - bisect_left(side.keys, bound_key)
        return inside > 2 * self.window or (inside < known and 2 * inside < self.window)

    def snapshot(self) -> list[Level]:
        """Sets the window anew and returns its levels: bids from the best down, then asks from the best up."""
        window = self.window or self.depth
        bids, asks = self.bids.top(window), self.asks.top(window)
        # A side that fits the window whole is published whole, so that its growth is seen, too.
        floor = bids[-1][0] if self.window and len(bids) == window else 0
        ceiling = asks[-1][0] if self.window and len(asks) == window else 1 << 62
        self._bounds = (floor, ceiling)
        self.needs_snapshot = False
        return bids + asks

    def top(self) -> tuple[int, int, int, int]:
        """(bid price, bid quantity, ask price, ask quantity); zeros for an empty side."""
        return self.bids.best() + self.asks.best()

    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        bids, asks = self.bids.keys, self.asks.keys
        return bool(bids and asks) and bids[-1] >= -asks[-1]
