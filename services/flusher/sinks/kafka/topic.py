"""One topic that is a tape: its producer, its tail, one batch after another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from services.flusher.sinks.kafka import clients
from services.flusher.sinks.kafka import records as rows
from services.flusher.sinks.kafka.records import Consumed, Row, Tail
from services.flusher.sinks.target import Position
from tapewire.errors import TargetError

BATCH_BYTES: Final = 1 << 19
"""Of one record batch; the broker takes 1 MiB."""
LOOK_BACK: Final = 64
"""Records of the tail read at first, and eight times as many each time the position was not among them."""
READ_S: Final = 10.0
PARTITION: Final = 0


class Topic:
    """`terms` are what clients of the broker take; `exactly`: by transactions."""

    def __init__(self, name: str, where: str, terms: dict[str, Any], exactly: bool, transaction: str) -> None:
        self.name, self._where = name, f"{where} topic {name}"
        self._terms, self._exactly, self._transaction = terms, exactly, transaction
        self._producer: AIOKafkaProducer | None = None
        self.tail = Tail(Position(), 1)
        self._end = 0
        """Behind the last offset that is known to be ours."""

    @property
    def producer(self) -> AIOKafkaProducer:
        assert self._producer is not None, "start() comes first"
        return self._producer

    async def start(self) -> None:
        """Shuts out whoever wrote here before, then reads the tail: nothing is put behind it any more but by us."""
        fence = {"transactional_id": self._transaction} if self._exactly else {}
        self._producer = AIOKafkaProducer(**self._terms, **fence, acks="all", max_batch_size=BATCH_BYTES, linger_ms=0)
        await clients.start(self._producer, self._where)
        if self._exactly:
            # The number of this incarnation is asked for now, not with the first batch: it aborts what another left.
            await self._producer.begin_transaction()
            await self._producer.abort_transaction()
        await self.look()

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    # -- the tail

    async def look(self) -> None:
        """Reads where the topic ends."""
        isolation = "read_committed" if self._exactly else "read_uncommitted"
        async with clients.consumer(self._terms, isolation) as consumer:
            at = TopicPartition(self.name, PARTITION)
            consumer.assign([at])
            begin = (await consumer.beginning_offsets([at]))[at]
            self._end = (await consumer.end_offsets([at]))[at]
            self.tail = await self._found(consumer, at, begin)

    async def _found(self, consumer: AIOKafkaConsumer, at: TopicPartition, begin: int) -> Tail:
        back, records = LOOK_BACK, list[Consumed]()
        while True:
            start = max(begin, self._end - back)
            records = await self._between(consumer, at, start)
            if tail := rows.tail_of(records, self._where):
                break
            if start == begin:
                break
            back *= 8
        if not records:
            if begin:
                raise TargetError(
                    f"{self._where}: retention of the topic removed all its records, and the position with them. Begin "
                    f"anew with --from, or delete the topic: it is filled from the tape's first record"
                )
            return Tail(Position(), 1)
        if tail is None:
            tail = rows.begun(records, self._where)
        if begin == 0 and (first := await self._first(consumer, at)) != tail.position.begin and tail.epoch == 1:
            raise TargetError(
                f"{self._where}: begins with record {first}, and its position says {tail.position.begin}: it was "
                f"deleted, and something made it again. Delete it once more: it is filled from the tape"
            )
        return tail

    async def _first(self, consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
        records = await self._between(consumer, at, 0, most=1)
        return rows.first_of(records[0], self._where)

    async def _between(
        self, consumer: AIOKafkaConsumer, at: TopicPartition, start: int, most: int | None = None
    ) -> list[Consumed]:
        """The committed records from an offset to the end. Raises TargetError: they do not come."""
        found = list[Consumed]()
        if start >= self._end:
            return found
        consumer.seek(at, start)
        deadline = asyncio.get_running_loop().time() + READ_S
        while await consumer.position(at) < self._end and (most is None or len(found) < most):
            if asyncio.get_running_loop().time() > deadline:
                raise TargetError(f"{self._where}: its tail could not be read within {READ_S:g} s")
            got: Sequence[Consumed] = (await consumer.getmany(at, timeout_ms=100)).get(at, ())
            found += got
        return found

    # -- batches

    def build(self, made: list[Row]) -> list[BatchBuilder]:
        """Rows as record batches of the wire: all the computing."""
        batches = [self.producer.create_batch()]
        for row in made:
            terms: dict[str, Any] = row._asdict()
            if batches[-1].append(**terms) is None:
                batches.append(self.producer.create_batch())
                batches[-1].append(**terms)
        for batch in batches:
            batch.close()
        return batches

    async def put(self, batches: list[BatchBuilder]) -> None:
        """All of them behind the tail, or none. Raises KafkaError, TargetError."""
        producer = self.producer
        if self._exactly:
            await producer.begin_transaction()
        try:
            sent = [await producer.send_batch(batch, self.name, partition=PARTITION) for batch in batches]
            offsets = [(await one).offset for one in sent]
            if offsets[0] < self._end:
                raise TargetError(
                    f"{self._where}: ends before what was put into it: it was deleted or cut behind our back. What is "
                    f"missing is filled from the tape"
                )
        except (KafkaError, TargetError):
            if self._exactly and not producer._txn_manager.is_fatal_error():
                await producer.abort_transaction()
            raise
        if self._exactly:
            await producer.commit_transaction()
        self._end = offsets[-1] + batches[-1].record_count()
