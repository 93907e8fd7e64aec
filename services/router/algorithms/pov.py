"""POV: a part of what everybody trades.

Schedule    target = participation x volume since the start, never more than the quantity. The volume is what all its
            venues told, our own trades in it once: aiming at p of it is aiming at p of all that is traded, ourselves
            included. Windows of `interval` (10 s if 0), each drawn to differ by at most half of randomness.
Work        within a window as within a slice of TWAP: it rests at the near touch, and near the end takes what is
            missing. The volume is looked at in each tenth of a window.
Bounds      what is done and what stands never exceed participation of the volume, so it never runs ahead, and it needs
            others to trade first; maxParticipation, if given, must not be below participation. Never beyond limitPrice:
            it falls behind then, and catches up at full size when the market comes back.
Amending    quantity, limit, end, both participations. A new participation counts for the volume from now on.
At the end  children are pulled; what is left expires. Without an end it goes on until it is filled.
"""

from __future__ import annotations

from services.router.algorithms.patience import Patient, Stretch
from services.router.algorithms.schedule import ALL, SECOND
from services.router.interfaces import Action, MarketView, Progress, Slice, Terms

WINDOW_NS = 10 * SECOND


class Pov(Patient):
    """Follows the volume."""

    def __init__(self, terms: Terms, now: int) -> None:
        super().__init__(terms, now)
        self._target = 0
        self._told = 0
        """Of the target, what slices were told of."""
        self._base, self._from = 0, 0
        """Target and volume when the participation was changed last."""
        self._seen = 0
        """The volume as it was looked at last."""
        self._window = Stretch(0, self.start, self.start)

    @property
    def scheduled(self) -> int:
        return min(self._target, self.terms.qty)

    def amend(self, terms: Terms, now: int, progress: Progress) -> None:
        if terms.participation != self.terms.participation:
            self._base, self._from = self.scheduled, self._seen
        super().amend(terms, now, progress)

    def work(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        self._seen = self.traded(market)
        since = max(self._seen - self._from, 0)
        self._target = self._base + since * self.terms.participation // ALL
        actions: list[Action] = []
        if now >= self._window.end:
            self._window = self._next_window(now)
            if self.scheduled > self._told:
                actions.append(Slice(self._window.number, 0, now, self.scheduled - self._told, self.scheduled))
                self._told = self.scheduled
        return actions + self.work_slice(now, market, progress, self._window, self.scheduled)

    def _next_window(self, now: int) -> Stretch:
        length = self.terms.interval or WINDOW_NS
        spread = length * self.terms.randomness // (2 * ALL)
        return Stretch(self._window.number + 1, now, now + length + self.draw.between(-spread, spread))
