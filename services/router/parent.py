"""A parent order as it stands.

waiting ──start──▶ working ◀──▶ suspended           (nothing can be traded now)
   │                  │
   └──────────────────┴──▶ cancelling ──▶ cancelled, expired      (its children are being pulled)
                      └──▶ filled
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from services.router.child import Child, Request
from services.router.interfaces import Algorithm, ChildView, Progress, Terms
from services.router.parts import Measures
from tapewire import messages as m

S = m.ParentState
ENDED = frozenset({S.filled, S.cancelled, S.expired})
NEVER = (1 << 63) - 1
MASK_64 = (1 << 64) - 1


def terms_of(command: m.NewParent) -> Terms:
    """What a sequenced command asks for."""
    return Terms(
        parent_id=command.parent_id,
        instrument=command.instrument,
        side=command.side,
        algorithm=command.algorithm,
        qty=command.qty,
        limit_price=command.limit_price,
        start_time=command.start_time,
        end_time=command.end_time,
        participation=command.participation,
        max_participation=command.max_participation,
        display_qty=command.display_qty,
        interval=command.interval,
        randomness=command.randomness,
        urgency=command.urgency,
        seed=command.seed,
        time_in_force=command.time_in_force,
    )


def amended(terms: Terms, command: m.ReplaceParent) -> Terms:
    """The terms after an amendment: what is 0 in it stays."""
    return replace(
        terms,
        qty=command.qty or terms.qty,
        limit_price=command.limit_price or terms.limit_price,
        end_time=command.end_time or terms.end_time,
        participation=command.participation or terms.participation,
        max_participation=command.max_participation or terms.max_participation,
    )


@dataclass(slots=True)
class Parent:
    terms: Terms
    account: int
    source: int
    cl_ord_id: int
    venues: int
    """Bit n: venue n may be used; 0: all."""
    state: m.ParentState = S.waiting
    ending: m.ParentState = S.unspecified
    """While it is cancelling: how it will end, and why."""
    reason: str = ""
    cum: int = 0
    notional: int = 0
    algorithm: Algorithm | None = None
    benchmarks: Measures | None = None
    volume: int = 0
    """The market's volume when it began."""
    children: dict[int, Child] = field(default_factory=dict)
    """All it ever had: an execution may be taken back at any time."""
    active: dict[int, Child] = field(default_factory=dict)
    """Those of which something may still trade."""
    due: int = NEVER
    not_before: int = 0
    """After nothing could be done, or a refusal: when the algorithm is asked again."""
    rest_not_before: int = 0
    """After the refusal of an order that was to rest: when the next may. Taking does not wait for it."""
    retry_at: int = 0
    """After nothing could be done: when time alone leads to another try, ever later."""
    futile: int = 0
    """Tries in a row that came to nothing."""
    missed: bool = False
    """Something happened meanwhile that it was to be asked about."""
    refusals: int = 0
    """Children that venues refused in a row."""
    slice: int = 0
    unrouted: tuple[object, ...] = ()
    """The last decision by which nobody got anything: the same is not told twice."""
    told: tuple[object, ...] = ()
    """What the last ParentChanged said."""
    command: int = 0
    """ClOrdID of the command that is being carried out; 0: none."""
    execution: tuple[int, int, int] = (0, 0, 0)
    """Price, quantity and child of what was executed or taken back by this input."""

    @property
    def parent_id(self) -> int:
        return self.terms.parent_id

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def buys(self) -> bool:
        return self.terms.side == m.Side.buy

    @property
    def open_qty(self) -> int:
        return sum(child.open_qty for child in self.active.values())

    @property
    def room(self) -> int:
        """What may be given to venues beyond what they have."""
        return self.terms.qty - self.cum - self.open_qty

    def tighter(self, one: int, other: int) -> int:
        """The stricter of two price limits, 0 being none."""
        if not one or not other:
            return one or other
        return min(one, other) if self.buys else max(one, other)

    def within(self, price: int, limit: int) -> bool:
        return not limit or (price <= limit if self.buys else price >= limit)

    def progress(self) -> Progress:
        views = [
            ChildView(
                child.child_id,
                child.venue,
                child.price,
                child.qty,
                child.open_qty,
                child.resting,
                child.request is not Request.none or child.pull or child.closing,
            )
            for child in self.active.values()
            if child.live
        ]
        return Progress(self.cum, self.open_qty, views)
