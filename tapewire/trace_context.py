"""W3C trace context: parsed, formatted, and turned into a header block once per batch.

traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
             version-trace id-parent (span) id-flags
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple

from tapewire import logs
from tapewire.traces import ids
from tapewire.transports.headers import block

SAMPLED = 1
FIX_TAG: Final = 8041
"""TraceParent, of the user-defined tags: the same text in a FIX message."""
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_LOW = (1 << 64) - 1


class TraceNumbers(NamedTuple):
    """A trace id and its flags by the names that messages have for them."""

    trace_high: int
    trace_low: int
    trace_flags: int


NO_TRACE: Final = TraceNumbers(0, 0, 0)
"""Of a command that came without a context."""


class TraceContext(NamedTuple):
    """Which trace a message belongs to, and the span it was sent from. Ids are lower-case hex, never all zeros."""

    trace_id: str
    span_id: str
    flags: int = SAMPLED
    state: str = ""

    def numbers(self) -> TraceNumbers:
        """The trace as a command carries it; its span is not part of that."""
        trace = int(self.trace_id, 16)
        return TraceNumbers(trace >> 64, trace & _LOW, self.flags & 0xFF)

    @property
    def sampled(self) -> bool:
        """Whether the trace is recorded. Only this bit counts: others may be set by newer versions."""
        return bool(self.flags & SAMPLED)

    def traceparent(self) -> str:
        """The header's value, always as version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags & 0xFF:02x}"

    def header_block(self) -> bytes:
        """The headers as `Transport.publish` takes them: make it once, send it with every message of a batch."""
        headers = {"traceparent": self.traceparent()}
        if self.state:
            headers["tracestate"] = self.state
        return block(headers)


def numbers_of(context: TraceContext | None) -> TraceNumbers:
    """As a command carries it."""
    return NO_TRACE if context is None else context.numbers()


def tick_context(env: str, feed: str, seq: int) -> TraceContext:
    """Of message `seq` of a feed of market data: the ids follow from it, as everywhere (tapewire/traces/ids.py)."""
    trace = ids.trace_id(env, f"md.{feed}", 0, seq)
    return TraceContext(f"{trace:032x}", f"{ids.span_id(trace, 'tick', seq):016x}")


def parse(traceparent: str, state: str = "") -> TraceContext | None:
    """The context of a `traceparent`, or None for one that the standard says to ignore."""
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    # Version 00 has exactly four parts; a later one may append, and is read as far as 00 goes. ff is forbidden.
    if version == "ff" or (version == "00" and more) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceContext(trace_id, span_id, int(flags, 16), state)


def logged(context: TraceContext | None) -> AbstractContextManager[None]:
    """Lines that are logged in this block name the trace, and the span that the message was sent from."""
    if context is None:
        return nullcontext()
    return logs.in_trace(int(context.trace_id, 16), int(context.span_id, 16))


def of_headers(headers: Mapping[str, str] | None) -> TraceContext | None:
    """The context that came with a message, if any."""
    if not headers or "traceparent" not in headers:
        return None
    return parse(headers["traceparent"], headers.get("tracestate", ""))
