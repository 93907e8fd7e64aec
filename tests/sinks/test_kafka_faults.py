"""What a broker can do to the sink: a clear error, nothing lost, and it goes on by itself once that is mended."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tapewire import messages as m
from tests.services import Running, own
from tests.sinks.broker import Broker
from tests.sinks.stack import World, market_records
from tools.services import Kafka

SECRET = "s3cret-that-nobody-may-read"
SASL = """\
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
inter.broker.listener.name=PLAINTEXT
listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
username="me" password="right" user_me="right";
"""


class SaslKafka(Kafka):
    """A broker that asks who you are."""

    def _prepare(self) -> None:
        super()._prepare()
        if self.durable:
            text = self._config.read_text()
            if SASL not in text:
                self._config.write_text(text.replace("PLAINTEXT:PLAINTEXT,CON", "PLAINTEXT:SASL_PLAINTEXT,CON") + SASL)


def real(server: Kafka) -> None:
    if not server.durable:
        pytest.skip("the broker of the wheel has neither users nor transactions: install Java and Maven")


@pytest.mark.timeout(120)
async def test_a_broker_that_is_killed_is_waited_for(tmp_path: Path) -> None:
    with own(Kafka) as server:
        real(server)
        await away(World(tmp_path, Broker(server.url, True)), server)


@pytest.fixture
def world(tmp_path: Path, kafka: Running) -> World[Broker]:
    """Topics of its own on the broker of all: a start of one takes longer than a test."""
    if kafka.server is not None:
        assert isinstance(kafka.server, Kafka)
        real(kafka.server)
    return World(tmp_path, Broker(kafka.url, True))


async def test_a_topic_deleted_behind_its_back_is_made_anew(world: World[Broker]) -> None:
    """And filled from the first record."""
    records = market_records(81, 120)
    world.write(records[:60])
    async with world.sink(batch_records=20) as sink:
        await sink.until_taken(60)
        await world.database.delete()
        world.write(records[60:])
        await sink.until_seq(len(records))
    assert await world.database.records() == records


async def away(world: World[Broker], server: Kafka) -> None:
    before = 60
    world.write(market_records(81, 120)[:before])
    async with world.sink(batch_records=20, timeout=3.0) as sink:
        await sink.until_seq(before)
        server.kill()
        world.write(market_records(81, 200)[before:])
        assert "broker" in await sink.until_told("broker")
        await asyncio.to_thread(server.start)
        await sink.until_seq(len(world.records()))
    assert await world.database.records() == world.records()


async def test_a_record_larger_than_the_broker_takes_is_said(world: World[Broker]) -> None:
    records = market_records(82, 120)
    world.write(records[:10])
    topic = world.database.topic()
    async with world.sink(batch_records=500) as sink:
        await sink.until_taken(10)
        await limit(world.database, topic, 300)
        world.write(records[10:])
        assert "max.message.bytes" in await sink.until_told("larger than the broker takes")
        await limit(world.database, topic, 1 << 20)
        await sink.until_seq(len(records))
    assert await world.database.records() == records


async def limit(broker: Broker, topic: str, most: int) -> None:
    async with broker.admin() as admin:
        terms = {"max.message.bytes": str(most)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, terms)])


async def test_records_of_somebody_else_and_of_a_newer_format_are_said(world: World[Broker]) -> None:
    world.write(market_records(83, 20))
    newer = [("seq", b"1"), ("epoch", b"1"), ("position", b'{"format":2,"begin":1,"seq":1,"marks":[]}')]
    for headers, said in ((newer, "written by a newer one"), ([], "was not put there by this sink")):
        async with AIOKafkaProducer(bootstrap_servers=world.database.url) as producer:
            await producer.send_and_wait(world.database.topic(), b"x", headers=headers)
        async with world.sink() as sink:
            await sink.until_told(said)
    async with world.sink() as sink:
        await world.database.delete()
        await sink.until_seq(len(world.records()))
    assert await world.database.records() == world.records()


async def test_a_topic_with_more_than_one_partition_is_said(world: World[Broker]) -> None:
    world.write(market_records(84, 20))
    async with world.database.admin() as admin:
        await admin.create_topics([NewTopic(world.database.topic(), 3, 1)])
    async with world.sink() as sink:
        assert "expected 1" in await sink.until_told("has 3 partitions")


async def test_a_tape_whose_time_is_ahead_is_said(world: World[Broker]) -> None:
    """A sequencer whose clock is wrong by two hours."""
    late = time.time_ns() + 2 * 3600 * 10**9
    world.write([bytes(m.decode(raw).replace(ts=late)) for raw in market_records(88, 20)])
    async with world.sink() as sink:
        assert "after.max.ms" in await sink.until_told("the tape's time is ahead")
        async with world.database.admin() as admin:
            terms = {"message.timestamp.after.max.ms": str(1 << 62)}
            topic = world.database.topic()
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, terms)])
        await sink.until_seq(len(world.records()))
    assert await world.database.records() == world.records()


async def test_a_topic_that_is_compacted_is_said(world: World[Broker]) -> None:
    """A broker that keeps the last record of each key would eat the tape."""
    world.write(market_records(84, 20))
    topic = world.database.topic()
    async with world.database.admin() as admin:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"cleanup.policy": "compact"})])
        async with world.sink() as sink:
            assert "Expected delete" in await sink.until_told("cleanup.policy=compact")
            terms = {"cleanup.policy": "delete"}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, terms)])
            await sink.until_seq(len(world.records()))
    assert await world.database.records() == world.records()


@pytest.mark.timeout(120)
async def test_a_wrong_password_is_said_and_not_told(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text(SECRET)
    with own(SaslKafka) as server:
        real(server)
        world = World(tmp_path, Broker(server.url, True))
        world.write(market_records(85, 60))
        async with world.sink(user="me", password_file=password, sasl="PLAIN") as sink:
            reason = await sink.until_told("password_file")
            assert SECRET not in reason
            password.write_text("right")
            await sink.until_taken(len(world.records()))


async def test_a_broker_that_is_not_there_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, Broker("127.0.0.1:9", True))
    world.write(market_records(86, 10))
    async with world.sink(timeout=1.0) as sink:
        assert "address in url" in await sink.until_told("is the broker running")
