"""Kafka as the target of a sink: a topic of one partition for each tape, in its order, and the position within it.

    open      the topic of schemas is there, and has ours
    resume    InitProducerId (whoever wrote before is shut out), then the topic's tail: seq, marks, epoch
    commit    one transaction: the records, the last of them with the position
    take_back a null value that says behind which seq nothing holds any more; what follows has an epoch one higher

A batch is there whole for readers of committed records, or not at all. Without transactions a batch may be torn; the
tail is then the last record that is there, and the rest follows it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code
from aiokafka.producer.message_accumulator import BatchBuilder

from services.flusher.sinks.kafka import clients, records
from services.flusher.sinks.kafka.contexts import Contexts
from services.flusher.sinks.kafka.faults import told
from services.flusher.sinks.kafka.topic import Topic
from services.flusher.sinks.target import Batch, Committed, Position, Resume
from tapewire.bus import schemas
from tapewire.config import Config, KafkaSink
from tapewire.errors import TapewireError, TargetError
from tapewire.fix.auth import read_private

CLIENT: Final = "tapewire-sink"
EXISTS: Final = 36  # TopicAlreadyExists
STOP_S: Final = 2.0
POLICIES: Final = ("delete", "")
"""What a tape's topic may have as cleanup.policy; nothing, where the broker does not say."""
_DAY_MS: Final = 86_400_000


