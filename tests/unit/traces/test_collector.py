"""How records, requests and stages become works: every join, every bound."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tapewire import messages as m
from tapewire.stages import Batch
from tapewire.traces import ids
from tapewire.traces.collector import PATIENCE_NS, Collector
from tapewire.traces.edges import Edges
from tapewire.traces.spans import Span, Terms, spans_of
from tapewire.traces.work import Edge, Work

TRACE, PARENT = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
CONTEXT = f"00-{TRACE:032x}-{PARENT:016x}-01"
T = 1_700_000_000_000_000_000
SOURCE = 3


class World:
    """An orders tape, a gateway's, and what came whole of both."""

    def __init__(self, bound: int = 1000, sampled: bool = False) -> None:
        self.edges = Edges(bound)
        self.collector = Collector("test", "orders.0", {SOURCE: "fix.gateway"}, self.edges, lambda _: sampled, bound)
        self.terms = Terms()
        self.terms.define(m.InstrumentDefinition(instrument=1, ticker="ACME", price_exponent=-2, qty_exponent=0))
        self.seq = self.edge_seq = 0
        self.collector.fold(self.next(m.EpochStarted(epoch=7)))

    def next(self, message: m.Message, **fields: int) -> m.Message:
        self.seq += 1
        given = {name: getattr(message, name) for name in type(message).FIELDS}
        return type(message)(**{**given, "seq": self.seq, "ts": T + self.seq * 1000, **fields})

    def received(self, number: int, kind: str = "D", context: str = CONTEXT, session: int = 1) -> int:
        self.edge_seq += 1
        raw = f"8=FIX.4.4\x0135={kind}\x0149=ME\x0111=c{number}\x01" + (f"8041={context}\x01" if context else "")
        record = m.FixReceived(
            seq=self.edge_seq, ts=T, ts_recv=T, session=session, cl_ord_id=number, msg_type=kind, raw=raw
        )
        assert self.edges.fold("fix.gateway", record, self.on_sent) is None
        return self.edge_seq

    def sent(self, orders_seq: int, ts: int, session: int = 1) -> None:
        self.edge_seq += 1
        record = m.FixSent(seq=self.edge_seq, ts=ts, session=session, orders_seq=orders_seq, msg_type="8")
        self.edges.fold("fix.gateway", record, self.on_sent)

    def on_sent(self, tape: str, record: m.FixSent) -> None:
        self.collector.sent(tape, record.session, record.orders_seq, record.ts, record.msg_type)

    def order(self, number: int, order_id: int, source: int = SOURCE, ts_recv: int = T + 100) -> int:
        """A NewOrder that is accepted; returns its seq."""
        common = {"source": source, "ts_recv": ts_recv, "instrument": 1}
        order = m.NewOrder(cl_ord_id=number, order_id=order_id, account=9, price=10_000, qty=5, **common)
        self.collector.fold(self.next(order))
        seq = self.seq
        self.collector.fold(self.next(m.OrderAccepted(order_id=order_id, cl_ord_id=number, **common), cause=seq))
        return seq

    def event(self, message: m.Message, cause: int) -> int:
        self.collector.fold(self.next(message, cause=cause))
        return self.seq

    def batch(self, first: int, last: int) -> Batch:
        at = T + first * 1000
        batch = Batch(first, last, at - 50, at + 200, at + 300, at + 5000, at + 5100)
        self.collector.stages([batch])
        return batch

    def spans(self, works: Iterable[Work]) -> dict[str, Span]:
        return {span.name: span for work in works for span in spans_of(work, self.terms)}


def test_an_order_is_whole_once_its_batch_and_its_answer_are_known() -> None:
    world = World()
    world.received(1)
    seq = world.order(1, 11)
    assert world.collector.whole(T) == []
    batch = world.batch(seq, seq + 1)
    assert world.collector.whole(T) == []
    world.sent(seq + 1, T + 9000)
    (work,) = world.collector.whole(T)
    assert (work.kind, work.seq, work.batch, work.acked) == ("order", seq, batch, T + 9000)
    spans = world.spans([work])
    assert {name: (span.start - T, span.end - T) for name, span in spans.items()} == {
        "order": (0, 9000),
        "edge": (0, 100),
        "ring": (100, seq * 1000),
        "risk, sequence, match": (seq * 1000, seq * 1000 + 200),
        "durable": (seq * 1000 + 200, seq * 1000 + 5000),
        "ack": (seq * 1000 + 5000, 9000),
    }
    assert (spans["order"].trace_id, spans["order"].parent_id) == (TRACE, PARENT)
    assert {spans[name].parent_id for name in spans if name != "order"} == {spans["order"].span_id}


