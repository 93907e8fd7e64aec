"""At which price an auction trades, how much, and who trades with whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tapewire import messages as m
from tests.oracle.naive_state import BUY, FOR_EVER, SELL, Instrument, Order


@dataclass(frozen=True)
class Outcome:
    price: int = 0
    qty: int = 0
    imbalance: int = 0
    """What is left over at that price: demand less supply."""

    def told(self) -> tuple[int, int, int, m.Side]:
        """As an indication says it."""
        side = BUY if self.imbalance > 0 else SELL if self.imbalance < 0 else m.Side.unspecified
        return self.price, min(self.qty, FOR_EVER), min(abs(self.imbalance), FOR_EVER), side


def reference_of(i: Instrument) -> int:
    return i.last or i.reference_price


def outcome(i: Instrument) -> Outcome:
    """The most volume, then the least imbalance, then nearest to the reference, then the lowest price."""
    bids, asks = i.side(BUY), i.side(SELL)
    if not bids or not asks or bids[0].price < asks[0].price:
        return Outcome()
    low, high, reference = asks[0].price, bids[0].price, reference_of(i)
    prices = {o.price for o in bids + asks if low <= o.price <= high}
    if low <= reference <= high and reference % i.tick == 0:
        prices.add(reference)
    found = []
    for price in prices:
        demand = sum(o.leaves for o in bids if o.price >= price)
        supply = sum(o.leaves for o in asks if o.price <= price)
        found.append(Outcome(price, min(demand, supply), demand - supply))
    distance = {price: abs(price - reference) if reference else 0 for price in prices}
    return min(found, key=lambda o: (-o.qty, abs(o.imbalance), distance[o.price], o.price))


def pairs(bids: list[Order], asks: list[Order], volume: int) -> Iterator[tuple[Order, Order, int]]:
    """Who trades how much with whom, best against best; the caller takes each quantity off both before the next."""
    while volume:
        bid = next(o for o in bids if o.leaves)
        ask = next(o for o in asks if o.leaves)
        qty = min(bid.leaves, ask.leaves, volume)
        volume -= qty
        yield bid, ask, qty
