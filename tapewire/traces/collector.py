"""Joins an orders tape, its edges and its stage logs into works, each once it is whole: pure, time is an argument.

    fold(record)      of the orders tape         ─┐
    edge(tape, record) of fix.*, api.*, router.*  ├─▶ whole(now) ─▶ Work, Work, …
    stages(batches), published(batches)          ─┘

A work is whole when its batch is known, its publication, if there is a publisher, and its answer, if it has an edge; or
when `PATIENCE_NS` are over. Works come out in the order in which they were sequenced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from tapewire import messages as m
from tapewire.stages import Batch
from tapewire.traces import ids, roots
from tapewire.traces.edges import Edges
from tapewire.traces.work import Edge, Identity, Work

PATIENCE_NS = 2_000_000_000
MAX_BATCHES = 65_536
_ENDS = (m.OrderRejected, m.CancelRejected)
FindChild = Callable[[str, int], Edge | None]
"""The router's tape and the number of a command: the child order that it is of."""


class Collector:
    """Of one orders tape. `producers`: the tape of each, by its number, if it has one. `is_sampled(trace id)`: of works
    whose edge decided nothing. `bound`: works and orders held at once."""

    def __init__(
        self,
        env: str,
        tape: str,
        producers: Mapping[int, str],
        edges: Edges,
        is_sampled: Callable[[int], bool],
        bound: int,
        find_child: FindChild = lambda tape, number: None,
    ) -> None:
        self.env, self.tape, self.epoch = env, tape, 0
        self.seq = self.ts = 0
        """Of the last record folded."""
        self.has_publisher = False
        self.dropped = 0
        """Works let go before they were whole, as there were too many."""
        self._producers, self._edges, self._is_sampled, self._bound = producers, edges, is_sampled, bound
        self._find_child = find_child
        self._open: deque[Work] = deque()
        self._by_seq: dict[int, Work] = {}
        self._by_event: dict[int, list[Work]] = {}
        self._orders: dict[int, Identity] = {}
        self._batches: deque[Batch] = deque(maxlen=MAX_BATCHES)
        self._published: deque[Batch] = deque(maxlen=MAX_BATCHES)

    # What comes in.

    def fold(self, record: m.Message) -> None:
        """Takes the next record of the orders tape."""
        self.seq, self.ts = record.seq, record.ts
        if record.cause:
            self._on_event(record)
        elif isinstance(record, m.EpochStarted):
            self.epoch = record.epoch
        elif (kind := roots.KINDS.get(int(record.TYPE))) is not None:
            if isinstance(record, m.InputRefused):
                self._work(kind, record, None).rejection = record
            else:
                self._on_command(kind, record)

    def sent(self, tape: str, session: int, orders_seq: int, ts: int, kind: str) -> None:
        """An edge has handed a report of this record to a client's session."""
        for work in self._by_event.get(orders_seq, ()):
            edge = work.edge
            if edge is not None and not work.acked and edge.tape == tape and edge.session == session:
                work.acked, work.ack = ts, kind

    def stages(self, batches: list[Batch]) -> None:
        _append(self._batches, batches)

    def published(self, batches: list[Batch]) -> None:
        _append(self._published, batches)

    def refused(self, edge: Edge) -> Work:
        """A request that the edge answered without the engine."""
        trace = edge.trace_id or ids.trace_id(self.env, edge.tape, 0, edge.seq)
        is_refused = bool(edge.reply) or (edge.service == "api" and edge.ack >= "400")
        kind = "refused" if is_refused else "request"
        sampled = edge.sampled if edge.sampled is not None else self._is_sampled(trace)
        identity = Identity(trace, kind, edge.seq, sampled, edge, decided=True, given=edge.span_id)
        work = Work(kind, edge.tape, 0, edge.seq, edge.received, 0, identity, edge.parent_id, edge=edge)
        work.acked, work.ack = edge.acked, edge.ack
        return work

    # What comes out.

    def whole(self, now: int) -> list[Work]:
        """The next works that are whole at this time, UTC ns."""
        found = []
        while self._open:
            work = self._open[0]
            # Its last event may be still to come, unless something was sequenced behind it.
            if not self._is_whole(work) and now - work.ts < PATIENCE_NS and len(self._open) <= self._bound:
                break
            self.dropped += len(self._open) > self._bound
            found.append(self._take())
        return found

    def rest(self) -> list[Work]:
        """All that is left, whole or not."""
        found = []
        while self._open:
            self._is_whole(self._open[0])
            found.append(self._take())
        return found

    @property
    def open_seq(self) -> int:
        """The record of the oldest work that is not out yet; behind the last record if there is none."""
        return self._open[0].seq if self._open else self.seq + 1

    def _take(self) -> Work:
        work = self._open.popleft()
        if work.kind != "fill":
            work.identity.decided = True
        self._by_seq.pop(work.seq, None)
        for seq in {work.seq, *(event.seq for event in work.events)}:
            waiting = self._by_event.get(seq)
            if waiting is not None and work in waiting:
                waiting.remove(work)
                if not waiting:
                    del self._by_event[seq]
        return work

    def _is_whole(self, work: Work) -> bool:
        if work.batch is None:
            work.batch = _holding(self._batches, work.seq, work.seq)
        if work.published is None:
            work.published = _holding(self._published, work.seq, work.last_seq)
        if work.edge is not None and work.edge.acked and not work.acked and work.kind != "fill":
            work.acked, work.ack = work.edge.acked, work.edge.ack
        return work.batch is not None and (work.published is not None or not self.has_publisher) and work.is_answered

    # Records.

    def _on_command(self, kind: str, record: m.Message) -> None:
        work = self._work(kind, record, self._edge_of(record))
        work.command = record
        target = self._orders.get(getattr(record, "order_id", 0)) if kind in ("cancel", "replace") else None
        if target is not None:
            work.link(target, "order")

    def _edge_of(self, record: m.Message) -> Edge | None:
        number: int = getattr(record, "cl_ord_id", 0)
        tape = self._producers.get(record.source, "")
        if tape.startswith("router."):
            return self._find_child(tape, number)
        return self._edges.by_number(tape, number) or self._edges.by_time(record.ts_event)

    def _work(self, kind: str, record: m.Message, edge: Edge | None) -> Work:
        identity = self._identity(kind, record, edge)
        work = Work(kind, self.tape, self.epoch, record.seq, record.ts, record.ts_recv, identity, edge=edge)
        if edge is not None and edge.trace_id == identity.trace_id:
            work.parent_id = edge.parent_id
        work.last_seq = record.seq
        self._by_seq[work.seq] = work
        return self._hold(work)

    def _identity(self, kind: str, record: m.Message, edge: Edge | None) -> Identity:
        if (own := roots.carried(record)) is not None:
            return Identity(own.trace_id, kind, record.seq, own.sampled, edge, given=own.span_id)
        # The commands of older versions carried nothing: there its edge alone may know.
        trace = edge.trace_id if edge is not None else 0
        trace = trace or ids.trace_id(self.env, self.tape, self.epoch, record.seq)
        sampled = edge.sampled if edge is not None and edge.sampled is not None else self._is_sampled(trace)
        return Identity(trace, kind, record.seq, sampled, edge, given=edge.span_id if edge is not None else 0)

    def _hold(self, work: Work) -> Work:
        self._open.append(work)
        self._by_event.setdefault(work.seq, []).append(work)
        return work

    def _on_event(self, event: m.Message) -> None:
        work = self._by_seq.get(event.cause)
        if work is not None:
            kept = len(work.events)
            work.add(event)
            if work.edge is not None and len(work.events) > kept:
                self._by_event.setdefault(event.seq, []).append(work)
            if isinstance(event, _ENDS):
                work.rejection = event
        if isinstance(event, m.OrderAccepted) and work is not None:
            self._orders[event.order_id] = work.identity
            if len(self._orders) > self._bound:
                del self._orders[next(iter(self._orders))]
        elif isinstance(event, m.OrderExecuted):
            self._on_execution(event, work)

    def _on_execution(self, event: m.OrderExecuted, work: Work | None) -> None:
        """The order that came has the match among its events; of each other order it is a work of its own."""
        command = work.command if work is not None else None
        incoming = getattr(command, "order_id", 0)
        maker, taker = self._orders.get(event.maker_order_id), self._orders.get(event.taker_order_id)
        for order_id, mine, other, relation in (
            (event.maker_order_id, maker, taker, "taker"),
            (event.taker_order_id, taker, maker, "maker"),
        ):
            if mine is None or (mine.decided and not mine.kept):
                continue
            if order_id == incoming and work is not None and isinstance(command, m.NewOrder | m.ReplaceOrder):
                if other is not None:
                    work.link(other, relation)
                continue
            fill = Work("fill", self.tape, self.epoch, event.seq, event.ts, 0, mine, edge=mine.edge)
            fill.order_id = order_id
            fill.add(event)
            if other is not None:
                fill.link(other, relation)
            self._hold(fill)


def _append(held: deque[Batch], batches: list[Batch]) -> None:
    for batch in batches:
        if held and batch.first <= held[-1].last:
            held.clear()  # the tape lost its tail and gives these numbers again
        held.append(batch)


def _holding(held: deque[Batch], oldest: int, seq: int) -> Batch | None:
    """The batch with record `seq`. Those before record `oldest` are let go: nobody asks for them any more."""
    while held and held[0].last < oldest:
        held.popleft()
    for batch in held:
        if batch.last >= seq:
            return batch if batch.first <= seq else None
    return None
