"""Parent orders as traces: a made day of a router, and what an API's context and an outside venue add."""

from __future__ import annotations

from collections import Counter

from tapewire import messages as m
from tapewire.traces import ids
from tapewire.traces.parents import Parents
from tapewire.traces.spans import Span
from tapewire.traces.work import Edge
from tests.router_day import Day

ENDED = (m.ParentState.filled, m.ParentState.cancelled, m.ParentState.expired)


def test_a_day_of_parents_gives_one_trace_each_with_all_their_children() -> None:
    records = [m.decode(raw) for raw in Day(3, hours=1.0, entering=0.01).run().raws]
    parents = Parents("test", "router.0", lambda _: None)
    spans: list[Span] = []
    for record in records:
        spans += parents.fold(record)
    done = Counter(span.name for span in spans)
    spans += parents.rest()
    count = Counter(type(record).__name__ for record in records)
    refused = {one.parent_id for one in records if isinstance(one, m.ParentRefused)}
    ended = {one.parent_id for one in records if isinstance(one, m.ParentChanged) and one.state in ENDED}
    assert count["NewParent"] > 20
    assert count["NewChild"] > 50
    found = Counter(span.name for span in spans)
    assert (found["parent"], found["child"], found["route"]) == (
        count["NewParent"],
        count["NewChild"],
        count["RouteDecided"],
    )
    assert done["parent"] == len(ended | (refused & {one.parent_id for one in records if isinstance(one, m.NewParent)}))
    roots = {span.span_id: span for span in spans if span.name == "parent"}
    begun = {one.parent_id: one for one in records if isinstance(one, m.NewParent)}
    for span in spans:
        assert span.start <= span.end
        if span.name == "parent":
            record = begun[int(span.attributes["tapewire.parent_id"])]
            assert span.trace_id == ids.trace_id("test", "router.0", 0, record.seq)
        else:
            assert span.trace_id == roots[span.parent_id].trace_id
    fills = [one for one in records if isinstance(one, m.VenueReported) and one.kind == m.VenueReportKind.executed]
    told = [event for span in spans if span.name == "child" for event in span.events if event.name == "executed"]
    assert len(told) == len(fills)
    assert len({span.span_id for span in spans}) == len(spans)


def test_a_parent_goes_on_in_its_clients_trace_and_its_order_at_the_house_is_below_its_child() -> None:
    edge = Edge("api.0", 1, "api", "POST /v1/parents", 5, trace_id=0xAB, parent_id=0xCD, span_id=7, sampled=True)
    parents = Parents("test", "router.0", lambda ts: edge if ts == 7 else None)
    parents.fold(m.VenueChanged(seq=1, ts=1, venue=1, name="house"))
    parents.fold(m.NewParent(seq=2, ts=10, ts_event=7, parent_id=1, qty=5))
    parents.fold(m.NewChild(seq=3, ts=20, parent_id=1, child_id=4, venue=1, qty=5))
    child = parents.child(3)
    assert child is not None
    assert (child.trace_id, child.sampled, child.received) == (0xAB, True, 20)
    parents.sent(3, 25)
    accepted = parents.fold(
        m.VenueReported(seq=4, ts=40, child_id=4, venue=1, received=3, kind=m.VenueReportKind.accepted, live=True)
    )
    assert [(span.name, span.start, span.end) for span in accepted] == [("venue", 25, 40)]
    assert (child.acked, child.ack) == (40, "accepted")
    (done,) = parents.fold(m.VenueReported(seq=5, ts=50, child_id=4, kind=m.VenueReportKind.executed, last_qty=5))
    assert (done.name, done.span_id, done.end, done.attributes["tapewire.venue"]) == (
        "child",
        child.parent_id,
        50,
        "house",
    )
    (root,) = parents.fold(m.ParentChanged(seq=6, ts=51, parent_id=1, state=m.ParentState.filled, cum_qty=5))
    assert (root.trace_id, root.span_id, root.parent_id, root.start) == (0xAB, 7, 0xCD, 5)
    assert done.parent_id == root.span_id


def test_a_parent_whose_client_is_not_traced_gives_no_spans() -> None:
    edge = Edge("api.0", 1, "api", "POST /v1/parents", 5, trace_id=0xAB, span_id=7, sampled=False)
    parents = Parents("test", "router.0", lambda _: edge)
    spans = parents.fold(m.NewParent(seq=1, ts=10, ts_event=7, parent_id=1))
    spans += parents.fold(m.RouteDecided(seq=2, ts=11, parent_id=1))
    spans += parents.fold(m.ParentChanged(seq=3, ts=51, parent_id=1, state=m.ParentState.filled))
    assert spans == []
