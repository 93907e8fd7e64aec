"""What the router has learned of each venue from its own orders there: do they fill, are they refused, how fast is it.

All figures are smoothed exponentially in integers: x moves by 1/16 of the way to each new sample, at 16 binary places,
so that about the last thirty orders count.

    take fill   of an order that took (IOC, FOK): what it got of what it asked for, when it is done
    rest fill   the same of an order that rested
    rejects     1 of each order or change that was refused, 0 of each that was taken
    latency     from our record of it to the venue's first answer; the first sample counts whole
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tapewire import messages as m

ALL: Final = 10_000
"""A rate of one."""
_PLACES: Final = 16
_SHARE: Final = 4  # binary logarithm of 16

_TAKES: Final = (m.TimeInForce.ioc, m.TimeInForce.fok)
_REFUSALS: Final = (
    m.VenueReportKind.rejected,
    m.VenueReportKind.cancel_rejected,
    m.VenueReportKind.replace_rejected,
)
_ANSWERS_TO_CHANGES: Final = (
    m.VenueReportKind.pending,
    m.VenueReportKind.replaced,
    m.VenueReportKind.cancelled,
    m.VenueReportKind.expired,
    *_REFUSALS,
)


class Figures(NamedTuple):
    """As of now. A venue of which nothing is known is thought to be good."""

    take_fill: int = ALL
    rest_fill: int = ALL
    rejects: int = 0
    """These three in 1/10,000."""
    latency: int = 0
    """ns; 0: not known."""


class _Smoothed:
    """One figure, moved towards its samples."""

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        self._value = value << _PLACES

    def add(self, sample: int) -> None:
        self._value += ((sample << _PLACES) - self._value) >> _SHARE

    def read(self) -> int:
        return (self._value + (1 << (_PLACES - 1))) >> _PLACES


@dataclass(slots=True)
class _Venue:
    take_fill: _Smoothed = field(default_factory=lambda: _Smoothed(ALL))
    rest_fill: _Smoothed = field(default_factory=lambda: _Smoothed(ALL))
    rejects: _Smoothed = field(default_factory=lambda: _Smoothed(0))
    latency: _Smoothed | None = None

    def answered_after(self, ns: int) -> None:
        if self.latency is None:
            self.latency = _Smoothed(ns)
        else:
            self.latency.add(ns)


@dataclass(slots=True)
class _Child:
    venue: int
    instrument: int
    qty: int
    takes: bool
    asked: int | None
    """When we asked for what is not answered at all yet."""
    undecided: bool = True
    """Whether we still do not know if what we asked for was taken or refused."""
    placed: bool = False
    """Whether the order itself is decided, so that what we asked for is a change of it."""
    filled: int = 0


class Learned:
    """Per venue and instrument. Remembers of children only those that live."""

    def __init__(self) -> None:
        self._venues: dict[tuple[int, int], _Venue] = {}
        self._children: dict[int, _Child] = {}

    def of(self, venue: int, instrument: int) -> Figures:
        known = self._venues.get((venue, instrument))
        if known is None:
            return Figures()
        return Figures(
            known.take_fill.read(),
            known.rest_fill.read(),
            known.rejects.read(),
            0 if known.latency is None else known.latency.read(),
        )

    def fold(self, record: m.Message) -> None:
        """Takes one record of the router's tape, in its order; those of other types say nothing."""
        if isinstance(record, m.NewChild):
            takes = record.time_in_force in _TAKES
            self._children[record.child_id] = _Child(
                record.venue, record.instrument, record.qty, takes, asked=record.ts
            )
        elif isinstance(record, m.ReplaceChild | m.CancelChild):
            child = self._children.get(record.child_id)
            if child is not None:
                child.undecided = True
                if child.asked is None:
                    child.asked = record.ts
                if isinstance(record, m.ReplaceChild):
                    child.qty = record.qty
        elif isinstance(record, m.VenueReported):
            self._reported(record)

    def _reported(self, record: m.VenueReported) -> None:
        child = self._children.get(record.child_id)
        if child is None:
            return
        venue = self._venues.setdefault((child.venue, child.instrument), _Venue())
        if not child.placed or record.kind in _ANSWERS_TO_CHANGES:
            # What came out of a reconciliation says how long we were away, and nothing of the venue.
            if child.asked is not None and record.origin == m.ReportOrigin.live:
                venue.answered_after(max(record.ts - child.asked, 0))
            child.asked = None
            if child.undecided and record.kind != m.VenueReportKind.pending:
                venue.rejects.add(ALL if record.kind in _REFUSALS else 0)
                child.undecided, child.placed = False, True
        if record.kind in (m.VenueReportKind.executed, m.VenueReportKind.restated):
            child.filled += record.last_qty
        if not record.live:
            del self._children[record.child_id]
            # A refused order says that it was refused, and nothing of how much trades there.
            if record.kind not in (m.VenueReportKind.rejected, m.VenueReportKind.unknown) and child.qty > 0:
                rate = max(0, min(ALL, child.filled * ALL // child.qty))
                (venue.take_fill if child.takes else venue.rest_fill).add(rate)
