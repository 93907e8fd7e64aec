"""Folds of the tapes on which requests come in and answers go out: pure.

    FixReceived D F G q, FixSubmitted, FixSent       tape fix.<gateway>
    ApiReceived, ApiAnswered                         tape api.<number>

A request is known by the number of the command that it becomes (FIX), or by its time, which the command repeats (API).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tapewire import messages as m
from tapewire import trace_context
from tapewire.traces.work import Edge

ORDER_TYPES = frozenset("DFGq")
SOH = "\x01"
_DOORS = {m.ApiDoor.http: "http", m.ApiDoor.web_socket: "websocket", m.ApiDoor.bus: "bus"}


def field_of(raw: str, tag: int) -> str:
    """The first value of a field of a FIX message; empty if it is not there."""
    at = raw.find(f"{SOH}{tag}=")
    if at < 0:
        return ""
    begin = raw.index("=", at) + 1
    return raw[begin:].partition(SOH)[0]


class Edges:
    """Requests of all edge tapes that were not answered yet. `bound`: so many are held of each tape, the oldest go."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._by_received: dict[tuple[str, int], Edge] = {}
        self._by_number: dict[tuple[str, int], Edge] = {}
        self._by_time: dict[int, Edge] = {}
        self._open: dict[str, deque[Edge]] = {}
        self.dropped = 0
        """Requests let go unanswered, as there were too many."""

    def by_number(self, tape: str, cl_ord_id: int) -> Edge | None:
        """The request that became a gateway's command of this number; it is asked for once."""
        return self._taken(self._by_number.pop((tape, cl_ord_id), None))

    def by_time(self, ts: int) -> Edge | None:
        """The request of the API that a command with this tsEvent came from."""
        return self._taken(self._by_time.pop(ts, None)) if ts else None

    def _taken(self, edge: Edge | None) -> Edge | None:
        if edge is not None:
            edge.is_command = True
        return edge

    def fold(self, tape: str, record: m.Message, sent: Callable[[str, m.FixSent], None]) -> Edge | None:
        """Takes the next record of an edge tape; the request, if this is its last answer (else None).

        `sent` is called with each report that carries a record of the orders tape.
        """
        if isinstance(record, m.FixReceived):
            if record.msg_type in ORDER_TYPES:
                self._add(_of_fix(tape, record), record.cl_ord_id)
        elif isinstance(record, m.FixSubmitted):
            edge = self._by_received.get((tape, record.received))
            if edge is not None:
                self._number(edge, record.cl_ord_id)
        elif isinstance(record, m.FixSent):
            if record.orders_seq:
                sent(tape, record)
            if record.answers:
                return self._refused(tape, record)
        elif isinstance(record, m.ApiReceived):
            self._add(edge := _of_api(tape, record), 0)
            self._by_time[record.ts] = edge
        elif isinstance(record, m.ApiAnswered):
            return self._answered(tape, record)
        return None

    def seen(self, tape: str, record: m.Message) -> Edge | None:
        """The request that this record is, if it is one. Nothing is kept of it."""
        if isinstance(record, m.FixReceived) and record.msg_type in ORDER_TYPES:
            return _of_fix(tape, record)
        return _of_api(tape, record) if isinstance(record, m.ApiReceived) else None

    def oldest(self, tape: str) -> int:
        """Seq of the oldest request that something may still come of; 0: there is none."""
        waiting = self._open.get(tape)
        while waiting and (waiting[0].acked or (waiting[0].is_command and waiting[0].service == "gateway")):
            self._drop(waiting.popleft())
        return waiting[0].seq if waiting else 0

    def _add(self, edge: Edge, number: int) -> None:
        waiting = self._open.setdefault(edge.tape, deque())
        waiting.append(edge)
        self._by_received[edge.tape, edge.seq] = edge
        if number:
            self._number(edge, number)
        if len(waiting) > self._bound:
            oldest = waiting.popleft()
            self.dropped += not oldest.acked
            self._drop(oldest)

    def _number(self, edge: Edge, number: int) -> None:
        edge.number = number
        self._by_number[edge.tape, number] = edge

    def _drop(self, edge: Edge) -> None:
        self._by_received.pop((edge.tape, edge.seq), None)
        if self._by_time.get(edge.span_id) is edge:
            del self._by_time[edge.span_id]
        if self._by_number.get((edge.tape, edge.number)) is edge:
            del self._by_number[edge.tape, edge.number]

    def _refused(self, tape: str, record: m.FixSent) -> Edge | None:
        edge = self._by_received.pop((tape, record.answers), None)
        if edge is not None:
            edge.acked, edge.ack = record.ts, record.msg_type
            edge.reply = field_of(record.raw, 58)
        return edge

    def _answered(self, tape: str, record: m.ApiAnswered) -> Edge | None:
        edge = self._by_received.pop((tape, record.received), None)
        if edge is not None:
            edge.acked, edge.ack = record.ts, str(record.status)
            self._by_time.pop(edge.span_id, None)
        return edge


def _of_fix(tape: str, record: m.FixReceived) -> Edge:
    raw = record.raw
    edge = Edge(tape, record.seq, "gateway", record.msg_type, record.ts_recv, session=record.session)
    edge.name, edge.author = field_of(raw, 11), field_of(raw, 49)
    if text := field_of(raw, trace_context.FIX_TAG):
        context = trace_context.parse(text)
        if context is not None:
            edge.trace_id, edge.parent_id = int(context.trace_id, 16), int(context.span_id, 16)
            edge.sampled = context.sampled
    return edge


def _of_api(tape: str, record: m.ApiReceived) -> Edge:
    edge = Edge(tape, record.seq, "api", record.operation, record.ts_recv or record.ts, session=record.key)
    edge.author, edge.door = record.author, _DOORS.get(record.door, "")
    edge.trace_id, edge.parent_id = record.trace_high << 64 | record.trace_low, record.span_id
    if edge.trace_id:
        edge.sampled = bool(record.trace_flags & trace_context.SAMPLED)
    edge.span_id = edge.recorded = record.ts
    return edge
