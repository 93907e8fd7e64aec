"""What all algorithms do alike: wait for the start, keep within bounds, pull everything at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod

from services.router.interfaces import Action, MarketView, Move, Progress, Pull, Terms
from services.router.randomness import SplitMix64
from tapewire import messages as m

ALL = 10_000


class Working(ABC):
    """One parent being worked. A subclass says what to do between start and end, and when it wants to be asked again.

    The participation bound holds at every moment: done and standing together never exceed maxParticipation of the
    volume since the start, at the moment when they are asked for. Volume only rises, but for busts: what stands beyond
    the bound after one is pulled.
    """

    def __init__(self, terms: Terms, now: int) -> None:
        self.terms = terms
        self.start = max(terms.start_time, now)
        self.draw = SplitMix64(terms.seed)
        self.finished = False
        self._asked = False
        self._volume: int | None = None
        """The market's when it started."""
        self._next = 0
        self._limit = terms.limit_price
        """Where what rests at the limit stands, once all of it was moved there."""

    @property
    def follows_market(self) -> bool:
        return False

    @property
    @abstractmethod
    def scheduled(self) -> int: ...

    def due(self) -> int:
        if self.finished:
            return 0
        if not self._asked:
            return self.start
        end = self.terms.end_time
        return min(self._next, end) if self._next and end else self._next or end

    def amend(self, terms: Terms, now: int, progress: Progress) -> None:
        self.terms = terms

    def step(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        if self.terms.end_time and now >= self.terms.end_time:
            self.finished = True
        if self.finished:
            return pulls(progress)
        if now < self.start:
            return self.announce()
        self._asked = True
        if self._volume is None:
            self._volume = market.volume
        return self.work(now, market, progress)

    def announce(self) -> list[Action]:
        """What can be said before the start."""
        return []

    @abstractmethod
    def work(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        """What to do between start and end. Sets `_next`, when to be asked again; 0: when something happens."""

    def traded(self, market: MarketView) -> int:
        """By everybody since the start; never below 0, whatever was busted."""
        return max(market.volume - (market.volume if self._volume is None else self._volume), 0)

    def room(self, market: MarketView, progress: Progress, target: int) -> int:
        """What may be asked for besides what is done and stands: up to `target`, the parent and its bound.

        Negative: so much stands too much.
        """
        target = min(target, self.terms.qty)
        if self.terms.max_participation:
            target = min(target, self.traded(market) * self.terms.max_participation // ALL)
        return target - progress.cum_qty - progress.open_qty

    def moved(self, progress: Progress) -> list[Action]:
        """Moves what rests at an older limit, those that wait for an answer as soon as they have it."""
        if self._limit == self.terms.limit_price:
            return []
        resting = [child for child in progress.children if child.resting]
        if not any(child.pending for child in resting):
            self._limit = self.terms.limit_price
        return [Move(child.child_id, self.terms.limit_price, child.qty) for child in resting if not child.pending]

    def near_touch(self, market: MarketView) -> int:
        """Where to rest: with the best on the own side, never beyond the limit; 0: nobody else stands there."""
        buys = self.terms.side == m.Side.buy
        best, limit = market.best_bid if buys else market.best_ask, self.terms.limit_price
        if not best or not limit:
            return best
        return min(best, limit) if buys else max(best, limit)

    def reachable(self, market: MarketView) -> bool:
        """Whether somebody on the other side stands within the limit."""
        buys = self.terms.side == m.Side.buy
        best, limit = market.best_ask if buys else market.best_bid, self.terms.limit_price
        return best > 0 and (not limit or (best <= limit if buys else best >= limit))


def pulls(progress: Progress) -> list[Action]:
    """Everything that rests and can be pulled now."""
    return [Pull(child.child_id) for child in progress.children if child.resting and not child.pending]


def pulls_of(progress: Progress, qty: int) -> list[Action]:
    """Whole children, youngest first, until at least `qty` is pulled; what is being pulled already counts."""
    found: list[Action] = []
    for child in sorted(progress.children, key=lambda c: -c.child_id):
        if qty <= 0:
            break
        if child.resting:
            qty -= child.leaves
            if not child.pending:
                found.append(Pull(child.child_id))
    return found
