"""The cheapest way to split an order over venues, found by trying every one. For small cases only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Shop:
    """What one venue shows within the limit, best first, and what it allows. `factor`: cost of a unit at price 1."""

    venue: int
    levels: tuple[tuple[int, int], ...]
    factor: int
    lot: int
    least: int
    most: int

    def amounts(self) -> Iterator[int]:
        """Every quantity that one order there could have."""
        yield 0
        shown = sum(qty for _, qty in self.levels)
        yield from (n for n in range(self.lot, min(shown, self.most) + 1, self.lot) if n >= self.least)

    def cost(self, qty: int) -> int:
        """Level by level."""
        total = 0
        for price, shown in self.levels:
            used = min(qty, shown)
            total += used * price * self.factor
            qty -= used
        return total


def best_split(qty: int, shops: list[Shop], sign: int) -> tuple[int, int]:
    """(the most that can be traded, the least that so much costs; of a seller, sign -1, minus the most it brings)."""
    best = (0, 0)
    for amounts in product(*(shop.amounts() for shop in shops)):
        if sum(amounts) <= qty:
            cost = sign * sum(shop.cost(n) for shop, n in zip(shops, amounts, strict=True))
            best = min(best, (-sum(amounts), cost))
    return -best[0], best[1]
