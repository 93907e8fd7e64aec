"""Works one parent after an input: begins and ends it by time, asks its algorithm, keeps it within its bounds.

Whatever an algorithm asks for, no child is made or enlarged beyond what the parent has left when everything that may
still trade is counted as done, beyond its price limit, beyond the collar, or beyond its share of the market's volume.
"""

from __future__ import annotations

from services.router.child import Child
from services.router.events import Events
from services.router.interfaces import Move, Pull, Rest, Slice, Take
from services.router.parent import NEVER, Parent, S
from services.router.parts import Parts
from services.router.placing import Placing
from services.router.state import State
from services.router.telling import Telling
from tapewire import messages as m

RETRY_NS = 100_000_000
"""When nothing could be done: how long until a change of the market leads to another try. Until time alone does it is
the same at first, and doubles with each try in vain, up to RETRY_DOUBLINGS times."""
RETRY_DOUBLINGS = 6
SAME_INSTANT_NS = 1_000_000_000
"""How long an algorithm waits that has been asked and wants to be asked again at once."""
PAUSE_NS = 50_000_000
"""After a second refusal in a row; doubled with each, up to PAUSE_DOUBLINGS times."""
PAUSE_DOUBLINGS = 7
REFUSALS_MAX = 20
SHARE_ALL = 10_000
BPS_ALL = 10_000


