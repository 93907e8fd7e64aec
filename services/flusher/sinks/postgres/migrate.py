"""The schema's versions: numbered SQL files that only go forward, each applied once, in one transaction."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from services.flusher.sinks.postgres.tables import COLUMNS
from tapewire.errors import TargetError

FOLDER: Final = Path(__file__).parent / "migrations"
LOCK: Final = 0x7461_7065  # so that two sinks that start together do not make the same tables


class Migration(NamedTuple):
    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known() -> list[Migration]:
    """Those of this build, by number."""
    found = sorted(FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [Migration(int(path.name[:4]), path.stem[5:], path.read_text(encoding="utf-8")) for path in found]


async def migrate(connection: asyncpg.Connection, schema: str, where: str) -> list[int]:
    """Brings the schema to this build's version and checks its tables; returns what was applied.

    Where rows are there already that takes as long as there are rows, and other sessions wait for tables meanwhile.
    Raises TargetError if the schema is newer than this build, was migrated by other files, or lost a table.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema):
            await connection.execute(f'CREATE SCHEMA "{schema}"')
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, "
            "digest text NOT NULL, applied timestamptz NOT NULL DEFAULT now())"
        )
        missing = await check(connection, schema, where)
        for step in missing:
            await connection.execute(step.sql)
            await connection.execute("INSERT INTO migrations VALUES ($1, $2, $3)", step.number, step.name, step.digest)
        await check_tables(connection, schema, where)
    return [step.number for step in missing]


async def check(connection: asyncpg.Connection, schema: str, where: str) -> list[Migration]:
    """The migrations that the schema lacks; changes nothing. Raises TargetError if they do not fit it."""
    steps = known()
    applied = {row["number"]: row for row in await connection.fetch("SELECT * FROM migrations")}
    if applied and max(applied) > steps[-1].number:
        raise TargetError(
            f"{where}: schema {schema} has version {max(applied)} ({applied[max(applied)]['name']}), and this sink "
            f"knows versions up to {steps[-1].number}. It was migrated by a newer one: install that, or name "
            f"another db_schema. Nothing was changed"
        )
    for step in steps:
        if (before := applied.get(step.number)) is not None and before["digest"] != step.digest:
            raise TargetError(
                f"{where}: schema {schema} was migrated with another {step.number:04}_{step.name}.sql than this "
                f"build has. Migrations are never edited: install the build that made it, or drop the schema to "
                f"have it built anew. Nothing was changed"
            )
    return [step for step in steps if step.number not in applied]


async def version(connection: asyncpg.Connection) -> int:
    """Of the schema as it is; 0: it was never made."""
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        return 0
    found: int | None = await connection.fetchval("SELECT max(number) FROM migrations")
    return found or 0


async def check_tables(connection: asyncpg.Connection, schema: str, where: str) -> None:
    """Raises TargetError if a table or column of this build's version is missing."""
    rows = await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = $1",
        schema,
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], []).append(row["column_name"])
    for table, columns in COLUMNS.items():
        missing = [column for column in columns if column not in found.get(table, [])]
        if missing:
            what = f"table {table} is missing" if table not in found else f"{table} has no column {', '.join(missing)}"
            raise TargetError(
                f"{where}: schema {schema}: {what}, and its version says it is there. Restore it from a backup; or "
                f"drop the whole schema, and all of it is built anew from the tapes"
            )
