"""The part that traces: orders off the tapes, ticks off the bus, and one export for both, which ends last."""

from __future__ import annotations

import asyncio

from opentelemetry.sdk.trace.export import SpanExporter

from services.monitor.parts import Part, run_all
from services.monitor.ticks import TickTracer
from services.monitor.tracer import Exemplar, Tracer
from tapewire.config import Config
from tapewire.interfaces import Transport
from tapewire.logs import Logger


class Tracing:
    """`bus`: None where no ticks are traced. `exemplar`: told of the stages of each order that is exported."""

    def __init__(
        self, settings: Config, exporter: SpanExporter, bus: Transport | None, log: Logger, exemplar: Exemplar
    ) -> None:
        self._orders = Tracer(settings, exporter, log, exemplar)
        self._parts: list[Part] = [self._orders]
        if bus is not None:
            self._parts.append(TickTracer(settings, bus, self._orders.export.put))

    async def run(self, stop: asyncio.Event) -> None:
        done = asyncio.Event()
        exporting = asyncio.create_task(self._orders.export.run(done))
        exporting.add_done_callback(lambda _: stop.set())  # it ends before it is told only by an error
        try:
            await run_all(self._parts, stop)
        finally:
            done.set()
            await exporting
            self._orders.close()
