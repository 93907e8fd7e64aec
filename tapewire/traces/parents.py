"""Parent orders as traces: a fold of a router's tape. Pure.

    parent                      NewParent until it is filled, cancelled, expired or refused
      route                     each RouteDecided: which venues were looked at, and what each was given
      child                     NewChild until it no longer stands at its venue
        order                   at the house market: the child's own order, from its orders tape
        venue                   at an outside venue: sent until its first report

Every parent is traced, unless its client's context says otherwise: they are few, and their children belong to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tapewire import messages as m
from tapewire.fixed import to_text
from tapewire.traces import ids, roots
from tapewire.traces.spans import Attributes, Event, Span
from tapewire.traces.work import Edge

MAX_CHILDREN = 65_536
"""Requests to venues that are remembered, over all parents."""
MAX_PARENTS = 16_384
MAX_EVENTS = 256
"""Of one span; what comes on top is counted."""
_DONE = (m.ParentState.filled, m.ParentState.cancelled, m.ParentState.expired)


@dataclass(slots=True, eq=False)
class _Parent:
    span: Span
    kept: bool
    terms: tuple[str, int, int]
    left_out: int = 0
    children: set[int] = field(default_factory=set)
    done: bool = False


@dataclass(slots=True, eq=False)
class _Child:
    span: Span
    parent: _Parent
    seq: int
    sent: int = 0
    answered: bool = False


class Parents:
    """Of one router's tape."""

    def __init__(self, env: str, tape: str, by_time: Callable[[int], Edge | None]) -> None:
        """`by_time`: the request of the API that a command came from."""
        self.env, self.tape, self.epoch, self.seq, self.ts = env, tape, 0, 0, 0
        self.dropped = 0
        """Parents and children let go before they were done, as there were too many."""
        self._by_time = by_time
        self._parents: dict[int, _Parent] = {}
        self._children: dict[int, _Child] = {}
        self._requests: dict[int, Edge] = {}
        self._by_request: dict[int, _Child] = {}
        self._terms: dict[int, tuple[str, int, int]] = {}
        self._venues: dict[int, str] = {}

    def child(self, number: int) -> Edge | None:
        """The request to the house market with this seq on the router's tape."""
        return self._requests.get(number)

    def sent(self, seq: int, ts: int) -> None:
        """A venue's session has carried out the request with this seq."""
        child = self._by_request.get(seq)
        if child is not None and not child.sent:
            child.sent = ts

    @property
    def open_seq(self) -> int:
        """The record that begins the oldest parent which is not done; behind the last record if there is none."""
        return min((int(one.span.attributes["tapewire.seq"]) for one in self._parents.values()), default=self.seq + 1)

    def fold(self, record: m.Message) -> list[Span]:
        """Takes the next record; the spans that are done with it."""
        self.seq, self.ts = record.seq, record.ts
        if isinstance(record, m.EpochStarted):
            self.epoch = record.epoch
        elif isinstance(record, m.InstrumentDefinition):
            self._terms[record.instrument] = (record.ticker, record.price_exponent, record.qty_exponent)
        elif isinstance(record, m.VenueChanged):
            self._venues[record.venue] = record.name
        elif isinstance(record, m.NewParent):
            self._on_parent(record)
        elif isinstance(record, m.RouteDecided):
            return self._on_route(record)
        elif isinstance(record, m.NewChild):
            self._on_child(record)
        elif isinstance(record, m.ReplaceChild | m.CancelChild):
            self._on_request(record)
        elif isinstance(record, m.VenueReported):
            return self._on_report(record)
        elif isinstance(record, m.ParentChanged | m.ParentRefused | m.ParentMeasured | m.SliceScheduled):
            return self._on_event(record)
        return []

    def rest(self) -> list[Span]:
        """What is not done, as far as it has come."""
        spans = [child.span for child in self._children.values() if child.parent.kept]
        spans += [parent.span for parent in self._parents.values() if parent.kept]
        for span in spans:
            span.end = max(span.end, self.ts)
            span.attributes["tapewire.unfinished"] = True
        return spans

    def _on_parent(self, record: m.NewParent) -> None:
        edge = self._by_time(record.ts_event)
        if (brought := roots.carried(record)) is not None:
            trace, kept = brought.trace_id, brought.sampled
        else:  # older versions brought none along: its edge alone may know
            trace = edge.trace_id if edge is not None else 0
            trace = trace or roots.of_parent(self.env, self.tape, self.epoch, record).trace_id
            kept = edge.sampled if edge is not None and edge.sampled is not None else True
        terms = self._terms.get(record.instrument, (str(record.instrument), 0, 0))
        at: Attributes = {"tapewire.tape": self.tape, "tapewire.seq": record.seq, "tapewire.ticker": terms[0]}
        at |= {"tapewire.parent_id": record.parent_id, "tapewire.account": record.account}
        at |= {"tapewire.side": record.side.name, "tapewire.algorithm": record.algorithm.name}
        at["tapewire.qty"] = to_text(record.qty, terms[2])
        if record.limit_price:
            at["tapewire.price"] = to_text(record.limit_price, terms[1])
        if record.client_text:
            at["tapewire.cl_ord_id"] = record.client_text
        start = edge.received if edge is not None else record.ts_recv if 0 < record.ts_recv <= record.ts else record.ts
        own = edge.span_id if edge is not None and edge.span_id else ids.span_id(trace, "parent", record.seq)
        parent_id = edge.parent_id if edge is not None else 0
        span = Span(trace, own, parent_id, "parent", "router", min(start, record.ts), record.ts, "server", at)
        self._parents[record.parent_id] = _Parent(span, kept, terms)
        if len(self._parents) > MAX_PARENTS:
            del self._parents[next(iter(self._parents))]
            self.dropped += 1

    def _on_route(self, record: m.RouteDecided) -> list[Span]:
        parent = self._parents.get(record.parent_id)
        if parent is None or not parent.kept:
            return []
        _, price_exponent, qty_exponent = parent.terms
        own = ids.span_id(parent.span.trace_id, "route", record.seq)
        span = Span(parent.span.trace_id, own, parent.span.span_id, "route", "router", record.ts, record.ts)
        at = span.attributes
        at["tapewire.seq"], at["tapewire.qty"] = record.seq, to_text(record.qty, qty_exponent)
        at["tapewire.passive"], at["tapewire.unrouted"] = record.passive, to_text(record.unrouted, qty_exponent)
        for score in record.venues:
            name = self._venues.get(score.venue, str(score.venue))
            given = f"gets {to_text(score.qty, qty_exponent)}" if score.qty else "gets nothing"
            why = f" ({score.unusable.name})" if score.unusable else ""
            shows = f"shows {to_text(score.size, qty_exponent)} at {to_text(score.price, price_exponent)}"
            at[f"tapewire.venue.{name}"] = f"{given}{why}, {shows}, score {score.score}"
        return [span]

    def _on_child(self, record: m.NewChild) -> None:
        parent = self._parents.get(record.parent_id)
        if parent is None:
            return
        _, price_exponent, qty_exponent = parent.terms
        own = ids.span_id(parent.span.trace_id, "child", record.seq)
        span = Span(parent.span.trace_id, own, parent.span.span_id, "child", "router", record.ts, record.ts, "client")
        span.attributes = {
            "tapewire.seq": record.seq,
            "tapewire.child_id": record.child_id,
            "tapewire.venue": self._venues.get(record.venue, str(record.venue)),
            "tapewire.ticker": record.ticker,
            "tapewire.side": record.side.name,
            "tapewire.price": to_text(record.price, price_exponent),
            "tapewire.qty": to_text(record.qty, qty_exponent),
        }
        child = _Child(span, parent, record.seq)
        self._children[record.child_id] = child
        parent.children.add(record.child_id)
        self._remember(record, child, "NewChild")
        if len(self._children) > MAX_CHILDREN:
            del self._children[next(iter(self._children))]
            self.dropped += 1

    def _on_request(self, record: m.ReplaceChild | m.CancelChild) -> None:
        child = self._children.get(record.child_id)
        if child is not None:
            name = "replace asked" if isinstance(record, m.ReplaceChild) else "cancel asked"
            self._say(child.parent, child.span, Event(name, record.ts, {"tapewire.seq": record.seq}))
            self._remember(record, child, type(record).__name__)

    def _remember(self, record: m.Message, child: _Child, operation: str) -> None:
        edge = Edge(self.tape, record.seq, "router", operation, record.ts, door="router")
        edge.trace_id, edge.parent_id = child.span.trace_id, child.span.span_id
        edge.sampled = child.parent.kept
        self._requests[record.seq], self._by_request[record.seq] = edge, child
        for held in (self._requests, self._by_request):
            if len(held) > MAX_CHILDREN:
                del held[next(iter(held))]

    def _on_report(self, record: m.VenueReported) -> list[Span]:
        edge = self._requests.get(record.received)
        if edge is not None and not edge.acked:
            edge.acked, edge.ack = record.ts, record.kind.name
        child = self._children.get(record.child_id)
        if child is None:
            return []
        parent, spans = child.parent, list[Span]()
        _, price_exponent, qty_exponent = parent.terms
        at: Attributes = {"tapewire.seq": record.seq}
        if record.last_qty:
            at["tapewire.price"] = to_text(record.last_price, price_exponent)
            at["tapewire.qty"] = to_text(record.last_qty, qty_exponent)
        if record.reason:
            at["tapewire.reason"] = record.reason
        self._say(parent, child.span, Event(record.kind.name, record.ts, at))
        if child.sent and not child.answered:
            own = ids.span_id(child.span.trace_id, "venue", child.seq)
            service = f"venue {child.span.attributes['tapewire.venue']}"
            end = max(child.sent, record.ts)
            spans.append(
                Span(child.span.trace_id, own, child.span.span_id, "venue", service, child.sent, end, "client")
            )
        child.answered = True
        if record.kind == m.VenueReportKind.rejected:
            child.span.error = record.reason or "rejected"
        if not record.live:
            child.span.end = max(child.span.end, record.ts)
            spans.append(child.span)
            del self._children[record.child_id]
            parent.children.discard(record.child_id)
        return spans if parent.kept else []

    def _on_event(self, record: m.ParentChanged | m.ParentRefused | m.ParentMeasured | m.SliceScheduled) -> list[Span]:
        parent = self._parents.get(record.parent_id)
        if parent is None:
            return []
        at = parent.span.attributes
        parent.span.end = max(parent.span.end, record.ts)
        if isinstance(record, m.ParentMeasured):
            at["tapewire.slippage.arrival"] = record.versus_arrival
            at["tapewire.slippage.vwap"] = record.versus_vwap
            return []
        if isinstance(record, m.SliceScheduled):
            event = Event(f"slice {record.number}", record.ts, {"tapewire.qty": to_text(record.qty, parent.terms[2])})
            self._say(parent, parent.span, event)
            return []
        if isinstance(record, m.ParentRefused):
            at["tapewire.reject.reason"] = record.reason.name
            at["tapewire.reject.value"], at["tapewire.reject.limit"] = record.value, record.limit
            if record.command != m.MessageType.new_parent:
                return []
            parent.span.error = record.text or record.reason.name
            parent.kept = True
        else:
            at["tapewire.state"] = record.state.name
            at["tapewire.cum_qty"] = to_text(record.cum_qty, parent.terms[2])
            if record.state not in _DONE:
                return []
        del self._parents[record.parent_id]
        return [parent.span] if parent.kept else []

    @staticmethod
    def _say(parent: _Parent, span: Span, event: Event) -> None:
        if len(span.events) < MAX_EVENTS:
            span.events.append(event)
        else:
            parent.left_out += 1
            parent.span.attributes["tapewire.events_left_out"] = parent.left_out
