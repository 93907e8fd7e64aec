"""How parents stand, as events: after each input that changed one, and against its benchmarks."""

from __future__ import annotations

from services.router.events import Events
from services.router.parent import MASK_64, Parent
from tapewire import messages as m


class Telling:
    def __init__(self, events: Events) -> None:
        self._events = events

    def changed(self, parent: Parent) -> None:
        """Says how a parent stands, if that is not what was said last."""
        open_qty = parent.open_qty
        terms = parent.terms
        stands = (
            parent.state,
            len(parent.active),
            terms.qty,
            parent.cum,
            parent.notional,
            open_qty,
            parent.reason,
        )
        if stands == parent.told and not parent.command:
            return
        parent.told = stands
        price, qty, child_id = parent.execution
        self._events.add(
            m.ParentChanged,
            terms.instrument,
            parent.source,
            parent_id=parent.parent_id,
            cl_ord_id=parent.command,
            account=parent.account,
            state=parent.state,
            children=len(parent.active),
            qty=terms.qty,
            cum_qty=parent.cum,
            leaves_qty=0 if parent.ended else max(terms.qty - parent.cum, 0),
            open_qty=open_qty,
            notional_high=parent.notional >> 64,
            notional_low=parent.notional & MASK_64,
            last_price=price,
            last_qty=qty,
            child_id=child_id,
            reason=parent.reason,
        )

    def measured(self, parent: Parent) -> None:
        """Says how far it has come, and what that has cost against its benchmarks."""
        if parent.benchmarks is None or parent.algorithm is None:
            return
        self._events.add(
            m.ParentMeasured,
            parent.terms.instrument,
            parent.source,
            parent_id=parent.parent_id,
            **parent.benchmarks.measured(self._events.now, parent.algorithm.scheduled),
        )
