"""PostgreSQL as the target of a sink: rows, position and, now and then, state in one transaction.

    BEGIN
      UPDATE tapes SET seq = after WHERE seq = before      a position that moved otherwise ends it here
      partitions of days that are new
      COPY rows into each table, binary
      INSERT INTO states                                   every snapshot_every records
    COMMIT                                                 waits for the server's disk unless more is there already

A batch is there whole, with its position, or not at all; so no row can be there twice, and COPY goes straight into the
tables. While a sink catches up, the server writes commits out on its own time: a crash may take the last of them back,
their positions with them, and they come again. The commit that reaches the tape's end is waited for, and so is one with
a state in it, by which the tape may be pruned; each makes all those before it durable, too.

If rows are there nevertheless (a position was restored from an older backup), that batch goes by a staging table and
INSERT … ON CONFLICT DO NOTHING, which costs twice as much.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from services.flusher.sinks.postgres import partitions
from services.flusher.sinks.postgres._copy import Rows
from services.flusher.sinks.postgres.faults import told
from services.flusher.sinks.postgres.migrate import check, check_tables, migrate, version
from services.flusher.sinks.postgres.tables import COLUMNS, PARTITIONED
from services.flusher.sinks.target import Batch, Committed, Mark, Position, Renewal, Resume
from tapewire import definitions
from tapewire.believed_clock import Believed
from tapewire.config import Config, PostgresSink
from tapewire.errors import ConfigError, SinkError, TapewireError, TargetError
from tapewire.fix.auth import read_private

COPY_BYTES: Final = 1 << 18
STATES_KEPT: Final = 2
CLOSE_S: Final = 2.0
DURABLE: Final = "SET LOCAL synchronous_commit = on"  # --from is done once, whatever the server's default is


class Prepared(NamedTuple):
    rows: dict[str, tuple[int, bytes]]
    days: list[int]
    state: bytes | None
    """As of the batch's end; None: not due."""


class _Tape:
    """What is known of one tape in the database."""

    def __init__(self, number: int, rows: Rows, states: list[int]) -> None:
        self.number, self.rows = number, rows
        self.states = states
        """Records that a state is kept of, or will be with a batch that is prepared; ascending."""

    def kept(self, seq: int) -> None:
        """The state of record `seq` is stored, and the server keeps STATES_KEPT. More may be prepared behind it."""
        stored = self.states.index(seq) + 1
        del self.states[: max(0, stored - STATES_KEPT)]


