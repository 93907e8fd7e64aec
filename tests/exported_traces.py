"""What the Kafka sink says of the traces of a day, compared with what the tracer makes of the same tapes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from services.flusher.sinks.kafka.contexts import Contexts
from tapewire import messages as m
from tapewire.config import Config
from tapewire.tape import TapeReader
from tapewire.trace_context import TraceContext, parse
from tapewire.traces import ids, roots
from tapewire.traces.reading import Reading
from tapewire.traces.work import Work

TURN = 4096


def headers(tape: Path, env: str, share: float, records: list[bytes]) -> list[TraceContext | None]:
    """As a sink has them that begins with these records."""
    contexts, found = Contexts(tape, env, share), list[TraceContext | None]()
    for raw in records:
        record = m.decode(raw)
        header = contexts.of(raw, record.seq, record.cause, int(record.TYPE))
        assert header is None or header[0] == "traceparent"
        found.append(None if header is None else parse(header[1].decode()))
    return found


def expected(record: m.Message, by_command: dict[int, Work]) -> TraceContext | None:
    """As the tracer has it: the root span of its own or its cause's command."""
    work = by_command.get(record.cause or record.seq)
    if work is None:
        return None
    brought = roots.carried(work.command) if work.command is not None else None
    flags = brought.flags if brought is not None else int(work.identity.kept)
    assert bool(flags & 1) == work.identity.kept
    return TraceContext(f"{work.identity.trace_id:032x}", f"{work.identity.span_id:016x}", flags)


def compare(settings: Config) -> Counter[str]:
    """Every record of the orders tape; returns how many commands came by which door with how sure a trace."""
    share = settings.monitor.sample
    reading = Reading(settings, 1, lambda trace: ids.is_sampled(trace, share), 0)
    works = list[Work]()
    try:
        while True:
            found = reading.turn(TURN, 0)
            works += found.works
            if found.records < TURN:
                break
        works += reading.rest().works
    finally:
        reading.close()
    by_command = {work.seq: work for work in works if work.kind != "fill"}
    tape = settings.folders.orders_tape(settings.engine.shard)
    with TapeReader(tape, 1) as reader:
        raws = list(reader)
    records = [m.decode(raw) for raw in raws]
    assert headers(tape, settings.env, share, raws) == [expected(one, by_command) for one in records]
    doors = Counter[str]()
    for work in by_command.values():
        brought = roots.carried(work.command) if work.command is not None else None
        if work.edge is not None and work.edge.trace_id:
            # The join over the tapes of the edges and of routers leads to the same trace.
            assert brought is not None, work.command
            assert (brought.trace_id, brought.sampled) == (work.edge.trace_id, work.edge.sampled), work.command
        door = work.edge.door if work.edge is not None else "ring"
        doors[f"{door} {'carried' if brought is not None else 'computed'}"] += 1
    return doors
