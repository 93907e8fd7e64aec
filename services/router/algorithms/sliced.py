"""A parent that is worked by a schedule drawn beforehand: TWAP, VWAP and shortfall differ in its shape only.

At the begin of a slice the schedule asks for its quantity. What earlier slices did not get is still asked for: the
target is what was asked for in all, so each slice catches up with those before it.
"""

from __future__ import annotations

from collections import deque

from services.router.algorithms.patience import Patient, Stretch
from services.router.algorithms.schedule import Planned, Shape, interval, plan
from services.router.interfaces import Action, MarketView, Progress, Slice, Terms


class Sliced(Patient):
    """Slices by `shape`.

    Amending: the slice that runs keeps its quantity and its end; the rest of the new quantity is spread over the time
    from there to the new end, by the same shape, with new draws. If less is wanted than was asked for, nothing more is
    asked for, what stands too much is pulled, and the slice that runs has until the end. A new limit or bound alone
    changes no schedule.
    """

    def __init__(self, terms: Terms, now: int, lot: int, shape: Shape) -> None:
        super().__init__(terms, now)
        self._shape, self._lot = shape, lot
        self._number = 0
        """Of the slice that runs; 0: none has begun."""
        self._running = Planned(self.start, 0)
        self._to_come: deque[Planned] = deque()
        self._announced = False
        self._schedule(0, self.start)

    @property
    def scheduled(self) -> int:
        return min(self._running.total, self.terms.qty)

    def due(self) -> int:
        if not self.finished and not self._asked:
            return self._to_come[0].begin if self._announced else self.start
        return super().due()

    def amend(self, terms: Terms, now: int, progress: Progress) -> None:
        same = (terms.qty, terms.end_time) == (self.terms.qty, self.terms.end_time)
        if same:
            super().amend(terms, now, progress)
            return
        # In the old terms: where the slice that runs ends, and what was asked for.
        begin = self._end_of_running() if self._number else self.start
        super().amend(terms, now, progress)
        self._schedule(self.scheduled, max(self.start, now) if begin >= terms.end_time else max(begin, now))
        self._announced = False

    def announce(self) -> list[Action]:
        if self._announced:
            return []
        self._announced = True
        return [] if not self._to_come else [self._slice()]

    def work(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        actions = self.announce()
        while self._to_come and self._to_come[0].begin <= now:
            self._running, self._number = self._to_come.popleft(), self._number + 1
            actions += [self._slice()] if self._to_come else []
        if not self._number:
            self._next = self._to_come[0].begin
            return actions
        stretch = Stretch(self._number, self._running.begin, self._end_of_running())
        actions += self.work_slice(now, market, progress, stretch, self.scheduled)
        if progress.cum_qty >= self.scheduled and not progress.open_qty and self._to_come:
            self._next = self._to_come[0].begin
        return actions

    def _schedule(self, asked: int, begin: int) -> None:
        """Plans what is not asked for yet."""
        left, end = self.terms.qty - asked, self.terms.end_time
        slices: list[Planned] = []
        if left > 0 and begin < end:
            step = interval(self.terms.interval, end - self.start)
            slices = plan(self._shape, left, begin, end, step, self._lot, self.terms.randomness, self.draw)
        self._to_come = deque(Planned(one.begin, asked + one.total) for one in slices)

    def _end_of_running(self) -> int:
        return self._to_come[0].begin if self._to_come else self.terms.end_time

    def _slice(self) -> Slice:
        """The next one, as it is told of."""
        begin, total = self._to_come[0]
        return Slice(self._number + 1, self._number + len(self._to_come), begin, total - self.scheduled, total)