def test_what_is_answered_before_its_writer_has_noted_the_release_was_released_by_then() -> None:
    """A gateway reads the batch on another core. At durability memory nothing else was noted of it."""
    world = World()
    world.received(1)
    seq = world.order(1, 11)
    at = T + seq * 1000
    world.collector.stages([Batch(seq, seq + 1, at - 50, 0, 0, 0, at + 700)])
    world.sent(seq + 1, at + 400)
    (work,) = world.collector.whole(T)
    spans = world.spans([work])
    assert (spans["risk, sequence, match"].start, spans["risk, sequence, match"].end) == (at, at + 400)
    assert (spans["ack"].start, spans["ack"].end) == (at + 400, at + 400)
    assert [event.ts for event in spans["order"].events if event.name == "released"] == [at + 400]
    assert spans["order"].end == at + 400


def test_without_an_answer_it_waits_for_a_time_and_then_comes_as_it_is() -> None:
    world = World()
    world.received(1)
    seq = world.order(1, 11)
    assert world.collector.whole(T + seq * 1000 + PATIENCE_NS - 1) == []
    (work,) = world.collector.whole(T + seq * 1000 + PATIENCE_NS)
    assert (work.batch, work.acked) == (None, 0)
    assert str(world.spans([work])["order"].attributes["tapewire.stages"]).startswith("not in")


def test_a_request_without_a_context_has_a_trace_that_follows_from_where_it_stands() -> None:
    world = World()
    world.received(1, context="")
    seq = world.order(1, 11)
    world.batch(seq, seq + 1)
    world.sent(seq + 1, T + 9000)
    (work,) = world.collector.whole(T)
    assert work.identity.trace_id == ids.trace_id("test", "orders.0", 7, seq)
    assert not work.identity.kept


@pytest.mark.parametrize(("flags", "kept"), [("00", False), ("01", True), ("03", True)])
def test_the_edges_decision_counts_whatever_the_share(flags: str, kept: bool) -> None:
    world = World(sampled=not kept)
    world.received(1, context=CONTEXT[:-2] + flags)
    world.order(1, 11)
    (work,) = world.collector.rest()
    assert work.identity.kept is kept


def test_a_match_is_an_event_of_the_order_that_came_and_a_fill_of_the_one_that_rested() -> None:
    world = World(sampled=True)
    world.received(1, session=1)
    maker = world.order(1, 11)
    world.received(2, context=CONTEXT.replace("4bf9", "4bfa"), session=2)
    taker = world.order(2, 12)
    match = m.OrderExecuted(
        match_id=1, maker_order_id=11, taker_order_id=12, price=10_000, qty=2, maker_leaves_qty=3, instrument=1
    )
    seq = world.event(match, taker)
    world.batch(maker, seq)
    world.sent(maker + 1, T + 8000, session=1)
    world.sent(taker + 1, T + 9000, session=2)
    world.sent(seq, T + 9500, session=1)
    first, second, fill = world.collector.whole(T)
    assert (first.seq, second.seq, fill.kind, fill.order_id, fill.acked) == (maker, taker, "fill", 11, T + 9500)
    assert fill.identity is first.identity
    assert second.links == [(first.identity, "maker")]
    assert fill.links == [(second.identity, "taker")]
    span = spans_of(fill, world.terms)[0]
    assert (span.trace_id, span.parent_id) == (TRACE, first.identity.span_id)
    assert span.attributes["tapewire.liquidity"] == "added"
    assert [event.name for event in spans_of(second, world.terms)[0].events] == ["order_accepted", "fill", "released"]


