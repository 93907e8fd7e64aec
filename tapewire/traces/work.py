"""A request of a client and what became of it: what one root span is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from tapewire import messages as m
from tapewire.stages import Batch
from tapewire.traces import ids

MAX_EVENTS = 64
"""Events kept of one request: a mass cancel has thousands. `more` counts the others."""


@dataclass(slots=True, eq=False)
class Edge:
    """Where a request came in, and how it was answered there."""

    tape: str
    """On which the edge wrote it down, such as `fix.gateway`."""
    seq: int
    service: str
    """gateway, api or router."""
    operation: str
    """FIX MsgType, or `POST /v1/orders`."""
    received: int
    """UTC ns."""
    door: str = "fix"
    """fix, http, websocket, bus, or router."""
    recorded: int = 0
    """When it was put on that tape, UTC ns; 0: as it was received."""
    number: int = 0
    """ClOrdID number of the command that it becomes, where the edge says so."""
    session: int = 0
    """FIX session, or number of the API key."""
    author: str = ""
    name: str = ""
    """The client's name of the request (ClOrdID)."""
    trace_id: int = 0
    """Of its context; 0: it has none."""
    parent_id: int = 0
    """The client's span; 0: none."""
    span_id: int = 0
    """Of our own root span, where the edge gave it; 0: it follows from the trace id."""
    sampled: bool | None = None
    """What the edge decided; None: nothing."""
    acked: int = 0
    """When the answer was handed to the socket, UTC ns; 0: not yet."""
    ack: str = ""
    """What it was: `8`, `9`, or an HTTP status."""
    reply: str = ""
    """Why the edge itself refused."""
    is_command: bool = False
    """It became one: what follows stands on the orders tape."""


@dataclass(slots=True, eq=False)
class Identity:
    """By which an order, or another request, is known in traces: its root span."""

    trace_id: int
    kind: str
    seq: int
    kept: bool
    """It is, or will be, exported."""
    edge: Edge | None = None
    decided: bool = False
    """`kept` will not change any more."""
    given: int = 0
    """Id of the root span, where the edge gave it."""

    @property
    def span_id(self) -> int:
        if not self.given:
            self.given = ids.span_id(self.trace_id, self.kind, self.seq)
        return self.given


@dataclass(slots=True, eq=False)
class Work:
    """`command` is None where the edge refused it, and of a fill of an order that rested."""

    kind: str
    """order, cancel, replace, mass cancel, fill, refused, refused input."""
    tape: str
    epoch: int
    seq: int
    ts: int
    """Sequenced, UTC ns."""
    ts_recv: int
    """Written into the ring, as its producer says; 0: not known."""
    identity: Identity
    """Its own root span; of a fill, the order's."""
    parent_id: int = 0
    order_id: int = 0
    """Of a fill: the order's; else 0."""
    command: m.Message | None = None
    edge: Edge | None = None
    events: list[m.Message] = field(default_factory=list)
    more: int = 0
    last_seq: int = 0
    """Of its last event."""
    rejection: m.OrderRejected | m.CancelRejected | m.InputRefused | None = None
    links: list[tuple[Identity, str]] = field(default_factory=list)
    """Other orders, and what they have to do with this."""
    batch: Batch | None = None
    published: Batch | None = None
    acked: int = 0
    ack: str = ""

    def add(self, event: m.Message) -> None:
        self.last_seq = event.seq
        if len(self.events) < MAX_EVENTS:
            self.events.append(event)
        else:
            self.more += 1

    def link(self, other: Identity, relation: str) -> None:
        if len(self.links) < MAX_EVENTS:
            self.links.append((other, relation))

    @property
    def is_answered(self) -> bool:
        """Whether nothing more is to be waited for at its edge."""
        if self.edge is None or (self.kind == "fill" and self.edge.service != "gateway"):
            return True
        return self.acked != 0

    @property
    def latency(self) -> int:
        """From the edge, or the ring, to the answer, ns; 0 where one of them is not known."""
        begun = self.edge.received if self.edge is not None else self.ts_recv
        done = self.acked or (self.batch.released if self.batch is not None else 0)
        return max(0, done - begun) if begun and done else 0
