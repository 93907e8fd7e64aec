"""The root span of a command as its record says it: of which trace it is, and whether that is exported. Pure.

carried     traceHigh, traceLow, traceFlags, spanIsTsEvent: what the door put there that the command came by
computed    where it carries nothing, from where it stands (ids.py)

The tracer, the Kafka sink and the search by trace id all ask here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tapewire import messages as m
from tapewire.trace_context import SAMPLED, TraceContext
from tapewire.traces import ids

KINDS: Final[dict[int, str]] = {
    m.MessageType.new_order: "order",
    m.MessageType.cancel_order: "cancel",
    m.MessageType.replace_order: "replace",
    m.MessageType.mass_cancel: "mass cancel",
    m.MessageType.input_refused: "refused input",
}
"""Records of an orders tape that begin a trace's root span, and its name."""
_MASK: Final = (1 << 64) - 1


class Carried(NamedTuple):
    trace_id: int
    span_id: int
    """Of the root span; 0: it follows from the trace id."""
    flags: int

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    def context(self, kind: str = "", seq: int = 0) -> TraceContext:
        """Of the root span of record `seq`; without these, its span is not meant."""
        span = (self.span_id or ids.span_id(self.trace_id, kind, seq)) if kind else 0
        return TraceContext(f"{self.trace_id:032x}", f"{span:016x}", self.flags)


def carried(record: m.Message) -> Carried | None:
    """What a command (or NewParent) brought along; None: nothing, or it is a record that brings none."""
    high: int = getattr(record, "trace_high", 0)
    low: int = getattr(record, "trace_low", 0)
    if not high and not low:
        return None
    given = record.ts_event if getattr(record, "span_is_ts_event", False) else 0
    flags: int = record.trace_flags  # type: ignore[attr-defined]
    return Carried(high << 64 | low, given & _MASK, flags)


def computed(env: str, tape: str, epoch: int, seq: int, share: float) -> Carried:
    """Of record `seq` of a tape whose epoch is known. `share`: of the traces that are exported."""
    trace = ids.trace_id(env, tape, epoch, seq)
    return Carried(trace, 0, SAMPLED if ids.is_sampled(trace, share) else 0)


def of_parent(env: str, tape: str, epoch: int, new: m.NewParent) -> Carried:
    """Of a parent order on a router's tape. Unless its client says otherwise it is exported: there are few."""
    return carried(new) or computed(env, tape, epoch, new.seq, 1.0)
