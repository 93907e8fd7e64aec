"""Kafka and Redis: engine, sink, server killed under load, again and again: nothing is missing, nothing there twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sinks.broker import Broker
from tests.sinks.cache import Cache, assert_holds
from tests.sinks.kills import killed_again_and_again
from tools.services import Kafka, Redis


async def same_records(broker: Broker, records: list[bytes]) -> None:
    assert await broker.records() == records


async def kafka_killed(folder: Path, kills: int, seed: int) -> None:
    def store_of(server: Kafka) -> Broker:
        if not server.durable:
            pytest.skip("the broker of the wheel forgets everything when it is killed: install Java and Maven")
        return Broker(server.url, True)

    await killed_again_and_again(folder, Kafka, store_of, same_records, kills, seed)


async def redis_killed(folder: Path, kills: int, seed: int) -> None:
    await killed_again_and_again(folder, Redis, lambda server: Cache(server.url, folder), assert_holds, kills, seed)


async def test_a_topic_is_the_tape_after_a_few_kills(tmp_path: Path) -> None:
    await kafka_killed(tmp_path, 2, seed=7)  # the sink and the broker; an engine is killed beside the other stores


async def test_a_cache_is_the_fold_of_the_tape_after_a_few_kills(tmp_path: Path) -> None:
    await redis_killed(tmp_path, 4, seed=4)


@pytest.mark.slow
async def test_a_cache_is_the_fold_of_the_tape_after_ten_kills(tmp_path: Path) -> None:
    await redis_killed(tmp_path, 10, seed=4)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_topic_is_the_tape_after_ten_kills(tmp_path: Path) -> None:
    await kafka_killed(tmp_path, 10, seed=3)


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_a_topic_is_the_tape_after_a_hundred_kills_of_each(tmp_path: Path) -> None:
    await kafka_killed(tmp_path, 300, seed=5)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_a_cache_is_the_fold_of_the_tape_after_a_hundred_kills_of_each(tmp_path: Path) -> None:
    await redis_killed(tmp_path, 300, seed=6)
