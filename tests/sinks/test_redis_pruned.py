"""A Redis that is first filled where the tape's beginning was removed: what is not known is not there."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from services.api.cache import Cache as ReadByTheApi
from services.flusher.sinks import status
from services.flusher.sinks.sink import Rebuild
from tapewire import messages as m
from tapewire import snapshots
from tapewire.last_known import LastKnown
from tapewire.tape import inspect
from tests.engine_states import snapshot_of
from tests.oracle.naive_market import NaiveMarket
from tests.services import Running
from tests.sinks.cache import Cache, expected_positions, expected_trades
from tests.sinks.stack import World
from tests.sinks.test_redis import published


@pytest.fixture
async def cached(tmp_path: Path, redis: Running) -> AsyncIterator[World[Cache]]:
    cache = Cache(redis.url, tmp_path)
    yield World(tmp_path, cache)
    await cache.drop()


def played(seed: int) -> NaiveMarket:
    market = NaiveMarket(seed)
    for _ in range(1200):
        market.step()
    return market


def prune(tape: Path) -> int:
    """Removes the first half of its segments; returns the first record that is left."""
    found = inspect.segments(tape)
    for one in found[: len(found) // 2]:
        one.path.unlink()
    return inspect.segments(tape)[0].first_seq


async def assert_stands(cache: Cache, records: list[bytes], at: int, begun: int) -> None:
    """Net positions of the whole fold, known from record `at`, and nothing else of them; trades behind `begun`."""
    held, whole = await cache.hashes("position"), expected_positions(records)
    assert {fields.keys() == {"seq", "ts", "net", "known_from"} for fields in held.values()} == {True}
    assert {int(fields["known_from"]) for fields in held.values()} == {at}
    net = {key: Decimal(fields["net"]) for key, fields in held.items() if Decimal(fields["net"])}
    assert net == {key: Decimal(row["net"]) for key, row in whole.items() if row["net"]}
    for key, row in whole.items():
        if row["seq"] > at:
            assert int(held[key]["seq"]) == row["seq"]
    last = {key: int(one["seq"]) for key, one in (await cache.hashes("trade")).items()}
    trades = {key: [int(row["seq"]) for row in rows] for key, rows in expected_trades(records).items()}
    assert last == {key: seqs[-1] for key, seqs in trades.items() if seqs[-1] > begun}


async def tops(cache: Cache) -> dict[str, dict[str, str]]:
    """Those that show something, without what a pruned tape says otherwise."""
    found = await cache.hashes("top")
    return {
        key: {name: one[name] for name in ("bid", "bid_qty", "ask", "ask_qty", "quality")}
        for key, one in found.items()
        if one["bid"] or one["ask"]
    }


async def test_it_begins_at_the_engines_snapshot_and_goes_on_as_the_whole_fold(
    cached: World[Cache], tmp_path: Path, redis: Running
) -> None:
    market, cache, tape = played(81), cached.database, cached.tape()
    records, done = market.records, market.ends[-40]
    # The whole tape, kept aside, into a Redis of its own: what stands at two places.
    other = World(tmp_path / "aside", Cache(redis.url, tmp_path))
    expected = []
    other.write(records[:done])
    async with other.sink() as sink:
        await sink.until_seq(done)
        expected.append(await tops(other.database))
        other.write(records[done:])
        await sink.until_seq(len(records))
        expected.append(await tops(other.database))
    await other.database.drop()

    cached.write(records[:done])
    first = prune(tape)
    at = next(end for end in market.ends if end > first + 30)
    async with cached.sink() as sink:
        assert f"--from {first} --tape orders.0" in await sink.until_told("retention removed what it had not taken")
    asked = Rebuild(seq=first, tape="orders.0")
    async with cached.sink() as sink:
        await sink.until_told("retention removed")
    assert not await cache.hashes("position")

    snapshots.save(tape, snapshot_of(records[:at]))
    async with cache.connected() as connection, connection.pubsub() as channel:
        await channel.psubscribe(f"{cache.env}.house.trade.*")
        await channel.get_message(timeout=5)
        async with cached.sink(asked, batch_records=17, snapshot_every=10**9) as sink:
            await sink.until_seq(done)
            said = status.read(cached.folders, "redis")
            assert said is not None
            assert said.tapes["orders.0"].reason == f"what stands is known from record {at} on"
        told = [one for one in published(cache.env, records[:done]) if ".house.trade." in one[0]]
        since = [(where, raw) for where, raw in told if m.decode(raw).seq > at]
        heard = []
        while (message := await channel.get_message(timeout=1.0)) is not None:
            heard.append((message["channel"].decode(), message["data"]))
        assert heard == since
    await assert_stands(cache, records[:done], at, at)
    assert await tops(cache) == expected[0]

    # It is started again, without a state of its own, and then with one; the engine has taken another snapshot.
    snapshots.save(tape, snapshot_of(records[: market.ends[-60]]))
    cached.write(records[done:])
    async with cached.sink(snapshot_every=20) as sink:
        await sink.until_seq(len(records))
    later = market.ends[-60]
    await assert_stands(cache, records, later, at)
    assert await tops(cache) == expected[1]
    shutil.rmtree(snapshots.folder(tape))
    async with cached.sink(snapshot_every=20) as sink:
        await sink.until_seq(len(records))
    await assert_stands(cache, records, later, at)

    # And the API reads it.
    known = LastKnown(cache.url, prefix=cache.prefix)
    reading = ReadByTheApi(known, "there", "orders.0", cached.log)
    found = await reading.positions([1, 2, 3])
    await reading.close()
    assert found is not None
    assert found.positions
    assert {one.known_from for one in found.positions} == {later}


async def test_without_a_snapshot_of_the_engine_it_waits_and_says_so(cached: World[Cache]) -> None:
    market, tape = played(82), cached.tape()
    cached.write(market.records)
    first = prune(tape)
    async with cached.sink(Rebuild(seq=first, tape="orders.0")) as sink:
        await sink.until_told("no snapshot of the engine stands there or behind it")
        assert not await cached.database.hashes("position")
        # Once there is one, it begins by itself; also right at the tape's end.
        snapshots.save(tape, snapshot_of(market.records))
        await sink.until_seq(len(market.records))
    await assert_stands(cached.database, market.records, len(market.records), len(market.records))