class PostgresTarget:
    def __init__(self, settings: PostgresSink, today: Any = None) -> None:
        """`today` gives the day, UTC, that partitions are made and dropped by."""
        parts = urlsplit(settings.url)
        if parts.password is not None or "password" in parts.query:
            raise ConfigError("sinks.postgres.url: holds a password; expected it in password_file, a file of mode 0600")
        self._settings, self._url = settings, settings.url
        host = parts.netloc.rpartition("@")[2]
        self.where = urlunsplit((parts.scheme, host, parts.path, "", "")) + f" schema {settings.db_schema}"
        self._today = today or (lambda: datetime.now(UTC).date())
        self._connection: asyncpg.Connection | None = None
        self._tapes: dict[str, _Tape] = {}
        self._partitions: set[tuple[str, date]] = set()
        self._cleaned: date | None = None

    @property
    def connection(self) -> asyncpg.Connection:
        assert self._connection is not None, "open() comes first"
        return self._connection

    # -- beginning

    async def open(self) -> Renewal | None:
        """A schema that is there already is migrated by what this returns: indexes of all its rows may be built."""
        await self._connect()
        schema = self._settings.db_schema
        with told(self.where):
            before = await version(self.connection)
            missing = await check(self.connection, schema, self.where) if before else []
            if not before:
                await migrate(self.connection, schema, self.where)
            elif not missing:
                await check_tables(self.connection, schema, self.where)
            found = await partitions.found(self.connection, schema)
            self._partitions = {(one.table, one.day) for one in found}
        if not missing:
            return None
        steps = ", ".join(f"{step.number:04}_{step.name}" for step in missing)
        return Renewal(f"is migrated from version {before} to {missing[-1].number} ({steps})", self._renew)

    async def _renew(self) -> None:
        with told(self.where):
            await migrate(self.connection, self._settings.db_schema, self.where)

    async def look(self) -> None:
        """As `open`, for who only asks: makes nothing. Raises TargetError if the schema is none of this build's."""
        await self._connect()
        with told(self.where):
            if await version(self.connection):
                await check(self.connection, self._settings.db_schema, self.where)

    async def _connect(self) -> None:
        settings = self._settings
        with told(self.where):
            try:
                password = read_private(settings.password_file) if settings.password_file != Path() else None
            except TapewireError as error:
                raise TargetError(f"sinks.postgres.password_file: {error}") from None
            self._connection = await asyncpg.connect(
                self._url,
                password=password,
                timeout=settings.timeout,
                server_settings={
                    "search_path": settings.db_schema,
                    "application_name": "tapewire sink",
                    "timezone": "UTC",
                    "client_min_messages": "error",
                },
            )

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        self._tapes.clear()
        if connection is None or connection.is_closed():
            return
        try:
            await connection.close(timeout=CLOSE_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()  # it is broken, or busy with what was cut off: the server rolls that back

    # -- positions

    async def positions(self) -> dict[str, Position]:
        with told(self.where):
            if await self.connection.fetchval("SELECT to_regclass('tapes')") is None:
                return {}
            return {row["name"]: _position(row) for row in await self.connection.fetch("SELECT * FROM tapes")}

    async def resume(self, tape: str, folder: Path) -> Resume:
        with told(self.where):
            row = await self._row_of(tape)
            number, position = row["tape"], _position(row)
            states = [
                one["seq"]
                for one in await self.connection.fetch(
                    "SELECT seq FROM states WHERE tape = $1 AND seq <= $2 ORDER BY seq", number, position.seq
                )
            ]
            rows = await self._restored(number, tape, states)
            if not states and position.begin > 1 and tape.startswith("orders."):
                # The records that defined the instruments are gone; the engine's snapshots still say it.
                for one in definitions.read(folder).instruments.values():
                    rows.define(one.instrument, one.price_exponent, one.qty_exponent, one.ticker)
            self._tapes[tape] = _Tape(number, rows, states)
            fold_after = states[-1] if states else position.begin - 1
            return Resume(position, fold_after, states[0] if states else position.begin - 1)

    async def _restored(self, number: int, tape: str, states: list[int]) -> Rows:
        """As of the newest state that this build can read; those that it cannot are taken off `states`.

        The tape says it all: an older state, or none, only takes longer.
        """
        while states:
            rows = rows_of(number, tape)
            kept = await self.connection.fetchval(
                "SELECT state FROM states WHERE tape = $1 AND seq = $2", number, states[-1]
            )
            try:
                rows.restore(kept)
            except SinkError:
                states.pop()
                continue
            return rows
        return rows_of(number, tape)

    async def _row_of(self, tape: str) -> Any:
        connection = self.connection
        async with connection.transaction():
            if row := await connection.fetchrow("SELECT * FROM tapes WHERE name = $1", tape):
                return row
            await connection.execute("LOCK TABLE tapes IN EXCLUSIVE MODE")
            return await connection.fetchrow(
                "INSERT INTO tapes SELECT coalesce(max(tape), 0) + 1, $1, 0, 1, '[]', now() FROM tapes RETURNING *",
                tape,
            )

    async def take_back(self, tape: str, position: Position) -> None:
        with told(self.where):
            row = await self._row_of(tape)
            async with self.connection.transaction():
                await self.connection.execute(DURABLE)
                await self.connection.execute("SELECT 1 FROM tapes WHERE name = $1 FOR UPDATE", tape)
                for table in (*COLUMNS, "states"):
                    await self.connection.execute(
                        f"DELETE FROM {table} WHERE tape = $1 AND seq > $2", row["tape"], position.seq
                    )
                if position.seq < position.begin:  # nothing is left, so nothing may be gone on from
                    await self.connection.execute("DELETE FROM states WHERE tape = $1", row["tape"])
                await self.connection.execute(
                    "UPDATE tapes SET seq = $2, begin_seq = $3, marks = $4, updated = now() WHERE tape = $1",
                    *(row["tape"], position.seq, position.begin, json.dumps(position.marks)),
                )
            self._tapes.pop(tape, None)

    # -- rows

    def fold(self, tape: str, records: list[bytes]) -> None:
        self._tapes[tape].rows.fold(records)

    async def prepare(self, batch: Batch) -> Prepared:
        tape = self._tapes[batch.tape]
        rows, days = await asyncio.to_thread(tape.rows.put, batch.records)
        last = tape.states[-1] if tape.states else batch.position.begin - 1
        state = None
        if batch.position.seq - last >= self._settings.snapshot_every:
            state = await asyncio.to_thread(tape.rows.state)
            tape.states.append(batch.position.seq)
        return Prepared(rows, days, state)

    async def commit(self, batch: Batch, prepared: Prepared) -> Committed:
        tape = self._tapes[batch.tape]
        with told(self.where):
            try:
                await self._store(tape.number, batch, prepared, staged=False)
            except asyncpg.UniqueViolationError:
                await self._store(tape.number, batch, prepared, staged=True)
        if prepared.state is not None:
            tape.kept(batch.position.seq)
        hold = tape.states[0] if tape.states else batch.position.begin - 1
        return Committed(sum(count for count, _ in prepared.rows.values()), min(hold, batch.position.seq))

    async def _store(self, number: int, batch: Batch, prepared: Prepared, staged: bool) -> None:
        connection = self.connection
        made: list[tuple[str, date]] = []
        async with connection.transaction():
            moved = await connection.fetchval(
                "UPDATE tapes SET seq = $3, marks = $4, updated = now() WHERE tape = $1 AND seq = $2 "
                "RETURNING set_config('synchronous_commit', $5, true)",
                *(number, batch.before.seq, batch.position.seq, json.dumps(batch.position.marks)),
                "on" if batch.whole or prepared.state is not None else "off",
            )
            if moved is None:
                raise TargetError(
                    f"{self.where}: the position of {batch.tape} is not {batch.before.seq} any more: another process "
                    f"follows this tape into the same schema. Stop one of them, or give it a db_schema of its own"
                )
            for day in map(partitions.day_of, prepared.days):
                for table in prepared.rows:
                    if table in PARTITIONED and (table, day) not in self._partitions:
                        await partitions.make(connection, table, day)
                        made.append((table, day))
            for table, (_, copy) in prepared.rows.items():
                await self._copy(table, copy, staged)
            if prepared.state is not None:
                await connection.execute(
                    "INSERT INTO states VALUES ($1, $2, $3)", number, batch.position.seq, prepared.state
                )
                await connection.execute(
                    "DELETE FROM states WHERE tape = $1 AND seq NOT IN "
                    "(SELECT seq FROM states WHERE tape = $1 ORDER BY seq DESC LIMIT $2)",
                    *(number, STATES_KEPT),
                )
        self._partitions.update(made)

    async def _copy(self, table: str, copy: bytes, staged: bool) -> None:
        connection, columns = self.connection, COLUMNS[table]
        if not staged:
            await connection.copy_to_table(table, source=_pieces(copy), columns=columns, format="binary")
            return
        await connection.execute(f"CREATE TEMPORARY TABLE staging (LIKE {table}) ON COMMIT DROP")
        await connection.copy_to_table("staging", source=_pieces(copy), columns=columns, format="binary")
        names = ", ".join(columns)
        await connection.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM staging ON CONFLICT DO NOTHING; DROP TABLE staging"
        )

    # -- clean-up

    async def upkeep(self) -> None:
        """Whether the server is still there; tomorrow's partitions, and, once a day, those that are too old."""
        today = self._today()
        with told(self.where):
            await self.connection.execute("SELECT 1")
            tomorrow = today + timedelta(days=1)
            missing = [(table, tomorrow) for table in PARTITIONED if (table, tomorrow) not in self._partitions]
            if missing:
                async with self.connection.transaction():
                    for table, day in missing:
                        await partitions.make(self.connection, table, day)
                self._partitions.update(missing)
            days, mb = self._settings.retain_days, self._settings.retain_mb
            if (days or mb) and self._cleaned != today:
                await self.let_go(await self.outdated(days, mb))
                self._cleaned = today

    async def outdated(self, days: int, mb: int) -> list[partitions.Partition]:
        """What retention by age (days) and size (10^6 bytes, indexes and all) would drop; 0: no limit."""
        with told(self.where):
            there = await partitions.found(self.connection, self._settings.db_schema)
            return await partitions.to_go(self.connection, there, self._today(), days, mb * 10**6)

    async def let_go(self, plan: list[partitions.Partition]) -> list[partitions.Partition]:
        """Drops what was planned; returns what was dropped. One that readers hold is left for the next time."""
        dropped = []
        with told(self.where):
            for one in plan:
                try:
                    if await partitions.drop(self.connection, one):
                        dropped.append(one)
                        self._partitions.discard((one.table, one.day))
                except asyncpg.LockNotAvailableError:
                    continue
        return dropped


def rows_of(number: int, tape: str) -> Rows:
    """Its market is `house` for the orders tapes, `router` for a router's, else what follows the kind."""
    kind, _, rest = tape.partition(".")
    return Rows(number, {"orders": "house", "router": "router"}.get(kind, rest), router=kind == "router")


def _position(row: Any) -> Position:
    marks = tuple(Mark(seq, crc) for seq, crc in json.loads(row["marks"]))
    return Position(row["seq"], marks, row["begin_seq"])


async def _pieces(copy: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(copy), COPY_BYTES):
        yield copy[at : at + COPY_BYTES]


def target(config: Config) -> PostgresTarget:
    """As the settings say; a clock that runs ahead lets no rows go. Raises ConfigError, RetentionError."""
    return PostgresTarget(config.sinks.postgres, Believed(config.folders.believed_clock).today)
