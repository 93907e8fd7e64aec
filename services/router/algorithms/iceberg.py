"""Iceberg: shows a little at a time, over several venues.

Schedule    none: all of the quantity is asked for from the start. One part at a time, of
            displayQty + uniform in -r .. +r of it (r = randomness / 10,000), in whole lots, at least one; the last part
            is what is left.
Work        a part rests at limitPrice at the venue that is best to rest at; when it is done the next part is drawn, and
            the venue is chosen anew. If others stand within the limit on the other side, the part is taken from them
            instead, at whatever venues are cheapest, once in an interval.
Bounds      limitPrice (needed) and maxParticipation. With a market beyond the limit it waits at the limit.
            A part that could not be placed, or came back unfilled, is tried again after `interval` (1 s if 0).
Amending    quantity, limit, end, maxParticipation. A new limit moves the part that stands; if less is wanted than
            stands, it is pulled, and a smaller one is drawn.
At the end  the part is pulled; what is left expires. Without an end it goes on until it is filled.
"""

from __future__ import annotations

from services.router.algorithms.schedule import ALL, SECOND
from services.router.algorithms.working import Working, pulls
from services.router.interfaces import Action, MarketView, Progress, Rest, Take, Terms

RETRY_NS = SECOND


class Iceberg(Working):
    """Part after part."""

    def __init__(self, terms: Terms, now: int) -> None:
        super().__init__(terms, now)
        self._tried = 0
        """When it asked last; 0: never."""
        self._had = -1
        """What was done then."""
        self._took = -(1 << 62)
        """When it took last."""

    @property
    def scheduled(self) -> int:
        return self.terms.qty if self._asked else 0

    def work(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        self._next = 0
        room = self.room(market, progress, self.terms.qty)
        if progress.open_qty:
            if room < 0:
                return pulls(progress)
            return self.moved(progress)
        again = self.terms.interval or RETRY_NS
        if room <= 0:
            # A bound that is reached gives way with the volume, and nothing else would tell of it.
            self._next = now + again if progress.cum_qty < self.terms.qty else 0
            return []
        if progress.cum_qty == self._had and now < self._tried + again:
            self._next = self._tried + again
            return []
        reachable = self.reachable(market)
        if reachable and now < self._took + again:
            self._next = self._took + again
            return []
        self._tried, self._had = now, progress.cum_qty
        self._next = now + again
        part = min(self._part(market.lot), room)
        if reachable:
            self._took = now
            return [Take(part, self.terms.limit_price)]
        return [Rest(part, self.terms.limit_price, post_only=False)]

    def _part(self, lot: int) -> int:
        spread = self.terms.display_qty * self.terms.randomness // ALL
        return max((self.terms.display_qty + self.draw.between(-spread, spread)) // lot, 1) * lot
