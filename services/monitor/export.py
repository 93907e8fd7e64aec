"""Spans to a collector, by OTLP over HTTP: a bounded buffer, one request at a time on a thread of its own.

    put ──▶ buffer ──▶ exporter ──▶ collector
                └── full: the oldest go, counted   away: kept and tried again, each time after twice as long

Positions on tapes are put into the same buffer behind the spans that they cover. They come out once those spans were
taken, or dropped: so a restart skips nothing, and repeats at most what was on its way when it was killed. Span ids
follow from what they are of, so a collector that gets one twice can tell.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tapewire.logs import Logger
from tapewire.traces.spans import Span

BATCH = 512
"""Spans of one request."""
TIMEOUT_S = 5.0
LINGER_S = 1.0  # the longest that spans wait for company where nothing marks the end of a turn: ticks alone
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
_KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_SCOPE = InstrumentationScope("tapewire.traces")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
Positions = dict[str, tuple[int, int]]
"""Of each tape the record up to which all is exported, and the tape's epoch at it."""


def otlp(url: str) -> SpanExporter:
    """The SDK's exporter. `url`: the collector's, without the path."""
    # It logs each failure by itself, in another form than ours, and more often.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    return OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=TIMEOUT_S)


class Readable:
    """Our spans as the SDK's, made after the fact: with their own times and ids."""

    def __init__(self, env: str) -> None:
        self._env = env
        self._resources: dict[str, Resource] = {}

    def __call__(self, span: Span) -> ReadableSpan:
        resource = self._resources.get(span.service)
        if resource is None:
            attributes = {"service.name": f"tapewire {span.service}", "deployment.environment.name": self._env}
            resource = self._resources[span.service] = Resource(attributes)
        parent = None
        if span.parent_id:
            parent = SpanContext(span.trace_id, span.parent_id, is_remote=span.kind == "server", trace_flags=_SAMPLED)
        return ReadableSpan(
            name=span.name,
            context=SpanContext(span.trace_id, span.span_id, is_remote=False, trace_flags=_SAMPLED),
            parent=parent,
            resource=resource,
            attributes=span.attributes,
            events=[Event(one.name, one.attributes, one.ts) for one in span.events],
            links=[
                Link(SpanContext(one.trace_id, one.span_id, is_remote=True, trace_flags=_SAMPLED), one.attributes)
                for one in span.links
            ],
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=_SCOPE,
        )


class Export:
    """`store` is called with positions once all before them was exported or dropped."""

    def __init__(
        self,
        exporter: SpanExporter,
        readable: Callable[[Span], ReadableSpan],
        bound: int,
        store: Callable[[Positions], None],
        log: Logger,
    ) -> None:
        self._exporter, self._readable, self._bound, self._store, self._log = exporter, readable, bound, store, log
        self._waiting: deque[Sequence[Span] | Positions] = deque()
        self.waiting = 0
        """Spans in the buffer, those that are being sent left out."""
        self._wake = asyncio.Event()
        self._is_away = self._lingers = False
        self.exported = self.dropped = self.failures = 0
        """Spans taken by the collector, spans let go as the buffer was full, requests that failed."""

    def put(self, spans: Sequence[Span]) -> None:
        """A trace, or more of one."""
        self._waiting.append(spans)
        self.waiting += len(spans)
        self._trim()
        if self.waiting >= BATCH:
            self._wake.set()
        elif not self._lingers:
            self._lingers = True
            asyncio.get_running_loop().call_later(LINGER_S, self._linger_ends)

    def _linger_ends(self) -> None:
        self._lingers = False
        self._wake.set()

    def mark(self, positions: Positions) -> None:
        """All that was put so far covers the tapes up to these."""
        if self._waiting and isinstance(self._waiting[-1], dict):
            self._waiting[-1] = positions
        else:
            self._waiting.append(positions)
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Exports until `stop` is set and the buffer is empty, or the collector does not take what is left."""
        wait = FIRST_WAIT_S
        while not (stop.is_set() and not self._waiting):
            if self.waiting < BATCH:
                await _any(self._wake, stop)
            self._wake.clear()
            taken = self._next()
            if await self._export([span for one in taken if not isinstance(one, dict) for span in one]):
                wait = FIRST_WAIT_S
                for one in taken:
                    if isinstance(one, dict):
                        self._store(one)
                continue
            self._give_back(taken)
            if stop.is_set():
                self._log.warning("spans not exported", spans=self.waiting)
                break
            await _any(stop, timeout=wait)
            wait = min(wait * 2, LONGEST_WAIT_S)
            self._wake.set()
        await asyncio.to_thread(self._exporter.shutdown)

    def _next(self) -> list[Sequence[Span] | Positions]:
        """What leaves next: some BATCH spans, and the positions between and behind them."""
        found: list[Sequence[Span] | Positions] = []
        count = 0
        while self._waiting and (count < BATCH or isinstance(self._waiting[0], dict)):
            one = self._waiting.popleft()
            found.append(one)
            count += 0 if isinstance(one, dict) else len(one)
        self.waiting -= count
        return found

    def _give_back(self, taken: list[Sequence[Span] | Positions]) -> None:
        self._waiting.extendleft(reversed(taken))
        self.waiting += sum(len(one) for one in taken if not isinstance(one, dict))
        self._trim()

    def _trim(self) -> None:
        """Lets the oldest traces go where there are too many; tapes are then not kept for them either."""
        while self.waiting > self._bound:
            one = self._waiting.popleft()
            if isinstance(one, dict):
                self._store(one)
            else:
                self.waiting -= len(one)
                self.dropped += len(one)

    async def _export(self, batch: list[Span]) -> bool:
        if not batch:
            return True
        readable = [self._readable(span) for span in batch]
        result = await asyncio.to_thread(self._exporter.export, readable)
        is_away = result is not SpanExportResult.SUCCESS
        if is_away != self._is_away:
            self._is_away = is_away
            if is_away:
                self._log.warning("the collector takes no spans", waiting=self.waiting + len(batch))
            else:
                self._log.info("the collector takes spans again", waiting=self.waiting, dropped=self.dropped)
        self.failures += is_away
        self.exported += 0 if is_away else len(batch)
        return not is_away


async def _any(*events: asyncio.Event, timeout: float | None = None) -> None:
    """Until one of them is set, or the time is over."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
