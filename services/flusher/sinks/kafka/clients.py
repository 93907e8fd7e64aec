"""Clients of a broker that are let go whatever happens to them, also while they begin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, UnknownError

from tapewire.errors import TargetError


@asynccontextmanager
async def consumer(terms: dict[str, Any], isolation: str) -> AsyncIterator[AIOKafkaConsumer]:
    """One that is assigned by hand and keeps no offsets."""
    made = AIOKafkaConsumer(**terms, isolation_level=isolation, enable_auto_commit=False, auto_offset_reset="none")
    try:
        await made.start()
        yield made
    finally:
        with suppress(KafkaError, OSError):  # what it could not read is said already
            await made.stop()


@asynccontextmanager
async def admin(terms: dict[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    made = AIOKafkaAdminClient(**terms)
    try:
        await made.start()
        yield made
    finally:
        with suppress(KafkaError, OSError):  # as above
            await made.close()


async def policy(admin: AIOKafkaAdminClient, topic: str) -> str:
    """Its cleanup.policy; empty if the broker does not say. Raises KafkaError."""
    for answer in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]):
        for _, _, _, _, entries in answer.resources:
            for name, value, *_ in entries:
                if name == "cleanup.policy":
                    return str(value)
    return ""


async def start(producer: AIOKafkaProducer, where: str) -> None:
    """Raises KafkaError, TargetError: the broker gives no producer ids."""
    try:
        await producer.start()
    except UnknownError as error:
        # All it says to InitProducerId, the one request of a start that not every broker knows.
        raise TargetError(
            f"{where}: the broker gives no producer id: {error}. One that has no transactions needs [sinks.kafka] "
            f"transactions = false; of another its log says more. Nothing is lost; it is tried again"
        ) from error
