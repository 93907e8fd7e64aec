"""What tests of the Kafka sink share: topics of one's own on a broker, and what a reader finds in them."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError

from services.flusher.sinks.kafka.target import KafkaTarget
from tapewire.config import KafkaSink

ENV, SHARE = "test", 0.5
_numbers = itertools.count(1)


class Broker:
    """`durable`: it has transactions, as tools.services.Kafka tells."""

    sink = "kafka"

    def __init__(self, url: str, durable: bool) -> None:
        self.url, self.durable = url, durable
        self.prefix = f"t{os.getpid()}-{next(_numbers)}."

    def settings(self, **more: Any) -> KafkaSink:
        terms: dict[str, Any] = {"batch_wait": 0.01, "retry_max": 0.3, "timeout": 10.0, "transactions": self.durable}
        return KafkaSink(url=self.url, prefix=self.prefix, **terms | more)

    def target(self, settings: KafkaSink) -> KafkaTarget:
        return KafkaTarget(settings, ENV, SHARE)

    def toml(self, **more: object) -> str:
        terms = {"batch_wait": 0.01, "retry_max": 0.3, "transactions": str(self.durable).lower(), **more}
        lines = [f"{key} = {value}" for key, value in terms.items()]
        return "\n".join(("[sinks.kafka]", f'url = "{self.url}"', f'prefix = "{self.prefix}"', *lines, ""))

    def topic(self, tape: str = "orders.0") -> str:
        return f"{self.prefix}{tape}"

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.url)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def rows(self, topic: str = "") -> list[ConsumerRecord[Any, Any]]:
        """All that a reader of committed records finds."""
        at = TopicPartition(topic or self.topic(), 0)
        isolation = "read_committed" if self.durable else "read_uncommitted"
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.url,
            isolation_level=isolation,
            enable_auto_commit=False,
            auto_offset_reset="none",
        )
        await consumer.start()
        try:
            consumer.assign([at])
            end = (await consumer.end_offsets([at]))[at]
            consumer.seek(at, (await consumer.beginning_offsets([at]))[at])
            found: list[ConsumerRecord[Any, Any]] = []
            while await consumer.position(at) < end:
                found += (await consumer.getmany(at, timeout_ms=100)).get(at, ())
            return found
        finally:
            await consumer.stop()

    async def records(self) -> list[bytes]:
        """What holds: without what was taken back."""
        found: list[tuple[int, bytes]] = []
        for row in await self.rows():
            seq = int(dict(row.headers)["seq"])
            if row.value is None:
                found = [one for one in found if one[0] <= seq]
            else:
                found.append((seq, row.value))
        assert [seq for seq, _ in found] == sorted({seq for seq, _ in found})
        return [value for _, value in found]

    async def seq(self, tape: str = "orders.0") -> int:
        """The last record that readers find."""
        async with self.admin() as admin:
            if self.topic(tape) not in await admin.list_topics():
                return 0
        rows = await self.rows(self.topic(tape))
        return int(dict(rows[-1].headers)["seq"]) if rows else 0

    async def delete(self) -> None:
        async with self.admin() as admin:
            try:
                await admin.delete_topics([self.topic()])
            except UnknownTopicOrPartitionError:
                return
