"""What is asked of venues: children made, changed and pulled, each by one request at a time."""

from __future__ import annotations

from services.router.child import Child, Request
from services.router.events import Events
from services.router.interfaces import Move, Rest
from services.router.parent import Parent
from services.router.parts import Parts, Planned, Routed
from services.router.routing import resting_price
from services.router.state import State
from tapewire import messages as m
from tapewire.errors import EngineStopped

CHILDREN_MAX = 256
"""Of one parent, at a time."""
ASK_AGAIN_NS = 1_000_000_000
"""After a venue refused a request: how long until the next for the same child."""
REQUESTS_REFUSED_MAX = 10
"""So many in a row, and the child is left alone until the venue's next `ready`."""
AT_ONCE = frozenset({m.TimeInForce.ioc, m.TimeInForce.fok})


class Placing:
    def __init__(self, state: State, events: Events, parts: Parts) -> None:
        self._state, self._events, self._parts = state, events, parts

    def take(self, parent: Parent, qty: int, limit: int, number: int) -> None:
        terms, markets = parent.terms, self._state.markets
        view, definitions = markets.view(terms.instrument), markets.markets(terms.instrument)
        routed = self._parts.take(view, definitions, self._state.learned, terms.side, qty, limit, parent.venues)
        self._place(parent, routed, qty, limit, number, False)

    def rest(self, parent: Parent, qty: int, price: int, action: Rest) -> None:
        terms, markets = parent.terms, self._state.markets
        view, definitions = markets.view(terms.instrument), markets.markets(terms.instrument)
        routed = self._parts.rest(
            view,
            definitions,
            self._state.learned,
            terms.side,
            qty,
            price,
            min(action.display_qty, qty),
            action.post_only,
            parent.venues,
        )
        self._place(parent, routed, qty, price, action.slice, True)

    def _place(self, parent: Parent, routed: Routed, qty: int, limit: int, number: int, passive: bool) -> None:
        planned = [] if len(parent.active) >= CHILDREN_MAX else list(routed.children)
        if not planned:
            nothing = (passive, qty, limit, tuple((s.venue, s.unusable) for s in routed.scores))
            if nothing == parent.unrouted:
                return
            parent.unrouted = nothing
        else:
            parent.unrouted = ()
        decided = self._events.add(
            m.RouteDecided,
            parent.terms.instrument,
            parent.source,
            parent_id=parent.parent_id,
            slice=number,
            side=parent.terms.side,
            passive=passive,
            qty=qty,
            limit_price=limit,
            unrouted=routed.unrouted if planned else qty,
            venues=list(routed.scores),
        )
        for one in planned:
            self._new(parent, one, decided.seq, limit, passive)

    def _new(self, parent: Parent, planned: Planned, route: int, limit: int, passive: bool) -> None:
        state, terms = self._state, parent.terms
        if planned.qty <= 0 or planned.qty > parent.room or not parent.within(planned.price, limit):
            raise EngineStopped(
                f"parent {parent.parent_id}: routing gave {planned.qty} at {planned.price} to venue {planned.venue}; "
                f"expected at most {parent.room} within {limit}"
            )
        child = Child(
            child_id=state.next_child,
            parent_id=parent.parent_id,
            venue=planned.venue,
            instrument=terms.instrument,
            side=terms.side,
            price=planned.price,
            qty=planned.qty,
            time_in_force=planned.tif,
            resting=passive,
        )
        state.next_child += 1
        state.children[child.child_id] = parent.children[child.child_id] = parent.active[child.child_id] = child
        made = self._events.add(
            m.NewChild,
            terms.instrument,
            child_id=child.child_id,
            parent_id=parent.parent_id,
            venue=planned.venue,
            side=terms.side,
            ord_type=planned.ord_type,
            time_in_force=planned.tif,
            post_only=planned.post_only,
            price=planned.price,
            qty=planned.qty,
            display_qty=planned.display_qty,
            account=parent.account,
            route=route,
            ticker=state.markets.definition(terms.instrument).ticker,
        )
        state.learned.fold(made)

    def fit(self, parent: Parent) -> None:
        """After an amendment, or more was executed than asked for: nothing beyond its quantity and its price limit."""
        limit = parent.terms.limit_price
        for child in parent.active.values():
            if child.live and not parent.within(child.asked_price or child.price, limit):
                if child.idle and child.time_in_force not in AT_ONCE:
                    self._replace(child, limit, child.qty)
                elif child.request is not Request.replace:
                    child.pull = True
        excess = -parent.room
        for child in reversed(list(parent.active.values())):
            if excess <= 0:
                return
            if not child.live or child.closing:
                continue
            if child.pull or child.request is Request.cancel:
                excess -= child.open_qty
            elif child.request is Request.replace:
                excess -= max(child.qty - child.asked_qty, 0)
            elif child.open_qty <= excess or not child.idle or child.time_in_force in AT_ONCE:
                child.pull = True
                excess -= child.open_qty
            else:
                self._replace(child, child.price, child.qty - excess)
                excess = 0

    def move(self, parent: Parent, action: Move, bound: int, share: int) -> None:
        """Changes a resting child as its algorithm wants, as far as the parent lets it."""
        child = parent.active.get(action.child_id)
        if child is None or not child.idle or child.pull or child.time_in_force in AT_ONCE:
            return
        most = child.qty + max(min(parent.room, share), 0)
        qty = min(action.qty, most)
        market = self._state.markets.markets(child.instrument)[child.venue]
        price = resting_price(market, child.side, parent.tighter(action.price, bound))
        if qty <= child.cum + child.gone:
            child.pull = True
        elif (price, qty) != (child.price, child.qty):
            self._replace(child, price, qty)

    def _replace(self, child: Child, price: int, qty: int) -> None:
        if not self._may_ask(child) or child.refused >= REQUESTS_REFUSED_MAX or self._events.now < child.not_before:
            return
        child.request, child.asked_price, child.asked_qty = Request.replace, price, qty
        self._ask(m.ReplaceChild, child, price=price, qty=qty)

    def pull_all(self, parent: Parent) -> None:
        for child in parent.active.values():
            if child.live:
                child.pull = True

    def ask_for_pulls(self, parent: Parent) -> None:
        for child in parent.active.values():
            if not child.pull or not self._may_ask(child):
                continue
            if child.pulls_refused < REQUESTS_REFUSED_MAX and self._events.now >= child.pull_not_before:
                child.request = Request.cancel
                self._ask(m.CancelChild, child)

    def _may_ask(self, child: Child) -> bool:
        return child.idle and self._state.is_ready(child.venue)

    def _ask(self, kind: type[m.ReplaceChild] | type[m.CancelChild], child: Child, **fields: int) -> None:
        made = self._events.add(
            kind,
            child.instrument,
            child_id=child.child_id,
            parent_id=child.parent_id,
            venue=child.venue,
            request=self._state.next_request,
            **fields,
        )
        self._state.next_request += 1
        self._state.learned.fold(made)
