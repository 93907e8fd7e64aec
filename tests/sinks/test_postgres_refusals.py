"""What a server refuses a sink: a clear error, nothing lost, and it goes on by itself once that is mended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.flusher.sinks.sink import Rebuild
from tapewire import consumers
from tests.services import own
from tests.sinks.stack import Database, World, assert_same, expected_rows, market_records
from tools.services import Postgres

USER, SECRET = "sinkuser", "a-password-of-its-own"


class Own(World[Database]):
    """On a server of one's own, as a user who may do no more than needs be."""

    def __init__(self, folder: Path, server: Postgres) -> None:
        super().__init__(folder, Database(server.url, folder))
        self.server = server

    async def ask(self, *statements: str) -> None:
        """As the superuser."""
        connection = await asyncpg.connect(self.server.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def as_user(self) -> None:
        await self.ask(f"CREATE ROLE {USER} LOGIN PASSWORD '{SECRET}'", f"GRANT CREATE ON DATABASE postgres TO {USER}")
        self.database.password_file.write_text(SECRET)
        parts = urlsplit(self.database.sink_url)
        host = f"{USER}@{parts.hostname}:{parts.port}"
        self.database.sink_url = urlunsplit((parts.scheme, host, parts.path, "", ""))

    def more(self, seed: int, steps: int) -> list[bytes]:
        """Writes on; returns all records."""
        records = market_records(seed, steps)
        self.write(records[len(self.records()) :] if self.tape().exists() else records)
        return records

    async def mended(self) -> None:
        assert_same(await self.database.rows(), expected_rows(self.records()))


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Own]:
    with own(Postgres) as server:
        yield Own(tmp_path, server)


async def test_a_right_that_was_revoked_is_said_and_used_once_it_is_granted(mine: Own) -> None:
    await mine.as_user()
    schema = mine.database.schema
    await mine.ask(f"REVOKE CREATE ON DATABASE postgres FROM {USER}")
    records = mine.more(50, 60)
    async with mine.sink(batch_records=20) as sink:
        assert "needs CREATE on the database" in await sink.until_told("permission denied for database")
        await mine.ask(f"GRANT CREATE ON DATABASE postgres TO {USER}")
        await sink.until_seq(len(records))
        await mine.ask(f"ALTER TABLE {schema}.tapes OWNER TO postgres", f"GRANT SELECT ON {schema}.tapes TO {USER}")
        records = mine.more(50, 80)
        assert "SQLSTATE 42501" in await sink.until_told("permission denied for table tapes")
        await mine.ask(f"ALTER TABLE {schema}.tapes OWNER TO {USER}")
        await sink.until_seq(len(records))
    await mine.mended()


async def test_a_user_who_may_not_log_on_any_more_is_said(mine: Own) -> None:
    await mine.as_user()
    records = mine.more(51, 60)
    async with mine.sink(batch_records=20) as sink:
        await sink.until_seq(len(records))
        await mine.ask(f"ALTER ROLE {USER} NOLOGIN", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
            "application_name = 'tapewire sink'")  # fmt: skip
        records = mine.more(51, 80)
        assert "refuses this user" in await sink.until_told("is not permitted to log in")
        await mine.ask(f"ALTER ROLE {USER} LOGIN")
        await sink.until_seq(len(records))
    await mine.mended()


async def test_a_server_without_a_connection_to_spare_is_said_and_waited_for(mine: Own) -> None:
    await mine.as_user()
    await mine.ask(f"ALTER ROLE {USER} CONNECTION LIMIT 0")
    records = mine.more(52, 60)
    async with mine.sink(batch_records=20) as sink:
        assert "no connection left" in await sink.until_told("too many connections for role")
        await mine.ask(f"ALTER ROLE {USER} CONNECTION LIMIT 1")
        await sink.until_seq(len(records))
        # The whole server, not the user alone.
        connection = await asyncpg.connect(mine.server.url)
        most = int(await connection.fetchval("SHOW max_connections"))
        reserved = int(await connection.fetchval("SHOW superuser_reserved_connections"))
        await connection.execute(f"ALTER ROLE {USER} CONNECTION LIMIT -1")
        others = [await asyncpg.connect(mine.server.url) for _ in range(most - reserved - 2)]
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tapewire sink'"
        )
        others.append(await asyncpg.connect(mine.server.url))
        records = mine.more(52, 80)
        assert "Raise max_connections" in await sink.until_told("SQLSTATE 53300")
        for one in (*others, connection):
            await one.close()
        await sink.until_seq(len(records))
    await mine.mended()