def test_a_cancel_is_linked_to_its_order_and_a_refusal_carries_the_numbers() -> None:
    world = World(sampled=True)
    world.received(1)
    world.order(1, 11)
    world.received(2, kind="F", context="")
    world.collector.fold(world.next(m.CancelOrder(order_id=11, cl_ord_id=2, source=SOURCE, instrument=1)))
    refused = m.CancelRejected(order_id=11, reason=m.RejectReason.unknown_order, value=11, limit=3)
    world.event(refused, world.seq)
    order, cancel = world.collector.rest()
    assert cancel.links == [(order.identity, "order")]
    root = spans_of(cancel, world.terms)[0]
    assert root.error == "unknown_order: value 11, limit 3"
    assert root.attributes["tapewire.reject.limit"] == 3
    assert root.trace_id != order.identity.trace_id


def test_what_the_edge_refuses_by_itself_is_told_once_it_has_answered() -> None:
    world = World()
    received = world.received(0)
    record = m.FixSent(
        seq=9, ts=T + 500, session=1, answers=received, msg_type="8", raw="35=8\x0158=no such symbol\x01"
    )
    edge = world.edges.fold("fix.gateway", record, world.on_sent)
    assert edge is not None
    work = world.collector.refused(edge)
    root = world.spans([work])["refused at the edge"]
    assert (root.error, root.start, root.end, root.trace_id) == ("no such symbol", T, T + 500, TRACE)


def test_a_request_of_the_api_is_known_by_its_time_and_gives_its_own_span() -> None:
    world = World()
    common = {"trace_high": TRACE >> 64, "trace_low": TRACE & (1 << 64) - 1, "span_id": PARENT, "trace_flags": 1}
    asked = m.ApiReceived(seq=1, ts=T + 5, ts_recv=T, key=4, door=m.ApiDoor.http, operation="POST /v1/orders", **common)
    world.edges.fold("api.0", asked, world.on_sent)
    world.collector.fold(world.next(m.NewOrder(cl_ord_id=1, order_id=11, ts_event=T + 5, ts_recv=T + 20, source=9)))
    seq = world.seq
    world.event(m.OrderAccepted(order_id=11), seq)
    world.batch(seq, seq + 1)
    assert world.collector.whole(T) == []
    answered = m.ApiAnswered(seq=2, ts=T + 9000, received=1, orders_seq=seq + 1, status=201)
    edge = world.edges.fold("api.0", answered, world.on_sent)
    assert edge is not None
    assert edge.is_command
    (work,) = world.collector.whole(T)
    root = world.spans([work])["order"]
    assert (root.trace_id, root.span_id, root.parent_id, root.service) == (TRACE, T + 5, PARENT, "api")
    assert (root.attributes["tapewire.door"], root.attributes["tapewire.answer"]) == ("http", "201")


def test_works_come_in_the_order_of_the_tape_and_the_open_one_holds_the_position() -> None:
    world = World()
    world.received(1)
    first = world.order(1, 11)
    second = world.order(2, 12, source=1)
    world.batch(first, second + 1)
    assert world.collector.whole(T) == []
    assert world.collector.open_seq == first
    world.sent(first + 1, T + 9000)
    assert [work.seq for work in world.collector.whole(T)] == [first, second]
    assert world.collector.open_seq == world.seq + 1


def test_too_many_are_let_go_oldest_first_and_counted() -> None:
    world = World(bound=10)
    for number in range(30):
        world.received(number + 1)
        world.order(number + 1, number + 1)
    gone = world.collector.whole(T)
    assert len(gone) == world.collector.dropped == 20
    for number in range(100, 130):
        world.received(number, context="")
    assert world.edges.dropped > 0


def test_a_batch_of_a_lost_past_is_not_taken_for_the_one_that_has_its_numbers_now() -> None:
    world = World()
    seq = world.order(1, 11, source=1)
    stale = Batch(seq, seq + 1, 1, 2, 3, 4, 5)
    world.collector.stages([stale])
    fresh = world.batch(seq, seq + 1)
    (work,) = world.collector.whole(T)
    assert work.batch == fresh
    assert isinstance(work.edge, Edge | None)
