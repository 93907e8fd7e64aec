"""Works as spans: pure. What each span and attribute means stands in docs/tracing.md.

The root ends with the answer: what the client waited for. Publication goes on beside it.

order                                    ├───────────────────────────────────────────────┤  gateway, api, or engine
  edge: checked, on the edge's tape      ├────┤
  ring                                        ├────┤                                        engine
  risk, sequence, match                             ├─────┤                                 engine
  durable                                                 ├─────────┤                       engine
  publish                                                           ├───────┤               journal
  ack                                                               ├──────────────────────┤ gateway, api
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tapewire import messages as m
from tapewire.fixed import to_text
from tapewire.traces import ids
from tapewire.traces.work import Work

Value = str | int | bool
Attributes = dict[str, Value]
MAX_LINKS = 32
_SIDES = {m.Side.buy: "buy", m.Side.sell: "sell"}


@dataclass(slots=True)
class Event:
    name: str
    ts: int
    attributes: Attributes


@dataclass(slots=True)
class Link:
    trace_id: int
    span_id: int
    attributes: Attributes


@dataclass(slots=True)
class Span:
    trace_id: int
    span_id: int
    parent_id: int
    """0: it is the first of its trace."""
    name: str
    service: str
    start: int
    end: int
    """UTC ns."""
    kind: str = "internal"
    """server, producer, consumer, client or internal."""
    attributes: Attributes = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    error: str = ""
    """Empty: none."""


class Terms:
    """Tickers and exponents of instruments, as an orders tape defines them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, int, int]] = {}

    def define(self, record: m.InstrumentDefinition) -> None:
        self._known[record.instrument] = (record.ticker, record.price_exponent, record.qty_exponent)

    def ticker(self, instrument: int) -> str:
        return self._known.get(instrument, (str(instrument), 0, 0))[0]

    def price(self, instrument: int, mantissa: int) -> str:
        return to_text(mantissa, self._known.get(instrument, ("", 0, 0))[1])

    def qty(self, instrument: int, mantissa: int) -> str:
        return to_text(mantissa, self._known.get(instrument, ("", 0, 0))[2])


def spans_of(work: Work, terms: Terms) -> list[Span]:
    """The root first, then its children in the order of their beginnings."""
    if work.kind == "fill":
        return [_fill(work, terms)]
    root = _root(work, terms)
    children = _children(work, root)
    root.end = max(root.end, root.start)
    return [root, *children]


def _child(root: Span, seq: int, name: str, service: str, start: int, end: int, kind: str = "internal") -> Span:
    own = ids.span_id(root.trace_id, name, seq)
    return Span(root.trace_id, own, root.span_id, name, service, start, max(start, end), kind)


def _children(work: Work, root: Span) -> list[Span]:
    edge, batch, found = work.edge, work.batch, list[Span]()
    if work.command is None:
        return found
    begun = work.ts_recv if 0 < work.ts_recv <= work.ts else work.ts
    if edge is not None and begun < edge.recorded <= work.ts:
        begun = edge.recorded
    if edge is not None and edge.received < begun:
        found.append(_child(root, work.seq, "edge", edge.service, edge.received, begun))
    if begun < work.ts:
        found.append(_child(root, work.seq, "ring", "engine", begun, work.ts, "consumer"))
    released = 0
    if batch is not None:
        # Readers see a batch a moment before its writer has noted so: what was answered was released by then.
        released = min(batch.released, work.acked) if work.acked else batch.released
        matched = batch.matched or released
        found.append(_child(root, work.seq, "risk, sequence, match", "engine", work.ts, matched))
        found[-1].attributes["tapewire.batch.records"] = batch.last - batch.first + 1
        if batch.durable:
            found.append(_child(root, work.seq, "durable", "engine", matched, batch.durable))
            found[-1].events.append(Event("written", batch.written, {}))
        root.events.append(Event("released", released, {}))
    if work.published is not None:
        span = _child(root, work.seq, "publish", "journal", work.published.began, work.published.released, "producer")
        found.append(span)
    if edge is not None and work.acked:
        free = (batch.durable or released) if batch is not None else work.ts
        found.append(_child(root, work.seq, "ack", edge.service, min(free, work.acked), work.acked, "producer"))
        found[-1].attributes["tapewire.answer"] = work.ack
    return found