async def test_a_server_that_only_reads_is_said_and_used_once_it_writes(mine: Own) -> None:
    records = mine.more(53, 60)
    async with mine.sink(batch_records=20) as sink:
        await sink.until_seq(len(records))
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tapewire sink'"
        await mine.ask("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()", cut)
        records = mine.more(53, 80)
        assert "Point url at the primary" in await sink.until_told("read-only transaction")
        await mine.ask("SET default_transaction_read_only = off", "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
        await sink.until_seq(len(records))
    await mine.mended()


async def test_a_standby_in_recovery_is_said_and_used_once_it_is_promoted(mine: Own) -> None:
    records = mine.more(54, 60)
    async with mine.sink(batch_records=20) as sink:
        await sink.until_seq(len(records))
        mine.server.stop()
        signal = mine.server.folder / "data" / "standby.signal"
        signal.touch(mode=0o666)
        await asyncio.to_thread(mine.server.start)
        records = mine.more(54, 80)
        assert "Point url at the primary" in await sink.until_told("SQLSTATE 25006")
        await mine.ask("SELECT pg_promote()")
        await sink.until_seq(len(records))
    await mine.mended()


@asynccontextmanager
async def cutting(port: int, after: list[int]) -> AsyncIterator[int]:
    """A way to the server that is cut, both ends at once, when so many bytes have gone out: each number for one
    connection, then never. Yields its port."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
        try:
            while left > 0 and (data := await reader.read(1 << 14)):
                writer.write(data[:left])
                await writer.drain()
                left -= len(data)
        except OSError:
            return
        finally:
            writer.transport.abort()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        left = after.pop(0) if after else 1 << 60
        await asyncio.wait(
            [asyncio.ensure_future(carry(reader, back, left)), asyncio.ensure_future(carry(there, writer, 1 << 60))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        writer.transport.abort()
        back.transport.abort()

    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        free.setblocking(False)
        async with await asyncio.start_server(connected, sock=free) as listening:
            yield listening.sockets[0].getsockname()[1]


async def test_a_connection_that_is_cut_in_the_middle_of_a_copy_loses_and_doubles_nothing(mine: Own) -> None:
    records = mine.more(55, 2_500)
    async with mine.sink(batch_records=500) as sink:  # the tables are there, and the first rows
        await sink.until_seq(len(records))
    records = mine.more(55, 4_500)
    port = urlsplit(mine.server.url).port
    assert port is not None
    # A batch is some 300 KB: each of these ends within one, a little further on.
    async with cutting(port, [20_000 + 61_000 * step for step in range(8)]) as through:
        mine.database.sink_url = mine.database.sink_url.replace(f":{port}/", f":{through}/")
        async with mine.sink(batch_records=2_000) as sink:
            await sink.until_seq(len(records))
            assert sink.teller._own.counter("failures") >= 8
    await mine.mended()


async def test_commits_that_a_crash_takes_back_come_again(mine: Own) -> None:
    """The server has committed, and not yet written out: rows and position go together, and retention knows neither."""
    await mine.ask("ALTER SYSTEM SET wal_writer_delay = '10s'", "ALTER SYSTEM SET checkpoint_timeout = '1h'")
    await asyncio.to_thread(mine.server.restart)
    records = mine.more(56, 6_000)
    assert len(records) > 12_000
    async with mine.sink(batch_records=200, snapshot_every=10_000, keep=0.0) as sink:
        page = sink.teller.page("orders.0")

        async def nearly() -> bool:
            return page.counter("seq") > 11_500

        await sink.until(nearly)
        mine.server.kill()
        taken = page.counter("seq")
        held = consumers.positions(mine.tape())["sink.postgres"]
        await asyncio.to_thread(mine.server.start)
        async with mine.database.connected() as connection:
            stands = await connection.fetchval("SELECT min(seq) FROM states")
        assert 0 < held == stands <= taken
        await sink.until_seq(len(records))
    await mine.mended()


async def test_what_is_taken_to_the_end_of_the_tape_is_there_after_a_crash_at_once(mine: Own) -> None:
    """A sink that has nothing more to do would not notice that it must do some of it again."""
    await mine.ask("ALTER SYSTEM SET wal_writer_delay = '10s'", "ALTER SYSTEM SET synchronous_commit = off")
    await asyncio.to_thread(mine.server.restart)
    records = mine.more(57, 300)
    for batch in (7, len(records)):  # the last one full, or not
        async with mine.sink(Rebuild(seq=1, tape="orders.0"), batch_records=batch) as sink:
            await sink.until_taken(len(records))
            mine.server.kill()
            await asyncio.to_thread(mine.server.start)
            assert await mine.database.seq() == len(records)
    await mine.mended()
