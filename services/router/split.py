"""Splits a quantity over what venues offer: as much as can be traded, and that as cheaply as can be.

Without smallest orders in the way, taking the cheapest lot next, again and again, is the best there is. It may end on a
venue that gets less than its smallest order, or leave something that only another venue's finer lot could take. Then
every set of venues is tried in which each gets at least its smallest order. The answer is exact where all lots are
equal (each venue's costs rise with the quantity, so the cheapest lot next is best for every set); with different lots
it is the best of those tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Final, NamedTuple

VENUES_MAX: Final = 8  # whose sets are all tried: 255 of them; beyond it only the cheapest lot next is


@dataclass(frozen=True, slots=True)
class Offer:
    """What one venue shows, best first."""

    venue: int
    lot: int
    least: int
    """Smallest order, at least one lot."""
    most: int
    """Largest order; both in whole lots."""
    levels: list[tuple[int, int, int]]
    """(price, cost of one, quantity); costs rise."""

    def lots(self) -> list[tuple[int, int, int]]:
        """`levels` in whole lots. A lot that reaches into the next level counts at that level's price and cost."""
        found, seen, given = [], 0, 0
        for price, cost, qty in self.levels:
            seen += qty
            whole = min(seen // self.lot * self.lot, self.most)
            if whole > given:
                found.append((price, cost, whole - given))
                given = whole
        return found


class Part(NamedTuple):
    """What one venue is given, and the worst price of it."""

    venue: int
    qty: int
    price: int


class _Step(NamedTuple):
    """A stretch of one venue's offer; sorted, they are the order in which they are taken."""

    cost: int
    venue: int
    price: int
    qty: int
    lot: int


def split(qty: int, offers: list[Offer]) -> list[Part]:
    """By venue number; venues that get nothing are left out. Never more than `qty`, and no venue beyond its bounds."""
    offers = sorted((o for o in offers if o.least <= min(sum(n for _, _, n in o.lots()), qty)), key=lambda o: o.venue)
    parts, cost = _cheapest(qty, offers, forced=False)
    simple = len({o.lot for o in offers}) <= 1
    if all(parts[o.venue].qty >= o.least for o in offers if o.venue in parts) and (
        simple or len(parts) == len(offers) == 1
    ):
        return [parts[venue] for venue in sorted(parts)]
    best, best_key = _dropped(qty, offers, parts, cost)
    if len(offers) <= VENUES_MAX:
        for count in range(1, len(offers) + 1):
            for some in combinations(offers, count):
                if sum(o.least for o in some) > qty:
                    continue
                tried, cost = _cheapest(qty, list(some), forced=True)
                key = (-sum(p.qty for p in tried.values()), cost)
                if key < best_key:
                    best, best_key = tried, key
    return [best[venue] for venue in sorted(best)]


def _dropped(
    qty: int, offers: list[Offer], parts: dict[int, Part], cost: int
) -> tuple[dict[int, Part], tuple[int, int]]:
    """Leaves out, one after the other, the venues that would get less than their smallest order."""
    while True:
        small = [o for o in offers if o.venue in parts and parts[o.venue].qty < o.least]
        if not small:
            return parts, (-sum(p.qty for p in parts.values()), cost)
        offers = [o for o in offers if o is not small[-1]]
        parts, cost = _cheapest(qty, offers, forced=False)


def _cheapest(qty: int, offers: list[Offer], forced: bool) -> tuple[dict[int, Part], int]:
    """Takes the cheapest lot next until nothing fits; with `forced` each venue has its smallest order beforehand."""
    parts: dict[int, Part] = {}
    left, total, steps = qty, 0, []
    for offer in offers:
        due = offer.least if forced else 0
        for price, cost, there in offer.lots():
            used = min(there, due)
            if used:
                due -= used
                left -= used
                total += used * cost
                parts[offer.venue] = Part(offer.venue, _given(parts, offer.venue) + used, price)
            if there > used:
                steps.append(_Step(cost, offer.venue, price, there - used, offer.lot))
    for step in sorted(steps):
        used = min(step.qty, left // step.lot * step.lot)
        if used:
            left -= used
            total += used * step.cost
            parts[step.venue] = Part(step.venue, _given(parts, step.venue) + used, step.price)
    return parts, total


def _given(parts: dict[int, Part], venue: int) -> int:
    return parts[venue].qty if venue in parts else 0
