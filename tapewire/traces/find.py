"""One order's trace, straight off the tapes: no collector is asked, and nothing need have been sampled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tapewire import messages as m
from tapewire.config import Config
from tapewire.errors import TapeError
from tapewire.tape import TapeReader
from tapewire.tape.inspect import epoch_before
from tapewire.traces import roots
from tapewire.traces.edges import Edges
from tapewire.traces.reading import EDGES, Found, Reading
from tapewire.traces.spans import Span, spans_of
from tapewire.traces.work import Work

RECORDS = 4096
"""Read in one turn."""
MOST = 20_000_000
"""Records behind its request in which what became of an order is looked for."""
BEHIND_NS = 5_000_000_000
"""What comes so long after an order's end has nothing to do with it."""
_ORDER_ID = re.compile(r"(?:[0-9]{1,5}-)?([0-9]{1,18})")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_DONE = (m.OrderCancelled, m.OrderRejected)


@dataclass(slots=True)
class Trace:
    trace_id: int
    spans: list[Span]
    """Its own, roots first, then by time."""
    linked: list[list[Span]] = field(default_factory=list)
    """Of other traces that name this one: cancels and replaces of the order."""


def find(settings: Config, text: str, *, seq: int = 0, parent: int = 0, now: int = 0) -> Trace:
    """What `text` names: an OrderID (`17`, or `0-17` as in FIX), a trace id of 32 hex digits, or a client's ClOrdID.

    `seq`: instead, a record of the orders tape; `parent`: instead, a parent order of the router; `now`: UTC ns.
    Raises TapeError if there is none.
    """
    if parent:
        return _find_parent(settings, parent, now)
    tape = settings.folders.orders_tape(settings.engine.shard)
    first = seq and _command_of(tape, seq)
    if not first and _TRACE_ID.fullmatch(text):
        trace = int(text, 16)
        return _read(settings, _by_trace(settings, tape, trace) or 1, trace, now)
    if not first and (order := _ORDER_ID.fullmatch(text)):
        first = _by_order(tape, int(order[1]), "")
    first = first or _by_order(tape, 0, text)
    if not first:
        raise TapeError(f"{tape}: no order {text!r}. Name an OrderID, a ClOrdID, a trace id, or a record with --seq")
    return _read(settings, first, 0, now)


def _command_of(tape: Path, seq: int) -> int:
    with TapeReader(tape, None) as reader:
        reader.seek_seq(seq)
        for raw in reader.poll(1):
            return m.decode(raw).cause or seq
    raise TapeError(f"{tape}: no record {seq} yet; it ends with {seq - 1}")


def _of_type(tape: Path, kind: m.MessageType) -> Iterator[m.Message]:
    with TapeReader(tape, None) as reader:
        while records := reader.poll_type(kind, RECORDS):
            yield from map(m.decode, records)


def _by_order(tape: Path, order_id: int, text: str) -> int:
    """The newest NewOrder with this OrderID, or this ClOrdID; 0: none."""
    found = 0
    for order in _of_type(tape, m.MessageType.new_order):
        assert isinstance(order, m.NewOrder), "its type was asked for"
        if order.order_id == order_id if order_id else order.client_text == text:
            found = order.seq
    return found


def _by_trace(settings: Config, tape: Path, trace: int) -> int | None:
    """The first command of a trace; None: of no such, so what an edge refused, or a parent without orders here."""
    epochs = [
        (one.seq, one.epoch) for one in _of_type(tape, m.MessageType.epoch_started) if isinstance(one, m.EpochStarted)
    ]
    with TapeReader(tape, None) as reader:
        before = epoch_before(tape, reader.first_seq)
    found = list[int]()
    for kind in roots.KINDS:
        epoch, left = before, list(reversed(epochs))
        for command in _of_type(tape, m.MessageType(kind)):
            while left and left[-1][0] < command.seq:
                epoch = left.pop()[1]
            own = roots.carried(command) or roots.computed(settings.env, tape.name, epoch, command.seq, 1.0)
            if own.trace_id == trace:
                found.append(command.seq)
                break
    return min(found) if found else _at_the_edges(settings, tape, trace)


def _at_the_edges(settings: Config, tape: Path, trace: int) -> int | None:
    for path in sorted(one for pattern in EDGES[:2] for one in settings.folders.tapes.glob(pattern)):
        edges = Edges(1)
        with TapeReader(path, None) as reader:
            while records := reader.poll(RECORDS):
                for raw in records:
                    record = m.decode(raw)
                    edge = edges.seen(path.name, record)
                    if edge is not None and edge.trace_id == trace:
                        with TapeReader(tape, None) as orders:
                            orders.seek_time(edge.received)
                            return orders.next_seq
    return None


def _find_parent(settings: Config, parent_id: int, now: int) -> Trace:
    path = settings.folders.router_tape(settings.router.number)
    epoch = 0
    for record in (m.decode(raw) for raw in TapeReader(path, None)):
        if isinstance(record, m.EpochStarted):
            epoch = record.epoch
        if isinstance(record, m.NewParent) and record.parent_id == parent_id:
            with TapeReader(settings.folders.orders_tape(settings.engine.shard), None) as orders:
                orders.seek_time(record.ts)
                trace = roots.of_parent(settings.env, path.name, epoch, record).trace_id
                return _read(settings, orders.next_seq, trace, now)
    raise TapeError(f"{path}: no parent order {parent_id}")


def _read(settings: Config, first: int, trace: int, now: int) -> Trace:
    """Reads on from the request until nothing more can come. `trace` 0: that of the record `first`."""
    reading = Reading(settings, first, lambda _: True, now)
    works, spans, ends, count = list[Work](), list[Span](), 0, 0
    try:
        while count < MOST:
            found = reading.turn(RECORDS, now)
            is_last = found.records < RECORDS
            if is_last:
                rest = reading.rest()
                found = Found([*found.works, *rest.works], [*found.spans, *rest.spans], found.refused)
            count += RECORDS
            works += [work for work in found.works if _concerns(work, trace, first)]
            works += [work for _, _, work in found.refused if trace and work.identity.trace_id == trace]
            spans += [span for _, _, span in found.spans]
            if not trace and works:
                trace = works[0].identity.trace_id
                works = [work for work in works if _concerns(work, trace, first)]
            ends = ends or _end(works)
            if is_last or (ends and reading.collector.ts > ends + BEHIND_NS):
                break
        spans = [span for span in spans if span.trace_id == trace]
        own = [work for work in works if work.identity.trace_id == trace]
        spans += [span for work in own for span in spans_of(work, reading.terms)]
        others = [spans_of(work, reading.terms) for work in works if work.identity.trace_id != trace]
    finally:
        reading.close()
    if not spans:
        raise TapeError(f"{reading.orders.path}: no request of trace {trace:032x} on it, or at its edges")
    return Trace(trace, sorted(spans, key=lambda span: (span.start, -span.end)), others)


def _concerns(work: Work, trace: int, first: int) -> bool:
    if not trace:
        return work.seq == first or work.kind in ("fill", "cancel", "replace")
    return work.identity.trace_id == trace or any(
        one.trace_id == trace and relation == "order" for one, relation in work.links
    )


def _end(works: list[Work]) -> int:
    """When the order was done; 0: it is not, as far as was read."""
    for work in works:
        for event in work.events:
            if isinstance(event, _DONE):
                return work.ts
            if isinstance(event, m.OrderExecuted):
                is_maker = work.order_id == event.maker_order_id
                if (event.maker_leaves_qty if is_maker else event.taker_leaves_qty) == 0:
                    return work.ts
    return 0
