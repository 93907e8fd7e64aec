"""Makes traces of what the tapes say, keeps those that are sampled, and hands them to the export.

A restart goes on behind the stored positions: it reads some of what lies before them once more, without exporting it,
so that what comes is linked to orders it knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.sdk.trace.export import SpanExporter

from services.monitor.export import Export, Positions, Readable
from services.monitor.sampling import Sampler
from tapewire.config import Config
from tapewire.consumers import ConsumerPosition
from tapewire.errors import TapeDamaged, TapeError
from tapewire.histogram import StatsPage
from tapewire.logs import Logger, in_trace
from tapewire.tape import TapeReader
from tapewire.traces.reading import Found, Reading
from tapewire.traces.spans import spans_of
from tapewire.traces.work import Work

CONSUMER = "monitor"
TURN = 128
"""Records of one turn: below 5 ms."""
IDLE_S = 0.02
LOOK_EVERY_S = 1.0
"""Between two marks, looks for new tapes, and pages of statistics."""
FRESH_NS = 60_000_000_000
"""A monitor that has no position yet begins with what is younger."""
COUNTERS = (
    *("records", "works", "traces", "sampled_head", "sampled_rejected", "sampled_slow", "spans_exported"),
    *("spans_dropped", "spans_waiting", "export_failures", "works_dropped", "batches_missed", "lag_records"),
)
Exemplar = Callable[[str, int, str, int], None]
"""Told of each exported order: stage, ns, trace id (32 hex digits), ts (UTC ns)."""


class Tracer:
    """The part that traces orders. `exemplar`: told of the stages of each order that is exported."""

    def __init__(
        self,
        settings: Config,
        exporter: SpanExporter,
        log: Logger,
        exemplar: Exemplar,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings, self._log, self._exemplar, self._clock = settings, log, exemplar, clock
        self._orders = settings.folders.orders_tape(settings.engine.shard)
        self.sampler = Sampler(settings.monitor)
        self.export = Export(exporter, Readable(settings.env), settings.monitor.buffer, self._store, log)
        self._positions: dict[str, ConsumerPosition] = {}
        self._begun: dict[str, int] = {}
        """Of each tape the record that was the last one exported when this process began."""
        self.records = self.works = self.traces = 0
        self._reading: Reading | None = None
        self._page: StatsPage | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Follows the tapes until `stop` is set. The export is run by somebody else, and ended after this."""
        self._reading = reading = await self._open(stop)
        if reading is None:
            return
        self._page = StatsPage.create(self._settings.folders.stats / "monitor", counters=COUNTERS)
        self._log.info("tracing", tape=reading.name, from_seq=self._begun[reading.name] + 1)
        look_at = 0.0
        try:
            while not stop.is_set():
                found = reading.turn(TURN, self._clock())
                self._take(found)
                if (now := time.monotonic()) >= look_at:
                    look_at = now + LOOK_EVERY_S
                    reading.look_for_tapes()
                    self._mark(reading)
                    self._count(reading)
                await asyncio.sleep(0 if found.records == TURN else IDLE_S)
        finally:
            self._mark(reading)

    def close(self) -> None:
        """After the export has ended: nothing is stored any more."""
        if self._reading is not None:
            self._count(self._reading)
            self._reading.close()
        if self._page is not None:
            self._page.close()
        for position in self._positions.values():
            position.close()

    async def _open(self, stop: asyncio.Event) -> Reading | None:
        """Once the engine has made the tape; None if we are stopped before."""
        while not stop.is_set():
            try:
                first = self._first(self._orders)
                return Reading(self._settings, first, self.sampler.is_sampled, self._clock())
            except TapeDamaged:
                raise
            except TapeError as error:
                self._log.debug("waiting for the tape", reason=str(error))
            await asyncio.sleep(0.2)
        return None

    def _first(self, tape: Path) -> int:
        """Where to begin to read: so far before what was exported that orders which still stand are mostly known."""
        begun = self._position(tape)
        return max(1, begun + 1 - 4 * self._settings.monitor.max_orders)

    def _position(self, tape: Path) -> int:
        """The last record that was exported, as it stands beside the tape. A first start begins a minute ago."""
        if tape.name in self._begun:
            return self._begun[tape.name]
        position = ConsumerPosition(tape, CONSUMER)
        self._positions[tape.name] = position
        begun = position.seq
        with TapeReader(tape, None) as reader:
            if not begun:
                reader.seek_time(self._clock() - FRESH_NS)
                begun = reader.next_seq - 1
            # A tape that lost its tail gives these numbers again.
            begun = min(begun, reader.positions.released_seq)
        self._begun[tape.name] = begun
        return begun

    # What was found.

    def _take(self, found: Found) -> None:
        self.records += found.records
        reading = self._reading
        assert reading is not None, "taken is what was read"
        for work in found.works:
            kept = self.sampler.keeps(work)
            if kept and work.seq > self._begun[reading.name]:
                self._put(work, reading)
        for tape, seq, work in found.refused:
            if self.sampler.keeps(work) and seq > self._position(self._settings.folders.tape(tape)):
                self._put(work, reading)
        for tape, seq, span in found.spans:
            if seq > self._position(self._settings.folders.tape(tape)):
                self.export.put([span])
        self.works += len(found.works) + len(found.refused)

    def _put(self, work: Work, reading: Reading) -> None:
        self.export.put(spans_of(work, reading.terms))
        self.traces += 1
        with in_trace(work.identity.trace_id, work.identity.span_id):
            self._log.debug("traced", kind=work.kind, seq=work.seq, latency_ns=work.latency)
        batch = work.batch
        if batch is None or work.command is None:
            return
        trace, ts = f"{work.identity.trace_id:032x}", work.ts
        matched, released = batch.matched or batch.released, batch.released
        self._exemplar("decide", max(0, matched - batch.began) // max(1, batch.last - batch.first + 1), trace, ts)
        self._exemplar("commit", max(0, released - matched), trace, ts)
        if work.ts_recv > 0:
            self._exemplar("queue", max(0, batch.began - work.ts_recv), trace, ts)
            self._exemplar("answer", max(0, released - work.ts_recv), trace, ts)

    # Where it stands.

    def _mark(self, reading: Reading) -> None:
        collector = reading.collector
        positions: Positions = {reading.name: (collector.open_seq - 1, collector.epoch)}
        for name, reader in reading.readers.items():
            parents = reading.parents.get(name)
            positions[name] = (reading.seen[name] if parents is None else parents.seq, reader.epoch)
        self.export.mark(positions)

    def _store(self, positions: Positions) -> None:
        for name, (seq, epoch) in positions.items():
            self._position(self._settings.folders.tape(name))
            try:
                self._positions[name].store(seq, epoch)
            except TapeError as error:
                self._log.error("position not stored", error=str(error))

    def _count(self, reading: Reading) -> None:
        page = self._page
        assert page is not None, "counted is what was read"
        sampler, export, collector = self.sampler, self.export, reading.collector
        values = (
            *(self.records, self.works, self.traces, sampler.head, sampler.rejected, sampler.slow, export.exported),
            *(export.dropped, export.waiting, export.failures, collector.dropped + reading.edges.dropped),
            *(reading.missed_batches, reading.orders.positions.released_seq - collector.seq),
        )
        for name, value in zip(COUNTERS, values, strict=True):
            page.set(name, max(0, value))
