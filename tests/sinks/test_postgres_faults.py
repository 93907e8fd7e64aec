"""What a target can do to a sink: a clear error, nothing lost, and it goes on by itself once that is mended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.flusher.sinks.postgres.migrate import known
from tapewire.config import PostgresSink
from tapewire.errors import ConfigError
from tests.services import own
from tests.sinks.stack import Database, World, assert_same, expected_rows, market_records
from tools.services import Postgres

SECRET = "s3cret-that-nobody-may-read"


async def mended(world: World[Database]) -> None:
    """All rows are there in the end."""
    assert_same(await world.database.rows(), expected_rows(world.records()))


async def test_a_wrong_password_is_said_and_not_told(world: World[Database]) -> None:
    records = market_records(20, 60)
    world.write(records)
    right = world.database.password_file.read_text()
    world.database.password_file.write_text(SECRET)
    async with world.sink() as sink:
        reason = await sink.until_told("password")
        assert "password_file" in reason
        assert SECRET not in reason
        world.database.password_file.write_text(right)
        await sink.until_seq(len(records))
        assert not sink.teller.reasons()
    await mended(world)


async def test_a_password_file_that_others_can_read_is_refused(world: World[Database]) -> None:
    world.write(market_records(21, 10))
    world.database.password_file.chmod(0o644)
    async with world.sink() as sink:
        assert "0600" in await sink.until_told("sinks.postgres.password_file")
        world.database.password_file.chmod(0o600)
        await sink.until_seq(len(world.records()))


def test_a_password_in_the_url_is_refused_without_being_said() -> None:
    from services.flusher.sinks.postgres.target import PostgresTarget

    with pytest.raises(ConfigError, match="password_file") as caught:
        PostgresTarget(PostgresSink(url=f"postgresql://me:{SECRET}@127.0.0.1/x"))
    assert SECRET not in str(caught.value)


async def test_a_database_that_is_missing_is_said_and_used_once_it_is_there(world: World[Database]) -> None:
    records = market_records(22, 60)
    world.write(records)
    name, database = f"later{os.getpid()}", world.database
    url = database.sink_url
    database.sink_url = url.rpartition("/")[0] + f"/{name}"
    async with world.sink() as sink:
        assert "createdb" in await sink.until_told(f'database "{name}" does not exist')
        async with database.connected() as connection:
            await connection.execute(f"CREATE DATABASE {name}")
        elsewhere = database.url
        database.url = elsewhere.rpartition("/")[0] + f"/{name}"
        await sink.until_seq(len(records))
        await mended(world)
    database.url = elsewhere
    async with database.connected() as connection:
        await connection.execute(f"DROP DATABASE {name}")


async def test_a_schema_newer_than_the_sink_is_not_touched(world: World[Database]) -> None:
    records = market_records(23, 40)
    world.write(records)
    async with world.sink() as sink:
        await sink.until_seq(len(records))
    newest = known()[-1].number
    async with world.database.connected() as connection:
        await connection.execute("INSERT INTO migrations VALUES ($1, 'of_tomorrow', 'x')", newest + 1)
    async with world.sink() as sink:
        reason = await sink.until_told(f"has version {newest + 1} (of_tomorrow)")
        assert "migrated by a newer one" in reason
        async with world.database.connected() as connection:
            await connection.execute("DELETE FROM migrations WHERE number = $1", newest + 1)
            await connection.execute("UPDATE migrations SET digest = 'other' WHERE number = 1")
        assert "never edited" in await sink.until_told("0001_tables.sql")
        async with world.database.connected() as connection:
            await connection.execute("UPDATE migrations SET digest = $1 WHERE number = 1", known()[0].digest)
        world.write(market_records(23, 60)[len(records) :])
        await sink.until_seq(len(world.records()))
    await mended(world)


async def test_a_table_dropped_behind_its_back_is_said_and_the_schema_built_anew_when_that_is_dropped(
    world: World[Database],
) -> None:
    records = market_records(24, 60)
    world.write(records)
    async with world.sink(batch_records=20) as sink:
        await sink.until_seq(len(records))
        async with world.database.connected() as connection:
            await connection.execute("DROP TABLE risk_decisions CASCADE")
        world.write(market_records(24, 80)[len(records) :])
        assert "drop the whole schema" in await sink.until_told("table risk_decisions is missing")
        await world.database.drop()
        await sink.until_seq(len(world.records()))
    await mended(world)


async def test_a_partition_dropped_behind_its_back_is_made_again(world: World[Database]) -> None:
    records = market_records(25, 60)
    world.write(records)
    async with world.sink(batch_records=20) as sink:
        await sink.until_seq(len(records))
        async with world.database.connected() as connection:
            await connection.execute("DROP TABLE risk_decisions_20231114")
        world.write(market_records(25, 80)[len(records) :])
        await sink.until_seq(len(world.records()))
    async with world.database.connected() as connection:
        kept = await connection.fetch("SELECT seq FROM risk_decisions WHERE seq > $1 ORDER BY seq", len(records))
    expected = [row["seq"] for row in expected_rows(world.records())["risk_decisions"] if row["seq"] > len(records)]
    assert [row["seq"] for row in kept] == expected


async def test_connections_that_are_cut_at_any_moment_lose_and_double_nothing(world: World[Database]) -> None:
    records = market_records(26, 1_500)
    world.write(records[:10])
    async with world.sink(batch_records=7) as sink:
        world.write(records[10:])
        async with world.database.connected() as connection:
            for _ in range(30):
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tapewire sink'"
                )
                await asyncio.sleep(0.03)
        await sink.until_seq(len(records))
    await mended(world)


async def test_a_server_that_hangs_is_given_up_and_waited_for(world: World[Database]) -> None:
    records = market_records(27, 60)
    world.write(records)
    async with world.sink(batch_records=20) as sink:
        await sink.until_seq(len(records))
    async with world.database.connected() as connection, connection.transaction():
        await connection.execute("LOCK TABLE risk_decisions")
        world.write(market_records(27, 80)[len(records) :])
        async with world.sink(batch_records=20, timeout=0.5) as sink:
            assert "no answer within 0.5 s" in await sink.until_told("no answer")
    async with world.sink(batch_records=20) as sink:
        await sink.until_seq(len(world.records()))
    await mended(world)


async def test_a_reader_in_a_long_transaction_holds_no_new_day_up(world: World[Database]) -> None:
    world.write(market_records(28, 40))
    async with world.sink() as sink:
        await sink.until_seq(len(world.records()))
        async with world.database.connected() as connection, connection.transaction():
            await connection.fetch("SELECT * FROM risk_decisions")
            async with world.database.connected() as other:
                await other.execute("DROP TABLE sessions_19700101")  # so that this day is new again
            others = market_records(28, 60)[len(world.records()) :]
            world.write(others)
            await sink.until_seq(len(world.records()))


async def test_a_full_disk_of_the_server_is_said_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: a small file system is mounted for the server's tables")
    small = tmp_path / "small"
    small.mkdir()
    with _file_system(small), own(Postgres) as server:
        await _fill(small, World(tmp_path, Database(server.url, tmp_path)))


@contextmanager
def _file_system(at: Path) -> Iterator[None]:
    """A small one, mounted there."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0777", "tmpfs", str(at)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def _fill_up(block: Path) -> None:
    with block.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    assert shutil.disk_usage(block.parent).free == 0


async def _fill(small: Path, world: World[Database]) -> None:
    space = small / "space"
    space.mkdir(mode=0o700)
    shutil.chown(space, 65534, 65534)
    async with world.database.connected() as connection:
        await connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        await connection.execute("ALTER ROLE CURRENT_USER SET default_tablespace = small")
    records = market_records(29, 400)
    world.write(records[:100])
    async with world.sink(batch_records=50) as sink:
        await sink.until_seq(100)
        block = small / "block"
        _fill_up(block)
        world.write(records[100:])
        assert "disk is full" in await sink.until_told("SQLSTATE 53100")
        block.unlink()
        await sink.until_seq(len(records))
    await mended(world)


async def test_a_server_that_is_killed_comes_back_to_the_same_rows(tmp_path: Path) -> None:
    records = market_records(30, 900)
    with own(Postgres) as server:
        world = World(tmp_path, Database(server.url, tmp_path))
        world.write(records[:100])
        async with world.sink(batch_records=9) as sink:
            await sink.until_seq(100)
            world.write(records[100:])
            server.kill()
            await sink.until_told("cannot be reached")
            await asyncio.to_thread(server.start)
            await sink.until_seq(len(records))
        await mended(world)
