"""The Kafka sink against a broker: records as on the tape, what their headers say, what readers see of a lost tail."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.flusher.sinks.kafka.records import SCHEMA_ID, TYPES
from services.flusher.sinks.sink import Rebuild
from tapewire import messages as m
from tapewire.bus import schemas
from tapewire.trace_context import TraceContext, parse
from tests.exported_traces import headers as contexts_of
from tests.services import Running
from tests.sinks.broker import ENV, SHARE, Broker
from tests.sinks.stack import PATIENCE_S, World, market_records


@pytest.fixture
def kafka_world(tmp_path: Path, kafka: Running) -> World[Broker]:
    durable = kafka.server is None or getattr(kafka.server, "durable", False)
    return World(tmp_path, Broker(kafka.url, durable))


async def test_records_are_the_tapes_own_bytes_with_headers_that_tell_what_they_are(kafka_world: World[Broker]) -> None:
    world, records = kafka_world, market_records(51, 200)
    world.write(records)
    async with world.sink(batch_records=70) as sink:
        await sink.until_seq(len(records))  # readers see a commit a moment after it
    rows = await world.database.rows()
    assert [row.value for row in rows] == records
    for row, raw in zip(rows, records, strict=True):
        message, headers = m.decode(raw), dict(row.headers)
        assert row.key == (str(message.instrument).encode() if message.instrument else b"")
        assert (row.timestamp, int(headers["seq"])) == (max(0, message.ts // 1_000_000), message.seq)
        assert (headers["type"], headers["epoch"]) == (TYPES[message.TYPE], b"1")
        assert headers["schema"] == SCHEMA_ID.encode()
    assert TYPES[m.MessageType.order_accepted] == b"orderAccepted"


async def test_topics_are_made_with_the_limits_of_the_settings(kafka_world: World[Broker]) -> None:
    world = kafka_world
    if not world.database.durable:
        pytest.skip("the broker of the wheel tells no settings of topics")
    world.write(market_records(56, 20))
    async with world.sink(retain_days=3, retain_mb=50) as sink:
        await sink.until_seq(len(world.records()))
    topic = world.database.topic()
    async with world.database.admin() as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    found = {name: value for name, value, *_ in answer.resources[0][4]}
    assert (found["retention.ms"], found["retention.bytes"]) == (str(3 * 86_400_000), "50000000")


async def test_requests_of_the_api_have_the_span_that_their_answer_names(kafka_world: World[Broker]) -> None:
    world, trace, brought = kafka_world, "4bf92f3577b34da6a3ce929d0e0e4736", 0x00F067AA0BA902B7
    told = {"trace_high": int(trace[:16], 16), "trace_low": int(trace[16:], 16), "trace_flags": 1}
    records = [
        bytes(m.ApiReceived(seq=1, ts=1)),
        bytes(m.ApiReceived(seq=2, ts=2, span_id=brought, **told)),
        bytes(m.ApiReceived(seq=3, ts=3, **told)),
    ]
    world.write(records, "api.0")
    async with world.sink(tapes=("api.*",)) as sink:
        await sink.until_seq(len(records), "api.0")
    rows = await world.database.rows(world.database.topic("api.0"))
    assert [row.value for row in rows] == records
    found = [dict(row.headers).get("traceparent") for row in rows]
    assert found == [None, f"00-{trace}-{2:016x}-01".encode(), f"00-{trace}-{3:016x}-01".encode()]


async def test_a_trace_is_the_same_wherever_a_sink_ended_and_when_the_topic_is_built_anew(
    kafka_world: World[Broker],
) -> None:
    world, carried = kafka_world, 0
    records = list[bytes]()
    for raw in market_records(57, 150):
        record = m.decode(raw)
        if isinstance(record, m.NewOrder) and record.seq % 2:
            raw = bytes(record.replace(trace_high=record.seq, trace_low=7, trace_flags=1))
            carried += 1
        records.append(raw)
    within = [seq for seq, raw in enumerate(records) if m.decode(raw).cause]  # where the next record is an event
    for end in (within[0], within[3], within[-1], len(records)):
        world.write(records[len(world.records()) if world.tape().exists() else 0 : end])
        async with world.sink(batch_records=7) as sink:
            await sink.until_seq(end)
    right = contexts_of(world.tape(), ENV, SHARE, records)
    assert carried > 20
    assert sum(one is not None for one in right) > 3 * carried
    rows = await world.database.rows()
    assert [row.value for row in rows] == records
    assert [_context(row.headers) for row in rows] == right
    async with world.sink(Rebuild(seq=1, tape="orders.0")) as sink:
        await sink.until_taken(len(records))
    rows = await _once_shown(world.database, 2 * len(records) + 1)
    assert [_context(row.headers) for row in rows[-len(records) :]] == right


async def _once_shown(broker: Broker, count: int) -> list[ConsumerRecord[Any, Any]]:
    """Readers see a commit a moment after it."""
    deadline = time.monotonic() + PATIENCE_S
    while len(rows := await broker.rows()) < count:
        assert time.monotonic() < deadline, f"{len(rows)} of {count} rows"
        await asyncio.sleep(0.02)
    return rows


def _context(headers: Sequence[tuple[str, bytes]]) -> TraceContext | None:
    text = dict(headers).get("traceparent")
    return None if text is None else parse(text.decode())


async def test_schemas_are_published_once(kafka_world: World[Broker]) -> None:
    world = kafka_world
    world.write(market_records(52, 5))
    for _ in range(2):
        async with world.sink() as sink:
            await sink.until_seq(len(world.records()))
    rows = await world.database.rows(f"{world.database.prefix}schemas")
    assert {row.key.decode(): row.value for row in rows} == {
        f"{SCHEMA_ID}/{name}": text for name, text in schemas.files().items()
    }
    assert len(rows) == len(schemas.files())


async def test_a_sink_that_starts_again_goes_on_behind_the_topics_tail(kafka_world: World[Broker]) -> None:
    world, records = kafka_world, market_records(53, 300)
    for end in (1, 2, 90, 91, len(records)):
        world.write(records[len(world.records()) if world.tape().exists() else 0 : end])
        async with world.sink(batch_records=40) as sink:
            await sink.until_seq(end)
    assert await world.database.records() == records
    assert len(await world.database.rows()) == len(records)


async def test_a_lost_tail_is_taken_back_with_a_higher_epoch(kafka_world: World[Broker]) -> None:
    world, records = kafka_world, market_records(54, 200)
    world.write(records[:100])
    async with world.sink(batch_records=20) as sink:
        await sink.until_seq(100)
    kept = world.folders.data / "kept"
    shutil.copytree(world.tape(), kept)
    world.write(records[100:180])
    async with world.sink(batch_records=20) as sink:
        await sink.until_seq(180)
    shutil.rmtree(world.tape())
    shutil.copytree(kept, world.tape())
    other = [bytes(m.decode(raw).replace(ts=7)) for raw in records[100:190]]
    world.write(other)
    async with world.sink(batch_records=20) as sink:
        await sink.until_seq(190)
    assert await world.database.records() == [*records[:100], *other]
    rows = await world.database.rows()
    (back,) = [row for row in rows if row.value is None]
    headers = dict(back.headers)
    assert (headers["type"], int(headers["seq"]), headers["epoch"]) == (b"takenBack", 100, b"2")
    assert {dict(row.headers)["epoch"] for row in rows if row.offset > back.offset} == {b"2"}


async def test_from_builds_a_topic_anew(kafka_world: World[Broker]) -> None:
    world, records = kafka_world, market_records(55, 80)
    world.write(records)
    async with world.sink() as sink:
        await sink.until_seq(len(records))
    async with world.sink(Rebuild(seq=50, tape="orders.0")) as sink:
        await sink.until_taken(len(records) - 49)
    await _once_shown(world.database, 2 * len(records) - 49 + 1)
    assert await world.database.records() == records
    assert len(await world.database.rows()) == 2 * len(records) - 49 + 1