def _root(work: Work, terms: Terms) -> Span:
    edge, identity = work.edge, work.identity
    start = edge.received if edge is not None else 0
    if not start:
        start = work.ts_recv if 0 < work.ts_recv <= work.ts else work.ts
    name = f"{work.kind} at the edge" if work.kind in ("refused", "request") else work.kind
    service = edge.service if edge is not None else "engine"
    end = work.acked or (work.batch.released if work.batch is not None else work.ts)
    span = Span(identity.trace_id, identity.span_id, work.parent_id, name, service, min(start, work.ts), end, "server")
    at = span.attributes
    at["tapewire.tape"], at["tapewire.seq"] = work.tape, work.seq
    if work.epoch:
        at["tapewire.epoch"] = work.epoch
    if edge is not None:
        at["tapewire.door"], at["tapewire.operation"] = edge.door, edge.operation
        at["tapewire.edge.tape"], at["tapewire.edge.seq"] = edge.tape, edge.seq
        for key, value in (("author", edge.author), ("session", edge.session), ("cl_ord_id", edge.name)):
            if value:
                at[f"tapewire.{key}"] = value
        if work.ack:
            at["tapewire.answer"] = work.ack
        span.error = edge.reply or (f"status {edge.ack}" if work.kind == "refused" else "")
    if work.command is not None:
        _describe(at, work.command, terms)
    order_id = next((e.order_id for e in work.events if isinstance(e, m.OrderAccepted)), 0)
    if order_id:
        at["tapewire.order_id"] = order_id
    if work.rejection is not None:
        _reject(span, work.rejection)
    for event in work.events:
        span.events.append(_event(event, terms, order_id or int(at.get("tapewire.order_id", 0))))
    if work.more:
        at["tapewire.events_left_out"] = work.more
    if work.command is not None and work.batch is None:
        at["tapewire.stages"] = "not in the stage log any more, or never"
    for other, relation in work.links[:MAX_LINKS]:
        span.links.append(Link(other.trace_id, other.span_id, {"tapewire.relation": relation}))
    return span


def _describe(at: Attributes, command: m.Message, terms: Terms) -> None:
    """What was asked: those of a command's fields that say something."""
    if command.instrument:
        at["tapewire.ticker"] = terms.ticker(command.instrument)
    for name in ("account", "order_id", "client_text"):
        if value := getattr(command, name, 0):
            at[f"tapewire.{'cl_ord_id' if name == 'client_text' else name}"] = value
    side = _SIDES.get(getattr(command, "side", m.Side.unspecified))
    if side:
        at["tapewire.side"] = side
    for name in ("ord_type", "time_in_force"):
        if value := getattr(command, name, m.OrdType.unspecified):
            at[f"tapewire.{name}"] = value.name
    if price := getattr(command, "price", 0):
        at["tapewire.price"] = terms.price(command.instrument, price)
    if qty := getattr(command, "qty", 0):
        at["tapewire.qty"] = terms.qty(command.instrument, qty)
    if stop_px := getattr(command, "stop_px", 0):
        at["tapewire.stop_px"] = terms.price(command.instrument, stop_px)


def _reject(span: Span, why: m.OrderRejected | m.CancelRejected | m.InputRefused) -> None:
    at = span.attributes
    at["tapewire.reject.reason"] = why.reason.name
    span.error = why.reason.name
    if not isinstance(why, m.InputRefused):
        at["tapewire.reject.value"], at["tapewire.reject.limit"] = why.value, why.limit
        span.error = f"{why.reason.name}: value {why.value}, limit {why.limit}"


def _event(event: m.Message, terms: Terms, order_id: int) -> Event:
    name = m.MessageType(event.TYPE).name
    at: Attributes = {"tapewire.seq": event.seq}
    if isinstance(event, m.OrderExecuted):
        name = "fill"
        at |= _match(event, terms, order_id)
    elif isinstance(event, m.OrderCancelled):
        at["tapewire.order_id"], at["tapewire.cancel.reason"] = event.order_id, event.reason.name
        at["tapewire.qty"] = terms.qty(event.instrument, event.cancelled_qty)
    return Event(name, event.ts, at)


def _match(event: m.OrderExecuted, terms: Terms, order_id: int) -> Attributes:
    is_maker = order_id == event.maker_order_id
    return {
        "tapewire.match_id": event.match_id,
        "tapewire.price": terms.price(event.instrument, event.price),
        "tapewire.qty": terms.qty(event.instrument, event.qty),
        "tapewire.leaves_qty": terms.qty(
            event.instrument, event.maker_leaves_qty if is_maker else event.taker_leaves_qty
        ),
        "tapewire.liquidity": "auction" if event.auction else "added" if is_maker else "removed",
    }


def _fill(work: Work, terms: Terms) -> Span:
    """What happened later to an order that rested: in its own trace, with a link to the order that came."""
    event = work.events[0]
    assert isinstance(event, m.OrderExecuted), "a fill is made of a match"
    released = work.batch.released if work.batch is not None else work.ts
    root = work.identity
    own = ids.span_id(root.trace_id, f"fill {work.order_id}", work.seq)
    span = Span(root.trace_id, own, root.span_id, "fill", "engine", work.ts, max(work.acked, released), "internal")
    order_id = work.order_id
    span.attributes = {"tapewire.tape": work.tape, "tapewire.seq": work.seq, "tapewire.order_id": order_id}
    span.attributes |= {"tapewire.ticker": terms.ticker(event.instrument), **_match(event, terms, order_id)}
    if work.batch is not None:
        span.events.append(Event("released", released, {}))
    if work.published is not None:
        span.events.append(Event("published", work.published.released, {}))
    if work.acked:
        span.events.append(Event("reported", work.acked, {"tapewire.answer": work.ack}))
    for other, relation in work.links[:MAX_LINKS]:
        span.links.append(Link(other.trace_id, other.span_id, {"tapewire.relation": relation}))
    return span