class KafkaTarget:
    def __init__(self, settings: KafkaSink, env: str, share: float) -> None:
        """`env`, and the share of traces that are exported: both settle what the header `traceparent` says."""
        self._settings, self._env, self._share = settings, env, share
        self.where = f"kafka {settings.url} prefix {settings.prefix}"
        self._terms: dict[str, Any] = {}
        self._topics: dict[str, Topic] = {}
        self._contexts: dict[str, Contexts] = {}

    def _client_terms(self) -> dict[str, Any]:
        """How every client reaches the broker. Raises TargetError: a secret or certificate cannot be read."""
        settings = self._settings
        terms: dict[str, Any] = {
            "bootstrap_servers": settings.url,
            "client_id": CLIENT,
            "request_timeout_ms": max(1000, int(settings.timeout * 1000)),
            "security_protocol": ("SASL_" if settings.user else "") + ("SSL" if settings.tls else "PLAINTEXT"),
        }
        try:
            if settings.user:
                password = read_private(settings.password_file)
                terms |= {
                    "sasl_mechanism": settings.sasl,
                    "sasl_plain_username": settings.user,
                    "sasl_plain_password": password,
                }
            if settings.tls:
                given = settings.tls_ca if settings.tls_ca != Path() else None
                terms["ssl_context"] = ssl.create_default_context(cafile=given)
        except (TapewireError, OSError) as error:
            raise TargetError(f"sinks.kafka: {error}") from None
        return terms

    # -- beginning

    async def open(self) -> None:
        self._terms = self._client_terms()
        with told(self.where):
            if self._settings.user:
                await self._log_on()
            name = f"{self._settings.prefix}schemas"
            await self._make(name, {"cleanup.policy": "compact"})
            await self._publish_schemas(name)

    async def _log_on(self) -> None:
        """To the first server that takes connections: a client only says that it could not begin, and logs why."""
        terms = {name: value for name, value in self._terms.items() if name != "bootstrap_servers"}
        for address in self._settings.url.split(","):
            host, _, port = address.rpartition(":")
            with suppress(OSError, KafkaConnectionError):  # it is away: the next one, and in the end the client itself
                (await create_conn(host, int(port), **terms)).close()
                return

    async def close(self) -> None:
        topics, self._topics = list(self._topics.values()), {}
        for topic in topics:
            with suppress(KafkaError, OSError, TimeoutError):  # it is broken already: the broker aborts what is open
                await asyncio.wait_for(topic.stop(), STOP_S)

    async def _make(self, name: str, terms: dict[str, str]) -> None:
        """A topic of one partition, if there is none of that name. Raises TargetError: it has more."""
        async with clients.admin(self._terms) as admin:
            new = NewTopic(name, 1, self._settings.replicas, topic_configs=terms)
            answer = await admin.create_topics([new])
            for _, code, *_ in answer.topic_errors:
                if code not in (0, EXISTS):
                    raise for_code(code)(f"topic {name} cannot be made")
            (found,) = await admin.describe_topics([name])
            policy = await clients.policy(admin, name) if self._settings.transactions else POLICIES[0]
        if (partitions := len(found["partitions"])) > 1:
            raise TargetError(
                f"{self.where}: topic {name} has {partitions} partitions, and a tape is one order: expected 1. Delete "
                f"it, and the sink makes it; or give the sink another prefix"
            )

        if name != f"{self._settings.prefix}schemas" and policy not in POLICIES:
            raise TargetError(
                f"{self.where}: topic {name} has cleanup.policy={policy}: the broker would remove records of a tape by "
                f"their key. Expected delete: set it if nothing was removed yet; else delete the topic, and the sink "
                f"makes and fills it"
            )

    async def _publish_schemas(self, name: str) -> None:
        """Ours, under its id, unless it is there: readers of old records find old ones."""
        at = TopicPartition(name, 0)
        async with clients.consumer(self._terms, "read_uncommitted") as consumer:
            consumer.assign([at])
            end = (await consumer.end_offsets([at]))[at]
            consumer.seek(at, (await consumer.beginning_offsets([at]))[at])
            known = set[bytes]()
            while await consumer.position(at) < end:
                for record in (await consumer.getmany(at, timeout_ms=100)).get(at, ()):
                    known.add(record.key)
        wanted = {f"{records.SCHEMA_ID}/{file}".encode(): text for file, text in schemas.files().items()}
        if missing := wanted.keys() - known:
            producer = AIOKafkaProducer(**self._terms, enable_idempotence=self._settings.transactions, acks="all")
            try:
                await clients.start(producer, self.where)
                for key in sorted(missing):
                    await producer.send_and_wait(name, wanted[key], key=key)
            finally:
                await producer.stop()

    # -- positions

    def _topic(self, tape: str) -> Topic:
        name = f"{self._settings.prefix}{tape}"
        return Topic(name, self.where, self._terms, self._settings.transactions, name)

    async def positions(self) -> dict[str, Position]:
        with told(self.where):
            async with clients.admin(self._terms) as admin:
                names: list[str] = await admin.list_topics()
            prefix = self._settings.prefix
            found = {}
            for name in names:
                if name.startswith(prefix) and name != f"{prefix}schemas":
                    topic = self._topic(name.removeprefix(prefix))
                    await topic.look()
                    found[name.removeprefix(prefix)] = topic.tail.position
            return found

    async def resume(self, tape: str, folder: Path) -> Resume:
        position = (await self._started(tape)).tail.position
        self._contexts[tape] = contexts = Contexts(folder, self._env, self._share)
        return Resume(position, position.seq, contexts.held_at(position.seq))

    async def _started(self, tape: str) -> Topic:
        with told(self.where):
            if before := self._topics.pop(tape, None):
                await before.stop()
            topic = self._topic(tape)
            days, mb = self._settings.retain_days, self._settings.retain_mb
            terms = {
                "cleanup.policy": "delete",
                "retention.ms": str(days * _DAY_MS if days else -1),
                "retention.bytes": str(mb * 10**6 if mb else -1),
            }
            await self._make(topic.name, terms)
            self._topics[tape] = topic  # before it starts, so that `close` finds it
            await topic.start()
            return topic

    async def take_back(self, tape: str, position: Position) -> None:
        topic = await self._started(tape)
        with told(self.where):
            if topic.tail.position.seq or position.seq:
                row = records.taken_back(position, topic.tail.epoch + 1, time.time_ns() // 1_000_000)
                await topic.put(topic.build([row]))

    # -- records

    def fold(self, tape: str, records: list[bytes]) -> None:
        """Nothing: the target has no state of its own, and says so in `resume`."""

    async def prepare(self, batch: Batch) -> list[BatchBuilder]:
        topic, contexts = self._topics[batch.tape], self._contexts[batch.tape]
        return topic.build(records.rows(batch.records, topic.tail.epoch, batch.position, contexts))

    async def commit(self, batch: Batch, prepared: list[BatchBuilder]) -> Committed:
        topic = self._topics[batch.tape]
        with told(self.where):
            if topic.tail.position.seq != batch.before.seq:
                raise TargetError(
                    f"{self.where}: topic {topic.name} ends with record {topic.tail.position.seq}, expected "
                    f"{batch.before.seq}. It is read again"
                )
            await topic.put(prepared)
        topic.tail = topic.tail._replace(position=batch.position)
        hold = self._contexts[batch.tape].held(batch.records[-1], batch.whole)
        return Committed(len(batch.records), hold)

    async def upkeep(self) -> None:
        """Nothing: the broker lets old records go by the topic's own retention."""


def target(config: Config) -> KafkaTarget:
    """As the settings say."""
    return KafkaTarget(config.sinks.kafka, config.env, config.monitor.sample)
