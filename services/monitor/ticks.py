"""Traces of market data: from the connector's socket to a subscriber, which is ourselves.

The connector marks one message in `tick_every` with a trace context (header `traceparent`). We subscribe to what it
publishes, as anybody may, and look at nothing but those: so the last span ends where a subscriber has the message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from tapewire import messages as m
from tapewire import trace_context
from tapewire.config import Config
from tapewire.interfaces import Received, Transport
from tapewire.traces import ids
from tapewire.traces.spans import Span

MARKED = ("trade", "quote", "book")
"""The kinds of messages that are followed; a mark on another one is not looked at."""


class TickTracer:
    """The part that traces market data. `put`: takes a trace. The transport is ours, not connected yet."""

    def __init__(
        self,
        settings: Config,
        transport: Transport,
        put: Callable[[Sequence[Span]], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._patterns = [f"{settings.env}.{feed}.{kind}.*" for feed in settings.feeds for kind in MARKED]
        self._transport, self._put, self._clock = transport, put, clock
        self.traced = 0

    async def run(self, stop: asyncio.Event) -> None:
        await self._transport.connect()
        try:
            for pattern in self._patterns:
                await self._transport.subscribe(pattern, self._on_message)
            await stop.wait()
        finally:
            await self._transport.drain()

    def _on_message(self, received: Received) -> None:
        if not received.headers:
            return
        context = trace_context.of_headers(received.headers)
        if context is not None and context.sampled:
            self._put(spans_of_tick(context, received.subject, m.decode(received.data), self._clock()))
            self.traced += 1


def spans_of_tick(context: trace_context.TraceContext, subject: str, message: m.Message, now: int) -> list[Span]:
    """Socket read to subscriber. `now`: when the subscriber had it, UTC ns."""
    trace, own = int(context.trace_id, 16), int(context.span_id, 16)
    _, feed, kind, *_ = subject.split(".")
    begun = message.ts_recv if 0 < message.ts_recv <= message.ts else message.ts
    end = max(now, message.ts)
    root = Span(trace, own, 0, "tick", "connector", begun, end, "consumer")
    at = root.attributes
    at["tapewire.feed"], at["tapewire.kind"], at["tapewire.seq"] = feed, kind, message.seq
    if ticker := getattr(message, "ticker", ""):
        at["tapewire.ticker"] = ticker
    if message.ts_event:
        at["tapewire.venue_ts"] = message.ts_event
        at["tapewire.venue_to_socket_ns"] = begun - message.ts_event
    normalise = Span(
        trace, ids.span_id(trace, "normalise", message.seq), own, "normalise", "connector", begun, message.ts
    )
    bus = Span(trace, ids.span_id(trace, "bus", message.seq), own, "bus", "subscriber", message.ts, end, "consumer")
    return [root, normalise, bus]
