"""How one slice is worked: first patiently at the near touch, near its end by taking.

    slice     |0    |1    |2    |3    |4    |5    |6    |7    |8    |9    |     ten parts of equal length
              └── rests at the near touch ────────────────┘└── takes ─────┘     (rests there, too, if nobody stands
                                                                                 within the limit)

At most one order to rest and one repricing of a child happen in a part, and one order to take for each child that was
pulled: nothing that venues answer can make it run in circles.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from services.router.algorithms.working import Working, pulls, pulls_of
from services.router.interfaces import Action, MarketView, Move, Progress, Rest, Take, Terms

PARTS: Final = 10
PATIENT_PARTS: Final = 7


class Stretch(NamedTuple):
    """A slice in time."""

    number: int
    begin: int
    end: int

    def part(self, now: int) -> int:
        return min((now - self.begin) * PARTS // (self.end - self.begin), PARTS - 1)

    def after(self, part: int) -> int:
        """When the next part begins."""
        return self.begin - (-(part + 1) * (self.end - self.begin) // PARTS)


class Patient(Working):
    """Works towards a target within stretches of time."""

    patient_parts = PATIENT_PARTS
    _rested = _moved = (0, 0)
    """Slice and part in which that happened last."""
    _taken = (0, 0, 0)
    """Slice, part and how many children rested when it took last."""
    _touch = 0
    """Where its children were told to rest."""

    def amend(self, terms: Terms, now: int, progress: Progress) -> None:
        super().amend(terms, now, progress)
        # What stands may be beyond the new limit: it is moved now, and not in the next part.
        self._moved = (0, 0)

    def work_slice(
        self, now: int, market: MarketView, progress: Progress, stretch: Stretch, target: int
    ) -> list[Action]:
        """What to do now so that `target` is done by the end of the stretch. Sets `_next`."""
        part = stretch.part(now)
        self._next = stretch.after(part)
        room = self.room(market, progress, target)
        # Beyond the limit there is nothing to take, and what rests at it may still be met.
        if part < self.patient_parts or not self.reachable(market):
            return self._rest(market, progress, stretch, part, room)
        return self._take(market, progress, stretch, part, room)

    def _rest(self, market: MarketView, progress: Progress, stretch: Stretch, part: int, room: int) -> list[Action]:
        if room < 0:
            return pulls_of(progress, -room)
        actions: list[Action] = []
        touch, moment = self.near_touch(market), (stretch.number, part)
        if touch and touch != self._touch and moment != self._moved:
            self._moved, self._touch = moment, touch
            actions += [
                Move(c.child_id, touch, c.qty)
                for c in progress.children
                if c.resting and not c.pending and c.price != touch
            ]
        if touch and moment != self._rested and (room := self._lots(market, progress, room)):
            self._rested = moment
            actions.append(Rest(room, touch, slice=stretch.number))
        return actions

    def _take(self, market: MarketView, progress: Progress, stretch: Stretch, part: int, room: int) -> list[Action]:
        actions = pulls(progress)
        resting = sum(child.resting for child in progress.children)
        moment = (stretch.number, part, resting)
        if moment != self._taken and (room := self._lots(market, progress, room)):
            self._taken = moment
            actions.append(Take(room, self.terms.limit_price, slice=stretch.number))
        return actions

    def _lots(self, market: MarketView, progress: Progress, room: int) -> int:
        """`room` in whole lots, or all of it if it is the last of the parent; 0: nothing."""
        if room <= 0:
            return 0
        last = room == self.terms.qty - progress.cum_qty - progress.open_qty
        return room if last else room // market.lot * market.lot
