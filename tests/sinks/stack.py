"""What tests of sinks share: a tape to follow, a schema of one's own, rows compared with the oracle."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from services.flusher.sinks import sink as frame
from services.flusher.sinks.postgres.tables import COLUMNS
from services.flusher.sinks.postgres.target import PostgresTarget
from services.flusher.sinks.status import Teller
from services.flusher.sinks.target import Target
from tapewire import logs
from tapewire.config import PostgresSink
from tapewire.folders import Folders
from tapewire.tape import TapeReader, TapeWriter
from tests.oracle.naive_market import NaiveMarket
from tests.oracle.naive_sink_rows import rows_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
_numbers = itertools.count(1)


class Database:
    """One schema on a server, and how the sink is told of it: a URL without password, and a file with it."""

    sink = "postgres"

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.schema = url, f"t{os.getpid()}_{next(_numbers)}"
        parts = urlsplit(url)
        self.password_file = folder / "password"
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(unquote(parts.password or ""))
        host = f"{parts.username}@{parts.hostname}:{parts.port}"
        self.sink_url = urlunsplit((parts.scheme, host, parts.path, "", ""))

    def settings(self, **more: Any) -> PostgresSink:
        terms: dict[str, Any] = {"batch_wait": 0.01, "retry_max": 0.3, "timeout": 5.0, **more}
        return PostgresSink(
            url=self.sink_url,
            password_file=self.password_file,
            db_schema=self.schema,
            **terms,
        )

    def target(self, settings: PostgresSink) -> PostgresTarget:
        return PostgresTarget(settings)

    def toml(self, **more: object) -> str:
        terms = {"batch_wait": 0.01, "retry_max": 0.3, **more}
        lines = [f"{key} = {value}" for key, value in terms.items()]
        return "\n".join(
            (
                "[sinks.postgres]",
                f'url = "{self.sink_url}"',
                f'password_file = "{self.password_file}"',
                f'db_schema = "{self.schema}"',
                *lines,
                "",
            )
        )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.url, server_settings={"search_path": self.schema, "timezone": "UTC"})
        try:
            yield connection
        finally:
            await connection.close()

    async def drop(self) -> None:
        async with self.connected() as connection:
            await connection.execute(f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')

    async def rows(self, tape: int = 1) -> dict[str, list[dict[str, Any]]]:
        """All rows of a tape, in its order, as the oracle says them."""
        order = {"executions": "seq, role", "positions": "seq, account", "routes": "seq, place"}
        found = {}
        async with self.connected() as connection:
            for table, columns in COLUMNS.items():
                rows = await connection.fetch(
                    f"SELECT {', '.join(columns)} FROM {table} WHERE tape = $1 ORDER BY {order.get(table, 'seq')}", tape
                )
                if rows:
                    found[table] = [dict(row) for row in rows]
        return found

    async def seq(self, tape: str = "orders.0") -> int:
        async with self.connected() as connection:
            with contextlib.suppress(asyncpg.UndefinedTableError):
                return await connection.fetchval("SELECT seq FROM tapes WHERE name = $1", tape) or 0
        return 0


def expected_rows(records: list[bytes]) -> dict[str, list[dict[str, Any]]]:
    """The oracle's rows, in the order in which `rows` reads them."""
    rows = rows_of(records)
    if "positions" in rows:
        rows["positions"].sort(key=lambda row: (row["seq"], row["account"]))
    return rows


def assert_same(found: dict[str, list[dict[str, Any]]], expected: dict[str, list[dict[str, Any]]]) -> None:
    assert {name: len(rows) for name, rows in found.items()} == {name: len(rows) for name, rows in expected.items()}
    for name, rows in expected.items():
        for one, other in zip(found[name], rows, strict=True):
            assert one == other, name


def market_records(seed: int, commands: int) -> list[bytes]:
    market = NaiveMarket(seed)
    for _ in range(commands):
        market.step()
    return market.records


class Store(Protocol):
    """A place on a server that a sink fills, and how the sink is told of it."""

    sink: str

    def settings(self, **more: Any) -> Any: ...
    def target(self, settings: Any) -> Target: ...
    async def seq(self, tape: str = "orders.0") -> int: ...


Place = TypeVar("Place", bound=Store)


class World(Generic[Place]):
    """A data folder with tapes, and the sink as a task of this process."""

    def __init__(self, folder: Path, database: Place) -> None:
        self.folders, self.database = Folders(folder / "data"), database
        self.folders.prepare(folder / "rings")
        self.log = logs.get("test")

    def tape(self, name: str = "orders.0") -> Path:
        return self.folders.tape(name)

    def write(self, records: list[bytes], name: str = "orders.0") -> None:
        """Appends them, as a writer that opens the tape and closes it."""
        with TapeWriter(self.tape(name), durability="memory", segment_bytes=1 << 16) as writer:
            writer.append_many(records)
            writer.commit()

    def records(self, name: str = "orders.0") -> list[bytes]:
        with TapeReader(self.tape(name)) as reader:
            return list(reader)

    @asynccontextmanager
    async def sink(self, rebuild: frame.Rebuild | None = None, **settings: Any) -> AsyncIterator[Running]:
        given = self.database.settings(**settings)
        target = self.database.target(given)
        teller = Teller(self.folders, self.database.sink, target.where, self.log)
        stop = asyncio.Event()
        sink = frame.Sink(self.database.sink, given, self.folders.tapes, target, teller, rebuild=rebuild)
        task = asyncio.ensure_future(sink.run(stop))
        running = Running(self, teller, task)
        try:
            yield running
        finally:
            stop.set()
            try:
                await asyncio.wait_for(task, PATIENCE_S)
            finally:
                teller.close()


class Running:
    def __init__(self, world: World[Any], teller: Teller, task: asyncio.Task[None]) -> None:
        self.world, self.teller, self.task = world, teller, task

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not await true():
            if self.task.done():
                self.task.result()
            assert time.monotonic() < deadline, self.teller.reasons()
            await asyncio.sleep(0.02)

    async def until_seq(self, seq: int, tape: str = "orders.0") -> None:
        async def there() -> bool:
            found: int = await self.world.database.seq(tape)
            return found == seq

        await self.until(there)

    async def until_taken(self, records: int, tape: str = "orders.0") -> None:
        """Until so many records were taken since it started."""

        async def taken() -> bool:
            return self.teller.page(tape).counter("records") == records

        await self.until(taken)

    async def until_told(self, text: str) -> str:
        """The reason why it is not ready, once it has `text` in it."""

        async def told() -> bool:
            return any(text in reason for reason in self.teller.reasons())

        await self.until(told)
        return next(reason for reason in self.teller.reasons() if text in reason)


class SinkProcess:
    """`python -m services.flusher.sinks NAME`, over the settings of a file."""

    def __init__(self, config: Path, name: str = "postgres") -> None:
        self.name, self.config, self.log = name, config, config.with_suffix(".log")

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "services.flusher.sinks", self.name, "--config", str(self.config), *more]
            return subprocess.Popen(command, cwd=ROOT, stderr=log)


@contextmanager
def database(url: str, folder: Path) -> Iterator[Database]:
    made = Database(url, folder)
    try:
        yield made
    finally:
        asyncio.run(made.drop())
