"""A child order at a venue: what we asked for, what the venue has said, and what must be kept reserved for it.

              accepted, executed             cancelled, expired, rejected, unknown, filled
    new ─────────────────────────▶ live ─────────────────────────────────────────────▶ over
     one request at a time: new, replace, cancel        over again live: only by a restatement

What is reserved is the most that may still trade: while a replace waits for its answer, the greater quantity of both;
of an order that is over, what the venue counts as executed and has not reported yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from tapewire import messages as m

K = m.VenueReportKind


class Request(Enum):
    """What the venue has not answered yet."""

    none = 0
    new = 1
    replace = 2
    cancel = 3


class Execution(NamedTuple):
    qty: int
    price: int


class Change(NamedTuple):
    """What a report changes of what was executed; quantities below 0 take back."""

    qty: int
    notional: int
    price: int


NOTHING = Change(0, 0, 0)


@dataclass(slots=True)
class Child:
    child_id: int
    parent_id: int
    venue: int
    instrument: int
    side: m.Side
    price: int
    qty: int
    time_in_force: m.TimeInForce
    resting: bool
    cum: int = 0
    notional: int = 0
    gone: int = 0
    """Of `qty`, what will trade no more although it was not executed: what a bust took back."""
    told: int = 0
    """What the venue counts as executed: it may be ahead of its reports."""
    live: bool = True
    closing: bool = False
    """The venue refused a request because the order is over, and its last report has not come."""
    request: Request = Request.new
    asked_price: int = 0
    asked_qty: int = 0
    pull: bool = False
    """To be cancelled as soon as that can be asked for."""
    refused: int = 0
    """Requests refused in a row, and when the next may be made; of cancels apart, as a refused replace delays none."""
    not_before: int = 0
    pulls_refused: int = 0
    pull_not_before: int = 0
    executions: dict[str, Execution] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    """ExecIDs of corrections, and what they correct."""

    @property
    def open_qty(self) -> int:
        """What may still trade, and so must stay reserved."""
        if not self.live:
            return max(self.told - self.cum, 0)
        qty = max(self.qty, self.asked_qty) if self.request is Request.replace else self.qty
        return max(qty - self.gone, self.told, self.cum) - self.cum

    @property
    def over(self) -> bool:
        """Nothing of it can trade any more, unless the venue restates it or reports what it kept back."""
        return not self.live and self.told <= self.cum

    @property
    def idle(self) -> bool:
        """Whether it can be asked for something now, as far as the child goes."""
        return self.live and not self.closing and self.request is Request.none

    def report(self, r: m.VenueReported) -> Change:
        """Takes in what the venue said."""
        kind = r.kind
        change = NOTHING
        if kind == K.executed:
            change = self._executed(r)
        elif kind == K.busted or kind == K.corrected:
            change = self._amended(r)
        elif kind == K.restated:
            change = self._restated(r)
        elif kind == K.replaced:
            self._replaced(r)
        elif kind == K.cancel_rejected or kind == K.replace_rejected:
            self._refused(r)
        elif kind == K.accepted or kind == K.pending:
            self._accepted(r)
        else:  # rejected, cancelled, expired, unknown
            self._end(r.cum_qty if kind in (K.cancelled, K.expired) else 0)
        self.cum += change.qty
        self.notional += change.notional
        if self.live and r.live is False and kind in (K.executed, K.replaced, K.accepted):
            self._end(r.cum_qty)
        return change

    def close(self) -> None:
        """What was not said of it until the venue is ready again will not be said."""
        self._end(0)
        self.told = self.cum

    def _end(self, told: int) -> None:
        self.live = self.closing = self.pull = False
        self.request, self.asked_qty, self.asked_price = Request.none, 0, 0
        self.told = max(self.told, told)

    def _accepted(self, r: m.VenueReported) -> None:
        if r.kind == K.pending:
            return
        if self.request is Request.new:
            self.request = Request.none
            self.price, self.qty = r.price or self.price, r.qty or self.qty
        self.refused = 0

    def _executed(self, r: m.VenueReported) -> Change:
        name = r.exec_id or f"record {r.seq}"  # a venue that names none cannot repeat one, nor take one back by name
        if name in self.executions or name in self.taken_back:
            return NOTHING
        if self.request is Request.new:
            self.request = Request.none
        self.executions[name] = Execution(r.last_qty, r.last_price)
        self.told = max(self.told, r.cum_qty)
        return Change(r.last_qty, r.last_qty * r.last_price, r.last_price)

    def _amended(self, r: m.VenueReported) -> Change:
        name = self.renamed.get(r.ref_exec_id, r.ref_exec_id)
        busted = r.kind == K.busted
        before = self.executions.get(name)
        if before is None:
            if not busted or name:
                return NOTHING  # never reported, or taken back before: nothing of it was counted
            before = Execution(r.last_qty, r.last_price)
        after = Execution(0, 0) if busted else Execution(r.last_qty, r.last_price)
        if busted:
            self.executions.pop(name, None)
            self.taken_back.add(name)
        else:
            self.executions[name] = after
            self.renamed[r.exec_id] = name
        change = Change(
            after.qty - before.qty,
            after.qty * after.price - before.qty * before.price,
            r.last_price,
        )
        self.told = max(self.told + change.qty, 0)
        self._standing(r, change.qty)
        return change

    def _restated(self, r: m.VenueReported) -> Change:
        qty = r.last_qty
        price = r.last_price or self.price
        self.told = r.cum_qty
        if r.live:
            self.live, self.closing = True, False
            self.price, self.qty = r.price or self.price, r.qty or self.qty
            if self.request is Request.new:
                self.request = Request.none
            self._standing(r, qty)
        else:
            self._end(0)
        return Change(qty, qty * price, price) if qty else NOTHING

    def _standing(self, r: m.VenueReported, change: int) -> None:
        """A venue need not bring back to life what a bust took away."""
        if self.live:
            self.gone = max(self.qty - (self.cum + change) - r.leaves_qty, 0)

    def _replaced(self, r: m.VenueReported) -> None:
        asked = self.request is Request.replace
        self.price = r.price or (self.asked_price if asked else self.price)
        self.qty = r.qty or (self.asked_qty if asked else self.qty)
        if asked:
            self.request, self.asked_qty, self.asked_price = Request.none, 0, 0
        self.refused = 0

    def _refused(self, r: m.VenueReported) -> None:
        waited = Request.cancel if r.kind == K.cancel_rejected else Request.replace
        if self.request is not waited:
            return
        self.request, self.asked_qty, self.asked_price = Request.none, 0, 0
        self.refused += 1
        self.pulls_refused += waited is Request.cancel
        self.closing = not r.live
