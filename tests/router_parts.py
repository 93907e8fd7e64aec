"""Simple parts for the router's core: an algorithm that asks for anything, routing that splits over what is ready."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from services.router.interfaces import Action, MarketView, Move, Progress, Pull, Rest, Slice, Take, Terms
from services.router.parts import Definitions, Parts
from tapewire import messages as m

MS = 1_000_000


class AtOnce:
    """Takes all that is left, whenever it is asked."""

    follows_market = False

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.finished = False

    def due(self) -> int:
        return 0

    def amend(self, terms: Terms, now: int, progress: Progress) -> None:
        self.terms = terms

    @property
    def scheduled(self) -> int:
        return self.terms.qty

    def step(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        left = self.terms.qty - progress.cum_qty - progress.open_qty
        if self.terms.time_in_force == m.TimeInForce.ioc:
            self.finished = True
        return [Take(left, self.terms.limit_price)] if left > 0 else []


class Even(AtOnce):
    """Four slices, `interval` apart."""

    def __init__(self, terms: Terms, now: int) -> None:
        super().__init__(terms)
        self.done, self.next = 0, now

    def due(self) -> int:
        return self.next if self.done < 4 else 0

    @property
    def scheduled(self) -> int:
        return self.terms.qty * self.done // 4

    def step(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        actions: list[Action] = []
        if self.done < 4 and now >= self.next:
            self.done += 1
            self.next += self.terms.interval
            actions.append(Slice(self.done, 4, now, self.terms.qty // 4, self.scheduled))
        left = self.scheduled - progress.cum_qty - progress.open_qty
        return [*actions, Take(left, 0, self.done)] if left > 0 else actions


class Greedy(AtOnce):
    """Asks for anything, and for too much of it: what the core must cut."""

    def __init__(self, terms: Terms, now: int) -> None:
        super().__init__(terms)
        self.pick = random.Random(terms.seed)
        self.next = now
        self.follows_market = self.pick.random() < 0.5

    def due(self) -> int:
        return self.next

    def step(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        pick = self.pick
        if now >= self.next:
            self.next = now + pick.randint(1, 50) * MS
        price = max(market.best_ask or 100, 1) + pick.randint(-5, 5)
        actions: list[Action] = [
            Take(pick.randint(1, 2 * self.terms.qty), pick.choice([0, price]), 1)
            if pick.random() < 0.5
            else Rest(pick.randint(1, 2 * self.terms.qty), price)
            for _ in range(pick.randint(0, 2))
        ]
        for child in progress.children:
            chance = pick.random()
            if chance < 0.2:
                actions.append(Pull(child.child_id))
            elif chance < 0.5:
                actions.append(Move(child.child_id, price, pick.randint(1, 2 * self.terms.qty)))
        return actions


def make(terms: Terms, now: int, view: MarketView, profile: m.VolumeProfile | None) -> AtOnce:
    if terms.algorithm == m.Algorithm.twap:
        return Even(terms, now)
    return Greedy(terms, now) if terms.algorithm == m.Algorithm.pov else AtOnce(terms)


@dataclass
class Plan:
    venue: int
    price: int
    qty: int
    ord_type: m.OrdType = m.OrdType.limit
    tif: m.TimeInForce = m.TimeInForce.ioc
    post_only: bool = False
    display_qty: int = 0


@dataclass
class Route:
    scores: list[m.VenueScore]
    children: list[Any]
    unrouted: int


@dataclass
class NoLearning:
    folded: list[m.Message] = field(default_factory=list)

    def fold(self, record: m.Message) -> None:
        self.folded.append(record)


class NoBenchmarks:
    def __init__(self, side: m.Side, now: int, view: MarketView, exponent: int) -> None:
        self.arrival = view.best_ask

    def market(self, now: int, view: MarketView, trades: tuple[tuple[int, int], ...] = ()) -> None:
        pass

    def own(self, report: m.VenueReported) -> None:
        pass

    def measured(self, now: int, scheduled: int) -> dict[str, int]:
        return {"arrival": self.arrival * 1000}


def _ready(view: Any, definitions: Definitions, allowed: int) -> list[Any]:
    return [
        book
        for book in view.books
        if book.venue in definitions and book.state == m.VenueState.ready and (not allowed or allowed >> book.venue & 1)
    ]


def take(view: Any, markets: Definitions, learned: Any, side: m.Side, qty: int, limit: int, allowed: int) -> Route:
    """As much as each shows at its best price, in the order of the venues' numbers."""
    scores, children, left = [], [], qty
    for book in _ready(view, markets, allowed):
        levels = book.asks if side == m.Side.buy else book.bids
        if not levels:
            continue
        price, shown = levels[0]
        fits = not limit or (price <= limit if side == m.Side.buy else price >= limit)
        given = min(shown, left) if fits else 0
        unusable = m.Unusable.unspecified if fits else m.Unusable.beyond_limit
        scores.append(
            m.VenueScore(
                price=price,
                size=shown,
                fee=0,
                fill_rate=0,
                reject_rate=0,
                latency=0,
                score=price * 1000,
                qty=given,
                venue=book.venue,
                state=book.state,
                unusable=unusable,
            )
        )
        if given:
            children.append(Plan(book.venue, price, given))
            left -= given
    return Route(scores, children, left)


def rest(
    view: Any,
    markets: Definitions,
    learned: Any,
    side: m.Side,
    qty: int,
    price: int,
    display_qty: int,
    post_only: bool,
    allowed: int,
) -> Route:
    """All of it at the first venue that is ready."""
    ready = _ready(view, markets, allowed)
    if not ready or price <= 0:
        return Route([], [], qty)
    tif = m.TimeInForce.day
    return Route([], [Plan(ready[0].venue, price, qty, tif=tif, post_only=post_only, display_qty=display_qty)], 0)


def refuses(terms: Terms, now: int, market: object, profile: object) -> None:
    """Nothing: these algorithms work any terms."""


PARTS = Parts(refuses, make, take, rest, NoLearning, NoBenchmarks)
