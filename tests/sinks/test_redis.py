"""The Redis sink against a server: what holds, what is published, what is kept; and what a server can do to it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio.client import PubSub

from services.flusher.sinks.redis.target import RedisTarget
from tapewire import messages as m
from tapewire.config import RedisSink
from tapewire.errors import ConfigError
from tapewire.fixed import to_text
from tapewire.house import HouseMarket, Publication
from tests.services import Running, own
from tests.sinks.cache import Cache, assert_holds
from tests.sinks.stack import World, market_records
from tools.services import Redis

SECRET = "s3cret-that-nobody-may-read"


@pytest.fixture
async def cached(tmp_path: Path, redis: Running) -> AsyncIterator[World[Cache]]:
    cache = Cache(redis.url, tmp_path)
    yield World(tmp_path, cache)
    await cache.drop()


def published(env: str, records: list[bytes]) -> list[Publication]:
    market = HouseMarket(env)
    out = [one for raw in records for one in market.fold(raw)] + market.settle()
    return [one for one in out if one[0].split(".")[2] != "exec"]


async def test_what_holds_is_the_fold_of_the_tape(cached: World[Cache]) -> None:
    records = market_records(61, 400)
    cached.write(records)
    async with cached.sink(batch_records=70) as sink:
        await sink.until_taken(len(records))
    await assert_holds(cached.database, records)
    market = HouseMarket(cached.database.env)
    for raw in records:
        market.fold(raw)
    market.settle()
    tops = await cached.database.hashes("top")
    for ticker in market.tickers:
        book = market.book(ticker)
        assert book is not None
        bid, bid_qty, ask, ask_qty = book.top
        terms = book.definition
        if f"house:{ticker}" in tops:
            held = tops[f"house:{ticker}"]
            assert held["bid"] == (to_text(bid, terms.price_exponent) if bid_qty else "")
            assert held["ask"] == (to_text(ask, terms.price_exponent) if ask_qty else "")
            assert held["bid_qty"] == to_text(bid_qty, terms.qty_exponent)
            assert held["ask_qty"] == to_text(ask_qty, terms.qty_exponent)
        else:
            assert (bid_qty, ask_qty) == (0, 0)
    assert tops


async def test_channels_have_the_subjects_and_the_bytes_of_the_bus(cached: World[Cache]) -> None:
    records = market_records(62, 150)
    cached.write(records)
    async with cached.database.connected() as redis, redis.pubsub() as channel:
        await channel.psubscribe(f"{cached.database.env}.*")
        await channel.get_message(timeout=5)
        async with cached.sink(batch_records=40) as sink:
            await sink.until_taken(len(records))
        expected, found = published(cached.database.env, records), list[Publication]()
        while len(found) < len(expected) and (message := await channel.get_message(timeout=5)):
            found.append((message["channel"].decode(), message["data"]))
        assert await channel.get_message(timeout=0.2) is None
    assert found == expected


async def messages(channel: PubSub, most: int) -> list[Publication]:
    """What a listener hears until there is nothing more, or more than `most`."""
    found = list[Publication]()
    while len(found) <= most and (heard := await channel.get_message(timeout=0.5)):
        if heard["type"] == "pmessage":
            found.append((heard["channel"].decode(), heard["data"]))
    return found


async def test_a_sink_that_starts_again_publishes_nothing_twice(cached: World[Cache]) -> None:
    records = market_records(73, 200)
    ends = ends_of_commands(records)
    async with cached.database.connected() as redis, redis.pubsub() as channel:
        await channel.psubscribe(f"{cached.database.env}.*")
        done = 0
        for end in (*ends[20::45], len(records)):
            cached.write(records[done:end])
            done = end
            async with cached.sink(batch_records=40, snapshot_every=100) as sink:
                await sink.until_seq(end)
        expected = published(cached.database.env, records)
        assert await messages(channel, len(expected)) == expected
    await assert_holds(cached.database, records)


def ends_of_commands(records: list[bytes]) -> list[int]:
    """How many records there are up to the end of each command."""
    heads = [m.decode(raw) for raw in records]
    groups = [head.cause or head.seq for head in heads]
    return [at for at in range(1, len(groups)) if groups[at] != groups[at - 1]]


@pytest.mark.parametrize("batches", [1, 7])
async def test_a_top_is_there_though_the_tape_ends_with_a_full_batch(cached: World[Cache], batches: int) -> None:
    """A batch that is full may end within a command; the tape's end never does."""
    records = market_records(74, 200)
    market, at, top = HouseMarket("test"), 0, b""
    for end in ends_of_commands(records):
        for raw in records[at:end]:
            market.fold(raw)
        quotes = [payload for where, payload in market.settle() if where.split(".")[2] == "quote"]
        at, top = end, quotes[-1] if quotes else b""
        if top and end > 100 and end % batches == 0:
            break
    assert top
    quote = m.Quote.decode(top)
    cached.write(records[:at])
    async with cached.database.connected() as redis, redis.pubsub() as channel:
        await channel.psubscribe(f"{cached.database.env}.*")
        async with cached.sink(batch_records=at // batches) as sink:
            await sink.until_seq(at)
        expected = published(cached.database.env, records[:at])
        assert await messages(channel, len(expected)) == expected
    held = (await cached.database.hashes("top"))[f"house:{quote.ticker}"]
    assert int(held["seq"]) == quote.seq


async def test_a_sink_that_starts_again_goes_on_from_its_state(cached: World[Cache]) -> None:
    records = market_records(63, 400)
    done = 0
    for end in (1, 50, 333, len(records)):
        cached.write(records[done:end])
        done = end
        async with cached.sink(batch_records=40, snapshot_every=100) as sink:
            await sink.until_seq(end)
    await assert_holds(cached.database, records)


async def test_streams_are_capped_and_what_is_old_goes_by_itself(cached: World[Cache]) -> None:
    records = market_records(64, 400)
    cached.write(records)
    async with cached.sink(stream_length=5, ttl=1000) as sink:
        await sink.until_taken(len(records))
    await assert_holds(cached.database, records, length=5)
    async with cached.database.connected() as redis:
        for kind, has in (("trade", True), ("trades", True), ("top", True), ("position", False), ("tape", False)):
            keys = [key async for key in redis.scan_iter(match=f"{cached.database.prefix}{kind}:*")]
            assert keys
            assert {await redis.ttl(key) > 0 for key in keys} == {has}


async def test_a_lost_tail_is_taken_back(cached: World[Cache]) -> None:
    records = market_records(65, 300)
    cached.write(records[:200])
    async with cached.sink(batch_records=50, snapshot_every=100) as sink:
        await sink.until_seq(200)
    kept = cached.folders.data / "kept"
    shutil.copytree(cached.tape(), kept)
    cached.write(records[200:290])
    async with cached.sink(batch_records=50, snapshot_every=100) as sink:
        await sink.until_seq(290)
    shutil.rmtree(cached.tape())
    shutil.copytree(kept, cached.tape())
    other = [bytes(m.decode(raw).replace(ts=7)) for raw in records[200:]]
    cached.write(other)
    async with cached.sink(batch_records=50, stream_length=0) as sink:
        await sink.until_seq(len(records))
    now = [*records[:200], *other]
    positions = await cached.database.hashes("position")
    async with cached.database.connected() as redis:
        await redis.flushdb()
    async with cached.sink(stream_length=0) as sink:
        await sink.until_seq(len(now))
    assert await cached.database.hashes("position") == positions


def test_a_password_in_the_url_is_refused_without_being_said() -> None:
    with pytest.raises(ConfigError, match="password_file") as caught:
        RedisTarget(RedisSink(url=f"redis://:{SECRET}@127.0.0.1/0"), "test")
    assert SECRET not in str(caught.value)


async def test_a_wrong_password_is_said_and_not_told(cached: World[Cache]) -> None:
    cached.write(market_records(66, 60))
    right = cached.database.password_file.read_text()
    cached.database.password_file.write_text(SECRET)
    async with cached.sink() as sink:
        reason = await sink.until_told("password_file")
        assert SECRET not in reason
        cached.database.password_file.write_text(right)
        await sink.until_seq(len(cached.records()))
    await assert_holds(cached.database, cached.records())


async def test_keys_deleted_behind_its_back_are_built_anew(cached: World[Cache]) -> None:
    records = market_records(67, 300)
    cached.write(records[:150])
    async with cached.sink() as sink:
        await sink.until_seq(150)
        await cached.database.drop()
        cached.write(records[150:])
        await sink.until_seq(len(records))
    await assert_holds(cached.database, records)


async def test_a_format_newer_than_the_sink_is_not_touched(cached: World[Cache]) -> None:
    records = market_records(68, 60)
    cached.write(records)
    key, newer = f"{cached.database.prefix}tape:orders.0", b'{"format":3,"seq":1,"begin":1,"marks":[],"state":0}'
    async with cached.database.connected() as redis:
        await redis.set(key, newer)
        async with cached.sink() as sink:
            await sink.until_told("written by a newer one")
            assert await redis.get(key) == newer
            await redis.delete(key)
            await sink.until_seq(len(records))
    await assert_holds(cached.database, records)


async def test_memory_that_is_full_is_said_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    records = market_records(69, 200)
    with own(Redis) as server:
        world = World(tmp_path, Cache(server.url, tmp_path))
        world.write(records)
        async with world.database.connected() as redis:
            await redis.config_set("maxmemory", "1")
            async with world.sink() as sink:
                await sink.until_told("memory is full")
                await redis.config_set("maxmemory", "0")
                await sink.until_seq(len(records))
        await assert_holds(world.database, records)


async def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    records = market_records(70, 300)
    with own(Redis) as server:
        world = World(tmp_path, Cache(server.url, tmp_path))
        world.write(records[:100])
        async with world.sink(batch_records=9) as sink:
            await sink.until_seq(100)
            server.kill()
            world.write(records[100:])
            await sink.until_told("cannot be reached")
            await asyncio.to_thread(server.start)
            await sink.until_seq(len(records))
        await assert_holds(world.database, records)
