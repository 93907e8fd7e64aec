"""What waits for the collector, what is let go, and when positions are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from services.monitor.export import BATCH, Export, Positions, Readable
from tapewire import logs
from tapewire.traces.spans import Span

T = 1_700_000_000_000_000_000


class Collector(SpanExporter):
    """Takes batches, or refuses them."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.is_there = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if not self.is_there:
            return SpanExportResult.FAILURE
        self.batches.append([span.context.span_id for span in spans])
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def spans(*numbers: int) -> list[Span]:
    return [Span(1, number, 0, "order", "engine", T, T + 5) for number in numbers]


def made(collector: Collector, bound: int = 10_000) -> tuple[Export, list[Positions]]:
    stored: list[Positions] = []
    return Export(collector, Readable("test"), bound, stored.append, logs.get("test")), stored


async def ended(export: Export) -> None:
    stop = asyncio.Event()
    stop.set()
    await export.run(stop)


async def test_positions_are_stored_once_what_they_cover_was_taken() -> None:
    collector = Collector()
    export, stored = made(collector)
    export.put(spans(1, 2))
    export.mark({"orders.0": (10, 1)})
    export.put(spans(3))
    export.mark({"orders.0": (20, 1)})
    assert stored == []
    await ended(export)
    assert collector.batches == [[1, 2, 3]]
    assert stored == [{"orders.0": (10, 1)}, {"orders.0": (20, 1)}]
    assert (export.exported, export.dropped, export.waiting) == (3, 0, 0)


async def test_while_the_collector_is_away_nothing_is_stored_and_all_comes_later_in_order() -> None:
    collector = Collector()
    collector.is_there = False
    export, stored = made(collector)
    export.put(spans(1))
    export.mark({"orders.0": (10, 1)})
    await ended(export)
    assert (stored, export.failures, export.waiting) == ([], 1, 1)
    collector.is_there = True
    export.put(spans(2))
    await ended(export)
    assert collector.batches == [[1, 2]]
    assert stored == [{"orders.0": (10, 1)}]


async def test_a_full_buffer_lets_the_oldest_traces_go_whole_and_tapes_are_not_kept_for_them() -> None:
    collector = Collector()
    export, stored = made(collector, bound=4)
    export.put(spans(1, 2))
    export.mark({"orders.0": (10, 1)})
    export.put(spans(3, 4))
    export.put(spans(5))
    assert (export.dropped, export.waiting) == (2, 3)
    export.put(spans(6, 7))
    assert stored == [{"orders.0": (10, 1)}]
    await ended(export)
    assert collector.batches == [[5, 6, 7]]
    assert export.dropped == 4


async def test_marks_without_spans_between_are_one() -> None:
    export, stored = made(Collector())
    for seq in range(1000):
        export.mark({"orders.0": (seq, 1)})
    await ended(export)
    assert stored == [{"orders.0": (999, 1)}]


async def test_a_request_has_a_bounded_number_of_spans() -> None:
    collector = Collector()
    export, _ = made(collector)
    for number in range(3 * BATCH):
        export.put(spans(number + 1))
    await ended(export)
    assert [len(batch) for batch in collector.batches] == [BATCH] * 3


def test_our_spans_keep_their_ids_times_and_service_as_the_sdks() -> None:
    span = Span(
        5, 6, 7, "order", "gateway", T, T + 9, "server", {"tapewire.seq": 3}, error="price_band: value 2, limit 1"
    )
    it = Readable("test")(span)
    assert (it.context.trace_id, it.context.span_id, it.parent and it.parent.span_id) == (5, 6, 7)
    assert (it.start_time, it.end_time, it.status.description) == (T, T + 9, "price_band: value 2, limit 1")
    assert it.resource.attributes["service.name"] == "tapewire gateway"
