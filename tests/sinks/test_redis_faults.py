"""What a Redis server can do to the sink: a clear error, nothing lost, and it goes on by itself once that is mended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis.asyncio as client

from tapewire import messages as m
from tests.services import own
from tests.sinks.cache import Cache, assert_holds
from tests.sinks.stack import World, market_records
from tests.sinks.test_redis import published
from tools.services import Redis

Place = World[Cache]
HALF = 120


@contextmanager
def served(folder: Path) -> Iterator[tuple[Redis, Place]]:
    """A server that the test may spoil, and half a tape."""
    with own(Redis) as server:
        world = World(folder, Cache(server.url, folder))
        world.write(market_records(71, 240)[:HALF])
        yield server, world


async def ends_whole(world: Place, length: int = 1000) -> None:
    await assert_holds(world.database, world.records(), length)


def rest_of(world: Place) -> list[bytes]:
    return market_records(71, 240)[len(world.records()) :]


async def test_a_server_emptied_behind_its_back_is_filled_again(tmp_path: Path) -> None:
    with served(tmp_path) as (_, world):
        async with world.sink() as sink:
            await sink.until_seq(HALF)
            async with world.database.connected() as redis:
                await redis.flushall()
            world.write(rest_of(world))
            await sink.until_seq(len(world.records()))
        await ends_whole(world)


async def test_a_replica_is_said_and_gone_on_with_once_it_is_the_primary(tmp_path: Path) -> None:
    with own(Redis) as primary, served(tmp_path) as (_, world):
        parts = urlsplit(primary.url)
        async with world.database.connected() as redis, world.sink() as sink:
            await sink.until_seq(HALF)
            await redis.config_set("masterauth", parts.password or "")
            await redis.config_set("replica-serve-stale-data", "yes")
            await redis.replicaof(str(parts.hostname), str(parts.port))
            world.write(rest_of(world))
            assert "primary" in await sink.until_told("this server only reads")
            await redis.replicaof("NO", "ONE")
            await sink.until_seq(len(world.records()))
        await ends_whole(world)


async def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    with served(tmp_path) as (server, world):
        async with world.database.connected() as redis, world.sink() as sink:
            await sink.until_seq(HALF)
            # The server cannot put its snapshot there, and takes nothing more: as with a full disk.
            (server.folder / "dump.rdb").mkdir()
            await redis.config_set("save", "3600 1")
            await redis.bgsave()
            await until_saved(redis, "err")
            world.write(rest_of(world))
            await sink.until_told("cannot write to its disk")
            (server.folder / "dump.rdb").rmdir()
            await redis.bgsave()
            await until_saved(redis, "ok")
            await sink.until_seq(len(world.records()))
        await ends_whole(world)


async def until_saved(redis: client.Redis, status: str) -> None:
    while (await redis.info("persistence"))["rdb_last_bgsave_status"] != status:
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["trades", "trade"])
async def test_a_key_of_another_kind_is_said_and_no_trade_is_twice_in_a_stream(tmp_path: Path, kind: str) -> None:
    with served(tmp_path) as (_, world):
        async with world.database.connected() as redis, world.sink() as sink:
            await sink.until_seq(HALF)
            before = await world.database.hashes("trade")
            key = f"{world.database.prefix}{kind}:{next(iter(before))}"
            kept = await redis.dump(key)
            assert kept is not None
            await redis.set(key, "of somebody else")
            world.write(rest_of(world))
            reason = await sink.until_told("WRONGTYPE")
            assert "delete that key" in reason
            await redis.restore(key, 0, kept, replace=True)
            await sink.until_seq(len(world.records()))
            # What was refused is put once more with the first batch after a start.
        world.write([last_again(world)])
        async with world.sink() as sink:
            await sink.until_seq(len(world.records()))
        await ends_whole(world)


def last_again(world: Place) -> bytes:
    """A record more that changes nothing."""
    seq = len(world.records()) + 1
    return bytes(m.InputRefused(seq=seq, ts=m.decode(world.records()[-1]).ts))


async def test_a_user_who_may_not_publish_is_said_and_no_message_is_left_out(tmp_path: Path) -> None:
    with served(tmp_path) as (_, world):
        cache = world.database
        async with cache.connected() as redis:
            rights = ("reset", "on", ">secret", f"~{cache.prefix}*", "+@all", "-@dangerous")
            await redis.execute_command("ACL", "SETUSER", "sink", *rights)  # type: ignore[no-untyped-call]
            cache.sink_url = cache.sink_url.replace("://", "://sink@")
            cache.password_file.write_text("secret")
            heard = list[bytes]()
            async with redis.pubsub() as channel, world.sink() as sink:
                await channel.psubscribe(f"{cache.env}.*")
                assert "(EVAL" not in await sink.until_told("the user may not do this")
                assert await cache.seq() == 0
                await redis.execute_command("ACL", "SETUSER", "sink", f"&{cache.env}.*")  # type: ignore[no-untyped-call]
                await sink.until_taken(HALF)
                expected = [payload for _, payload in published(cache.env, world.records())]
                # What is late is waited for; what comes twice is there within the half second behind.
                while one := await channel.get_message(timeout=30 if len(heard) < len(expected) else 0.5):
                    heard += [one["data"]] if one["type"] == "pmessage" else []
        assert heard == expected
