"""A schema that an older build made, rows and all, is brought forward; what people ask keeps its indexes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg

from services.flusher.sinks.postgres import partitions
from services.flusher.sinks.postgres.migrate import known
from services.flusher.sinks.postgres.tables import COLUMNS, PARTITIONED
from tests.sinks.stack import Database, World, assert_same, expected_rows, market_records

DOCUMENT = Path(__file__).parents[2] / "docs" / "postgres.md"
OLD = 3
"""The version that the rows are in before."""


async def made_by_an_older_build(world: World[Database], records: list[bytes]) -> None:
    """The sink's rows of `records` in a schema of version OLD, with that version's indexes on its partitions."""
    world.write(records)
    async with world.sink() as sink:
        await sink.until_seq(len(records))
    schema = world.database.schema
    async with world.database.connected() as connection:
        days = {(one.table, one.day) for one in await partitions.found(connection, schema)}
        await connection.execute(f"ALTER SCHEMA {schema} RENAME TO {schema}_newer; CREATE SCHEMA {schema}")
        await connection.execute(
            "CREATE TABLE migrations (number integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL, "
            "applied timestamptz NOT NULL DEFAULT now())"
        )
        for step in known()[:OLD]:
            await connection.execute(step.sql)
            await connection.execute("INSERT INTO migrations VALUES ($1, $2, $3)", step.number, step.name, step.digest)
        for table, day in sorted(days):
            await partitions.make(connection, table, day)
        for table in ("tapes", "states", *COLUMNS):
            await connection.execute(f"INSERT INTO {table} SELECT * FROM {schema}_newer.{table}")
        await connection.execute(f"DROP SCHEMA {schema}_newer CASCADE")


async def indexes(connection: asyncpg.Connection, schema: str) -> list[tuple[str, str]]:
    """Of each table what its indexes are, but for their names and the schema's."""
    found = await connection.fetch("SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = $1", schema)
    return sorted((row["tablename"], re.sub(r"INDEX \S+ ", "", row["indexdef"].replace(schema, "s"))) for row in found)


async def test_a_schema_of_an_older_version_is_migrated_with_its_rows_however_long_that_takes(
    world: World[Database],
) -> None:
    records = market_records(31, 300)
    more = market_records(31, 400)
    await made_by_an_older_build(world, records)
    async with world.database.connected() as reader, world.database.connected() as connection:
        before = reader.transaction()
        await before.start()
        await reader.fetch("SELECT 1 FROM orders LIMIT 1")  # migrations wait for it
        async with world.sink(timeout=0.4) as sink:
            reason = await sink.until_told("is migrated from version 3 to 4 (0004_indexes)")
            assert "as long as there is in it" in reason
            await asyncio.sleep(1.0)
            assert reason in sink.teller.reasons(), "the bound on an answer is none on a migration"
            await before.rollback()

            async def migrated() -> bool:
                return reason not in sink.teller.reasons()

            await sink.until(migrated)
        world.write(more[len(records) :])
        async with world.sink() as sink:
            await sink.until_seq(len(more))
        assert_same(await world.database.rows(), expected_rows(more))
        old = await indexes(connection, world.database.schema)
        await world.database.drop()
        async with world.sink() as sink:
            await sink.until_seq(len(more))
        assert old == await indexes(connection, world.database.schema)


async def test_a_sink_that_is_stopped_gives_a_migration_up_and_nothing_is_changed(world: World[Database]) -> None:
    await made_by_an_older_build(world, market_records(32, 40))
    async with world.database.connected() as reader:
        async with reader.transaction():
            await reader.fetch("SELECT 1 FROM orders LIMIT 1")
            async with world.sink() as sink:
                await sink.until_told("is migrated from version 3")
        assert await reader.fetchval("SELECT max(number) FROM migrations") == OLD
        found = await indexes(reader, world.database.schema)
        assert ("orders", "CREATE UNIQUE ON ONLY s.orders USING btree (tape, seq, ts)") in found


async def test_what_the_document_says_rows_are_found_by_is_indexed(world: World[Database]) -> None:
    """Each table has an index that begins with those columns, on every partition, and tells rows that are doubled."""
    world.write(market_records(33, 40))
    async with world.sink() as sink:
        await sink.until_seq(len(world.records()))
    said = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(table for table, _ in said) == sorted(COLUMNS)
    async with world.database.connected() as connection:
        found = await indexes(connection, world.database.schema)
        parts = [one.name for one in await partitions.found(connection, world.database.schema)]
    assert {name.rpartition("_")[0] for name in parts} == set(PARTITIONED)
    for table, ways in said:
        for name in [table, *(part for part in parts if part.rpartition("_")[0] == table)]:
            own = [text for where, text in found if where == name]
            for columns in re.findall(r"`([^`]+)`", ways):
                assert any(f"btree ({columns}" in text for text in own), (name, columns)
            assert any(text.startswith("CREATE UNIQUE") and "seq" in text for text in own), name
