"""Sweep: takes what all venues show within the limit, at once.

Schedule    none: all of the quantity is asked for at the start.
Work        one round of IOC orders over all venues (`routing.take`). What is left
              ioc   is cancelled when they have answered;
              day   rests at limitPrice at the venue that is best to rest at. When the market changes and the other side
                    is within the limit (another venue shows it), what rests is pulled and a round follows: at once at
                    a new best price, after a second at the same one.
Bounds      limitPrice (of ioc it may be 0: whatever is shown, and never more than is shown), maxParticipation.
Amending    of a day's: quantity, limit, end, maxParticipation; a new limit moves what rests.
At the end  what rests is pulled and expires. Without an end it rests until it is filled or cancelled.
"""

from __future__ import annotations

from services.router.algorithms.schedule import SECOND
from services.router.algorithms.working import Working, pulls, pulls_of
from services.router.interfaces import Action, MarketView, Progress, Rest, Take, Terms
from tapewire import messages as m

RETRY_NS = SECOND


class Sweep(Working):
    """One round; then, if it is a day's, rest and look out."""

    def __init__(self, terms: Terms, now: int) -> None:
        super().__init__(terms, now)
        self._ioc = terms.time_in_force == m.TimeInForce.ioc
        self._took_at: int | None = None
        self._took_from = 0
        """When it took last, and the other side's best price then."""
        self._rest_again = 0
        """A rest that was refused, or came back, is not tried again before."""

    @property
    def follows_market(self) -> bool:
        return not self._ioc

    @property
    def scheduled(self) -> int:
        return self.terms.qty if self._asked else 0

    def work(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        room = self.room(market, progress, self.terms.qty)
        self._next = 0
        if self._ioc:
            return self._once(now, progress, room)
        if room < 0:
            return pulls_of(progress, -room)
        if moves := self.moved(progress):
            return moves
        if self.reachable(market):
            return self._take(now, market, progress, room)
        return self._rest(now, progress, room)

    def _once(self, now: int, progress: Progress, room: int) -> list[Action]:
        if self._took_at is None and room > 0:
            self._took_at = now
            # If no venue can take any of it, nothing else will ask again.
            self._next = now + 1
            return [Take(room, self.terms.limit_price)]
        self.finished = not progress.open_qty
        return []

    def _take(self, now: int, market: MarketView, progress: Progress, room: int) -> list[Action]:
        other = market.best_ask if self.terms.side == m.Side.buy else market.best_bid
        # A venue may need a moment to show what our own round has left: the same price is not taken again at once.
        if self._took_at is not None and now < self._took_at + RETRY_NS and other == self._took_from:
            self._next = self._took_at + RETRY_NS
            return []
        if resting := pulls(progress):
            self._rest_again = 0
            return resting
        if room <= 0:
            return []
        self._took_at, self._took_from = now, other
        self._next = now + 1
        return [Take(room, self.terms.limit_price)]

    def _rest(self, now: int, progress: Progress, room: int) -> list[Action]:
        if room <= 0 or any(not child.resting for child in progress.children):
            return []
        if now < self._rest_again:
            self._next = self._rest_again
            return []
        self._rest_again = self._next = now + RETRY_NS
        return [Rest(room, self.terms.limit_price, post_only=False)]
