"""Partitions by day: made when a row of that day comes, or the day before; let go by age."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import asyncpg

from services.flusher.sinks.postgres.tables import PARTITIONED

EPOCH: Final = date(1970, 1, 1)
LOCK_WAIT: Final = "2s"  # for readers of a table that is to go; longer would hold up those behind us
_FIND: Final = """
SELECT p.relname AS parent, c.relname AS name, pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE n.nspname = $1 AND p.relkind = 'p' ORDER BY p.relname, c.relname
"""
_REPLACES: Final = "q.tape = p.tape AND q.account = p.account AND q.instrument = p.instrument AND q.seq > p.seq"


class Partition(NamedTuple):
    table: str
    day: date
    bytes: int
    """With its indexes."""
    why: str = ""
    """By which bound it is to go."""

    @property
    def name(self) -> str:
        return name_of(self.table, self.day)


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def day_of(number: int) -> date:
    """The day that is `number` days after 1970-01-01, UTC."""
    return EPOCH + timedelta(days=number)


async def found(connection: asyncpg.Connection, schema: str) -> list[Partition]:
    """Those that are there, by table and day; tables of other names are none of ours."""
    partitions = []
    for row in await connection.fetch(_FIND, schema):
        suffix = row["name"].removeprefix(f"{row['parent']}_")
        if row["parent"] in PARTITIONED and len(suffix) == 8 and suffix.isdigit():
            day = date(int(suffix[:4]), int(suffix[4:6]), int(suffix[6:]))
            partitions.append(Partition(row["parent"], day, row["bytes"]))
    return partitions


async def make(connection: asyncpg.Connection, table: str, day: date) -> None:
    """Within the caller's transaction. Readers of the table are not held up: attaching takes no lock of theirs."""
    name = name_of(table, day)
    await connection.execute(f'CREATE TABLE IF NOT EXISTS "{name}" (LIKE {table} INCLUDING ALL)')
    await connection.execute(
        f"ALTER TABLE {table} ATTACH PARTITION \"{name}\" FOR VALUES FROM ('{day} 00:00:00+00') "
        f"TO ('{day + timedelta(days=1)} 00:00:00+00')"
    )


def beyond(there: list[Partition], today: date, days: int, most: int, stands: Collection[date] = ()) -> list[Partition]:
    """Those whose last moment is more than `days` days ago, and the oldest days beyond `most` bytes; 0: no limit.

    Today's stay, however large. Positions of the days `stands` do not go as a whole, so nothing is gained by them:
    counted as gone they would stand in for a day that is to go, at every run, and the bound never be reached.
    """
    left, go = sum(one.bytes for one in there), []
    for day in sorted({one.day for one in there if one.day < today}):
        if days and day < today - timedelta(days=days):
            why = f"older than {days} days"
        elif 0 < most < left:
            why = f"{left:,} bytes, of which {most:,} may stay"
        else:
            break
        of_day = [one for one in there if one.day == day]
        go += [one._replace(why=why) for one in of_day]
        left -= sum(one.bytes for one in of_day if not (one.table == "positions" and day in stands))
    return go


async def to_go(
    connection: asyncpg.Connection, there: list[Partition], today: date, days: int, most: int
) -> list[Partition]:
    """As `beyond`, by what stands in the positions of each day that is to go: of no other is it asked."""
    stands, asked = set[date](), set[date]()
    while True:
        plan = beyond(there, today, days, most, stands)
        new = [one for one in plan if one.table == "positions" and one.day not in asked] if most else []
        if not new:
            return plan
        for one in new:
            asked.add(one.day)
            replacing = f"SELECT FROM positions q WHERE {_REPLACES}"
            if await connection.fetchval(f'SELECT EXISTS (SELECT FROM "{one.name}" p WHERE NOT EXISTS ({replacing}))'):
                stands.add(one.day)


async def drop(connection: asyncpg.Connection, partition: Partition) -> bool:
    """Lets one go; of positions only what a later row replaces, so that every position that stands can be asked.

    False: something of it stays. Raises LockNotAvailableError if readers hold it.
    """
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        if partition.table == "positions":
            await connection.execute(
                f'DELETE FROM "{partition.name}" p WHERE EXISTS (SELECT FROM positions q WHERE {_REPLACES})'
            )
            left: Any = await connection.fetchval(f'SELECT 1 FROM "{partition.name}" LIMIT 1')
            if left:
                return False
        await connection.execute(f'DROP TABLE "{partition.name}"')
    return True
