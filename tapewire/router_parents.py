"""What became of each parent order, folded from a router's tape: what people are shown, and programs may ask.

Every figure is one that stands on the tape; nothing is worked out anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tapewire import messages as m
from tapewire.tape import TapeReader

DECIDES = (m.SliceScheduled, m.RouteDecided)


@dataclass(slots=True)
class ChildStory:
    new: m.NewChild
    requests: list[m.ReplaceChild | m.CancelChild] = field(default_factory=list)
    reports: list[m.VenueReported] = field(default_factory=list)

    @property
    def stands(self) -> str:
        """What the venue said last, in one word."""
        return self.reports[-1].kind.name if self.reports else "sent"

    @property
    def live(self) -> bool:
        return not self.reports or any(r.live for r in self.reports[-1:])


@dataclass(slots=True)
class ParentStory:
    new: m.NewParent
    changes: list[m.ParentChanged] = field(default_factory=list)
    amendments: list[m.ReplaceParent] = field(default_factory=list)
    slices: list[m.SliceScheduled] = field(default_factory=list)
    routes: list[m.RouteDecided] = field(default_factory=list)
    children: dict[int, ChildStory] = field(default_factory=dict)
    measured: m.ParentMeasured | None = None

    @property
    def now(self) -> m.ParentChanged:
        """How it stands."""
        return self.changes[-1]

    @property
    def notional(self) -> int:
        return (self.now.notional_high << 64) + self.now.notional_low

    @property
    def ended(self) -> bool:
        return self.now.state in (m.ParentState.filled, m.ParentState.cancelled, m.ParentState.expired)


class ParentStories:
    """Folds a router's tape. `only`: the one parent whose slices, routes and children are kept; 0: all."""

    def __init__(self, only: int = 0) -> None:
        self._only = only
        self.parents: dict[int, ParentStory] = {}
        self.instruments: dict[int, m.InstrumentDefinition] = {}
        self.venues: dict[int, str] = {}
        self._children: dict[int, ChildStory] = {}

    def fold(self, r: m.Message) -> None:
        if isinstance(r, m.InstrumentDefinition):
            self.instruments[r.instrument] = r
        elif isinstance(r, m.MarketDefinition):
            self.venues[r.venue] = r.name
        elif isinstance(r, m.NewParent):
            if not r.decision:
                self.parents[r.parent_id] = ParentStory(r)
        elif isinstance(r, m.ParentChanged):
            story = self.parents[r.parent_id]
            story.changes = [*story.changes, r] if self._kept(r.parent_id) else [r]
        elif isinstance(r, m.ParentMeasured):
            self.parents[r.parent_id].measured = r
        elif isinstance(r, m.VenueReported):
            if r.child_id in self._children:
                self._children[r.child_id].reports.append(r)
        elif isinstance(
            r,
            m.SliceScheduled | m.RouteDecided | m.NewChild | m.ReplaceChild | m.CancelChild | m.ReplaceParent,
        ) and self._kept(r.parent_id):
            self._detail(self.parents[r.parent_id], r)

    def _kept(self, parent_id: int) -> bool:
        return self._only in (0, parent_id) and parent_id in self.parents

    def _detail(
        self,
        story: ParentStory,
        r: m.SliceScheduled | m.RouteDecided | m.NewChild | m.ReplaceChild | m.CancelChild | m.ReplaceParent,
    ) -> None:
        if isinstance(r, m.SliceScheduled):
            story.slices.append(r)
        elif isinstance(r, m.RouteDecided):
            story.routes.append(r)
        elif isinstance(r, m.NewChild):
            self._children[r.child_id] = story.children[r.child_id] = ChildStory(r)
        elif isinstance(r, m.ReplaceParent):
            if not r.decision:
                story.amendments.append(r)
        else:
            story.children[r.child_id].requests.append(r)

    def fold_all(self, records: Iterable[bytes]) -> None:
        for raw in records:
            self.fold(m.decode(raw))


def read(tape: Path, only: int = 0) -> ParentStories:
    """All that a tape tells up to now. Raises TapeError."""
    stories = ParentStories(only)
    with TapeReader(str(tape)) as reader:
        stories.fold_all(reader)
    return stories