class Desk:
    def __init__(self, state: State, events: Events, parts: Parts) -> None:
        self._state, self._events, self._parts = state, events, parts
        self._placing = Placing(state, events, parts)
        self._telling = Telling(events)

    def work(self, parent: Parent, ask: bool) -> None:
        """Brings a parent to where it has to be now. `ask`: its algorithm is asked what it wants."""
        now, measured = self._events.now, False
        if not parent.ended:
            ask = self._by_time(parent, now) or ask
            self._placing.fit(parent)
            if ask and parent.state in (S.working, S.suspended):
                measured = self._ask(parent, now)
        else:
            self._placing.pull_all(parent)
        self._placing.ask_for_pulls(parent)
        ended = self._settle(parent, now)
        self._telling.changed(parent)
        if measured or ended or parent.execution[1]:
            self._telling.measured(parent)
        parent.command, parent.execution = 0, (0, 0, 0)
        parent.due = self._due(parent, now)

    def cancel(self, parent: Parent, ending: m.ParentState, reason: str) -> None:
        """Pulls its children, and ends it once they are gone."""
        if parent.ending and parent.ending != S.expired:
            return
        parent.state, parent.ending, parent.reason = S.cancelling, ending, reason
        self._placing.pull_all(parent)

    def amend(self, parent: Parent) -> None:
        """After its terms were changed."""
        if parent.algorithm is not None:
            parent.algorithm.amend(parent.terms, self._events.now, parent.progress())

    def refused(self, parent: Parent, child: Child, reason: str) -> None:
        """A venue refused a child. The next is tried at once, then ever later, and not for ever."""
        parent.refusals += 1
        if parent.refusals > REFUSALS_MAX:
            self.cancel(parent, S.cancelled, f"{parent.refusals} children refused in a row: {reason}")
        elif parent.refusals > 1:
            pause = PAUSE_NS << min(parent.refusals - 2, PAUSE_DOUBLINGS)
            if child.resting:
                parent.rest_not_before = self._events.now + pause
            else:
                parent.not_before = self._events.now + pause

    def reopen(self, parent: Parent) -> None:
        """What had been filled no longer is: it is worked on, if its time is not over and it is no IOC."""
        terms, now = parent.terms, self._events.now
        parent.state = S.working
        if terms.end_time and terms.end_time <= now:
            parent.state, parent.reason = S.expired, "an execution was taken back after its end"
        elif terms.time_in_force == m.TimeInForce.ioc or self._state.is_killed(parent.account):
            parent.state, parent.reason = S.cancelled, "an execution was taken back"
        else:
            parent.reason = "an execution was taken back"
            self._state.live.setdefault(terms.instrument, {})[parent.parent_id] = parent

    def _by_time(self, parent: Parent, now: int) -> bool:
        """Whether it has begun now."""
        terms = parent.terms
        began = False
        if parent.state == S.waiting and terms.start_time <= now:
            view = self._state.markets.view(terms.instrument)
            profile = self._state.profiles.get(view.definition.ticker)
            parent.algorithm = self._parts.make(terms, now, view, profile)
            exponent = view.definition.price_exponent + view.definition.qty_exponent
            parent.benchmarks = self._parts.benchmarks(terms.side, now, view, exponent)
            parent.volume, parent.state, began = view.volume, S.working, True
        if terms.end_time and terms.end_time <= now and parent.state != S.cancelling:
            self.cancel(parent, S.expired, "its end time is over")
        return began

    def _ask(self, parent: Parent, now: int) -> bool:
        """Does what its algorithm wants; whether that is worth measuring."""
        if self._state.is_killed(parent.account):
            return False
        parent.missed = now < parent.not_before
        if parent.missed:
            return False
        algorithm = parent.algorithm
        assert algorithm is not None
        view = self._state.markets.view(parent.terms.instrument)
        sliced = False
        for action in algorithm.step(now, view, parent.progress()):
            if isinstance(action, Slice):
                sliced = True
                self._slice(parent, action)
            elif isinstance(action, Take):
                self._take(parent, action)
            elif isinstance(action, Rest):
                if now < parent.rest_not_before:
                    parent.missed = True
                else:
                    self._rest(parent, action)
            elif isinstance(action, Move):
                self._placing.move(parent, action, self._bound(parent, 0), self._share_left(parent))
            elif isinstance(action, Pull):
                self._pull(parent, action)
        if 0 < algorithm.due() <= now:
            parent.not_before = max(parent.not_before, now + SAME_INSTANT_NS)
        return sliced

    def _slice(self, parent: Parent, s: Slice) -> None:
        self._events.add(
            m.SliceScheduled,
            parent.terms.instrument,
            parent.source,
            parent_id=parent.parent_id,
            number=s.number,
            slices=s.slices,
            due=s.due,
            qty=s.qty,
            total_qty=s.total_qty,
        )

    def _take(self, parent: Parent, action: Take) -> None:
        qty = min(action.qty, parent.room, self._share_left(parent))
        if qty > 0:
            self._placing.take(parent, qty, self._bound(parent, action.limit), action.slice)
            self._after_routing(parent)

    def _rest(self, parent: Parent, action: Rest) -> None:
        qty = min(action.qty, parent.room, self._share_left(parent))
        if qty > 0:
            price = parent.tighter(action.price, self._bound(parent, 0))
            self._placing.rest(parent, qty, price, action)
            self._after_routing(parent)

    def _pull(self, parent: Parent, action: Pull) -> None:
        child = parent.active.get(action.child_id)
        if child is not None and child.live:
            child.pull = True

    def _after_routing(self, parent: Parent) -> None:
        now = self._events.now
        if parent.active or not parent.unrouted:
            parent.state, parent.futile = S.working, 0
            return
        parent.state = S.suspended
        parent.not_before = now + RETRY_NS
        parent.retry_at = now + (RETRY_NS << min(parent.futile, RETRY_DOUBLINGS))
        parent.futile += 1

    def _bound(self, parent: Parent, limit: int) -> int:
        """The strictest of its limit, the action's, and the collar around the best price of all venues."""
        terms = parent.terms
        limit = parent.tighter(terms.limit_price, limit)
        view = self._state.markets.view(terms.instrument)
        collar = view.definition.collar_bps
        if not collar:
            return limit
        ours, other = (view.best_bid, view.best_ask) if parent.buys else (view.best_ask, view.best_bid)
        reference = other or ours or view.last or view.definition.reference_price
        if not reference:
            return limit
        width = reference * collar // BPS_ALL
        edge = reference + width if parent.buys else max(reference - width, 1)
        tick = view.tick
        return parent.tighter(limit, edge - edge % tick if parent.buys else edge + -edge % tick)

    def _share_left(self, parent: Parent) -> int:
        """What its greatest share of the market's volume still lets it have."""
        share = parent.terms.max_participation
        if not share:
            return NEVER
        traded = self._state.markets.view(parent.terms.instrument).volume - parent.volume
        return max(share * traded // SHARE_ALL - parent.cum - parent.open_qty, 0)

    def _settle(self, parent: Parent, now: int) -> bool:
        """Lets children go that are over, and ends the parent if nothing is left to do: whether it did."""
        for child_id in [child_id for child_id, child in parent.active.items() if child.over]:
            del parent.active[child_id]
        if parent.ended or parent.active:
            return False
        algorithm = parent.algorithm
        if parent.cum >= parent.terms.qty:
            self._end(parent, S.filled, parent.reason if parent.cum > parent.terms.qty else "", now)
        elif parent.state == S.cancelling:
            self._end(parent, parent.ending, parent.reason, now)
        elif algorithm is not None and algorithm.finished:
            self._end(parent, S.cancelled, "its algorithm wants nothing more", now)
        return parent.ended

    def _end(self, parent: Parent, state: m.ParentState, reason: str, now: int) -> None:
        parent.state, parent.reason, parent.ending = state, reason, S.unspecified
        del self._state.live[parent.terms.instrument][parent.parent_id]
        self._state.ended.append((now, parent.parent_id))

    def _due(self, parent: Parent, now: int) -> int:
        if parent.ended:
            return NEVER
        terms = parent.terms
        if parent.state == S.waiting:
            return terms.start_time
        dues = [child.pull_not_before for child in parent.active.values() if _waits(child, now)]
        if parent.state != S.cancelling:
            if terms.end_time:
                dues.append(terms.end_time)
            if not self._state.is_killed(parent.account):
                assert parent.algorithm is not None
                if wanted := parent.algorithm.due():
                    dues.append(max(wanted, parent.not_before, parent.retry_at if parent.state == S.suspended else 0))
                if parent.missed or parent.refusals:
                    dues += [pause for pause in (parent.not_before, parent.rest_not_before) if pause > now]
        return min(dues, default=NEVER)


def _waits(child: Child, now: int) -> bool:
    return child.pull and child.pull_not_before > now
