"""The PostgreSQL sink on a real server: every row, exactly once, whatever happens to tape, sink and server."""

from __future__ import annotations

from datetime import date, timedelta

import asyncpg
import pytest

from services.flusher.sinks.follower import Follower, Lost, Waits
from services.flusher.sinks.postgres import partitions
from services.flusher.sinks.postgres.partitions import Partition, beyond
from services.flusher.sinks.postgres.target import PostgresTarget
from services.flusher.sinks.sink import Rebuild
from services.flusher.sinks.target import Mark, Position, Resume
from tapewire import consumers
from tapewire import messages as m
from tapewire.errors import SinkError
from tapewire.tape import TapeWriter, crc32c
from tapewire.tape.cutting import cut_tape
from tests.sinks.stack import Database, World, assert_same, expected_rows, market_records


async def test_rows_of_a_tape_are_what_its_records_say(world: World[Database]) -> None:
    records = market_records(1, 400)
    world.write(records[:300])
    async with world.sink(batch_records=100) as sink:
        await sink.until_seq(300)
        world.write(records[300:])
        await sink.until_seq(len(records))
        page = sink.teller.page("orders.0")
        assert (page.counter("records"), page.counter("seq"), page.counter("lag")) == (len(records), len(records), 0)
    expected = expected_rows(records)
    assert_same(await world.database.rows(), expected)
    assert page.counter("rows") == sum(map(len, expected.values()))


async def test_a_sink_that_stops_goes_on_where_the_target_stands(world: World[Database]) -> None:
    records = market_records(2, 500)
    for at in range(0, len(records), 150):
        world.write(records[at : at + 150])
        async with world.sink(batch_records=40, snapshot_every=10_000) as sink:
            await sink.until_seq(min(at + 150, len(records)))
    assert_same(await world.database.rows(), expected_rows(records))


async def test_states_kept_in_the_target_let_retention_go_on(world: World[Database]) -> None:
    records = market_records(3, 6_000)
    assert len(records) > 12_000
    world.write(records)
    async with world.sink(batch_records=2_000, snapshot_every=10_000, keep=0.0) as sink:
        await sink.until_seq(len(records))
    async with world.database.connected() as connection:
        (kept,) = [row["seq"] for row in await connection.fetch("SELECT seq FROM states")]
    assert consumers.positions(world.tape())["sink.postgres"] == kept
    more = market_records(3, 6_200)
    world.write(more[len(records) :])
    async with world.sink(batch_records=2_000, snapshot_every=10_000, keep=0.0) as sink:
        await sink.until_seq(len(more))
    found, expected = await world.database.rows(), expected_rows(more)
    assert found["executions"] == expected["executions"]
    assert found["positions"] == expected["positions"]


async def test_a_tape_that_lost_its_tail_takes_its_rows_back(world: World[Database]) -> None:
    records = market_records(4, 200)
    world.write(records)
    async with world.sink(batch_records=30) as sink:
        await sink.until_seq(len(records))
    cut_tape(world.tape(), 101, now_ns=1)
    other = market_records(5, 400)
    # Numbers go on where the tape was cut, with other records.
    follow = [raw for raw in other if int.from_bytes(raw[16:24], "little") > 100]
    world.write(follow)
    async with world.sink(batch_records=30) as sink:
        await sink.until_seq(len(other))
        assert sink.teller.page("orders.0").counter("losses") == 1
    found = await world.database.rows()
    seqs = {row["seq"] for rows in found.values() for row in rows}
    kept = {row["seq"] for rows in expected_rows(records).values() for row in rows if row["seq"] <= 100}
    assert {seq for seq in seqs if seq <= 100} == kept
    # What follows was made of another beginning: only what needs no state of before is the same.
    told = [row for row in expected_rows(other)["risk_decisions"] if row["seq"] > 100]
    assert [row["seq"] for row in found["risk_decisions"] if row["seq"] > 100] == [row["seq"] for row in told]


async def test_a_tail_that_is_lost_while_the_sink_follows_is_taken_back(world: World[Database]) -> None:
    records = market_records(6, 200)
    world.write(records)
    async with world.sink(batch_records=30) as sink:
        await sink.until_seq(len(records))
        cut_tape(world.tape(), 151, now_ns=1)
        # As many records as before take the numbers at once: only the marks tell.
        others = [bytes(m.AdvanceClock(seq=seq, ts=10**18, up_to=seq)) for seq in range(151, len(records) + 1)]
        world.write(others)
        records = [*records[:150], *others]

        async def took_back() -> bool:
            return sink.teller.page("orders.0").counter("losses") == 1 and not sink.teller.reasons()

        await sink.until(took_back)
        await sink.until_seq(len(records))
    assert_same(await world.database.rows(), expected_rows(records))


async def test_a_tape_that_was_replaced_is_not_followed_and_the_error_says_what_to_do(world: World[Database]) -> None:
    records = market_records(7, 60)
    world.write(records)
    async with world.sink() as sink:
        await sink.until_seq(len(records))
    before = await world.database.rows()
    world.tape().rename(world.folders.data / "old")
    other = [bytes(m.EpochStarted(seq=1, epoch=9)), *market_records(9, 200)[1:]]
    world.write(other)
    async with world.sink() as sink:
        reason = await sink.until_told("the tape was replaced")
        assert "--from 1 --tape orders.0" in reason
        assert await world.database.rows() == before
    async with world.sink(Rebuild(seq=1, tape="orders.0")) as sink:
        await sink.until_taken(len(other))
    assert_same(await world.database.rows(), expected_rows(other))


async def test_from_builds_anew_what_comes_behind(world: World[Database]) -> None:
    records = market_records(10, 300)
    world.write(records)
    async with world.sink(batch_records=64) as sink:
        await sink.until_seq(len(records))
    async with world.database.connected() as connection:
        await connection.execute("DELETE FROM orders WHERE seq > 120")
        await connection.execute("UPDATE risk_decisions SET decision = 'spoilt' WHERE seq > 120")
    async with world.sink(Rebuild(seq=121, tape="orders.0"), batch_records=64) as sink:
        await sink.until_taken(len(records) - 120)
    assert_same(await world.database.rows(), expected_rows(records))
    async with world.sink(Rebuild(ts=1, tape=""), batch_records=64) as sink:
        await sink.until_taken(len(records) - 1)  # the first has no time
    assert_same(await world.database.rows(), expected_rows(records))


async def test_from_a_time_builds_anew_what_was_sequenced_then_or_later(world: World[Database]) -> None:
    records = market_records(16, 300)
    world.write(records)
    async with world.sink(batch_records=64) as sink:
        await sink.until_seq(len(records))
    times = [m.decode(raw).ts for raw in records]
    asked = times[150] + 1
    first = next(at for at, ts in enumerate(times) if ts >= asked) + 1
    assert 1 < first < len(records)
    async with world.database.connected() as connection:
        await connection.execute("UPDATE risk_decisions SET decision = 'spoilt' WHERE seq >= $1", first)
        await connection.execute("UPDATE rejects SET reason = 'as it was' WHERE seq < $1", first)
    async with world.sink(Rebuild(ts=asked), batch_records=64) as sink:
        await sink.until_taken(len(records) - first + 1)
    expected = expected_rows(records)
    for row in expected["rejects"]:
        if row["seq"] < first:
            row["reason"] = "as it was"
    assert_same(await world.database.rows(), expected)


async def test_from_a_record_that_is_not_there_ends_with_an_error(world: World[Database]) -> None:
    world.write(market_records(11, 20))
    with pytest.raises(SinkError, match="record 5000 is not on it"):
        async with world.sink(Rebuild(seq=5000, tape="orders.0")) as sink:
            await sink.until_seq(5000)


async def test_from_names_a_tape_that_is_followed(world: World[Database]) -> None:
    world.write(market_records(11, 20))
    with pytest.raises(SinkError, match=r"--tape orders\.7: there is no such tape"):
        async with world.sink(Rebuild(seq=1, tape="orders.7")) as sink:
            await sink.until_taken(1)


async def test_a_state_of_another_version_is_folded_anew(world: World[Database]) -> None:
    records = market_records(15, 5_000)
    world.write(records)
    async with world.sink(batch_records=2_000, snapshot_every=10_000) as sink:
        await sink.until_seq(len(records))
    async with world.database.connected() as connection:
        assert await connection.execute("UPDATE states SET state = 'of another version'") != "UPDATE 0"
    more = market_records(15, 5_100)
    world.write(more[len(records) :])
    async with world.sink(batch_records=2_000) as sink:
        await sink.until_seq(len(more))
    assert (await world.database.rows())["positions"] == expected_rows(more)["positions"]


async def test_records_that_retention_removed_are_missed_and_the_error_says_what_to_do(world: World[Database]) -> None:
    records = market_records(16, 3_000)
    world.write(records, "md.lean")
    segments = sorted(world.tape("md.lean").glob("*.seg"))
    segments[0].unlink()
    first = int(segments[1].stem)
    async with world.sink(tapes=("md.*",)) as sink:
        reason = await sink.until_told("retention removed what it had not taken")
        assert f"--from {first} --tape md.lean" in reason
    async with world.sink(Rebuild(seq=first, tape="md.lean"), tapes=("md.*",)) as sink:
        await sink.until_seq(len(records), "md.lean")
    found = await world.database.rows()
    expected = [row["seq"] for row in expected_rows(records)["risk_decisions"] if row["seq"] >= first]
    assert [row["seq"] for row in found["risk_decisions"]] == expected


def test_a_tape_is_judged_by_what_is_written_and_what_is_released(world: World[Database]) -> None:
    records = market_records(17, 100)
    last, first = Mark(len(records), crc32c(records[-1])), Mark(1, crc32c(records[0]))
    resume = Resume(Position(len(records), (first, last), 1), 0, 0)
    # Released by the quorum alone: none is yet, after a restart, and all of them are there.
    with TapeWriter(world.tape(), durability="replicated") as writer:
        writer.append_many(records)
        writer.commit()
        with Follower("orders.0", world.tape(), "test", 100, 0) as follower:
            assert follower.released == 0
            assert isinstance(follower.standing(resume), Waits)
    world.write([bytes(m.AdvanceClock(seq=len(records) + 1))])
    with Follower("orders.0", world.tape(), "test", 100, 0) as follower:
        assert follower.standing(resume) is None
    cut_tape(world.tape(), 50, now_ns=1)
    with Follower("orders.0", world.tape(), "test", 100, 0) as follower:
        assert follower.standing(resume) == Lost(resume.position.back_to(1))


async def test_rows_that_are_there_already_are_left_and_doubled_by_nobody(world: World[Database]) -> None:
    """As after the positions alone were restored from an older backup."""
    records = market_records(12, 300)
    world.write(records)
    async with world.sink(batch_records=50) as sink:
        await sink.until_seq(len(records))
        async with world.database.connected() as connection:
            await connection.execute("CREATE TABLE kept AS SELECT * FROM tapes")
    async with world.database.connected() as connection:
        await connection.execute("UPDATE tapes SET seq = 0, marks = '[]'")
    async with world.sink(batch_records=50) as sink:
        await sink.until_seq(len(records))
    assert_same(await world.database.rows(), expected_rows(records))


async def test_two_sinks_on_one_schema_do_not_double_rows(world: World[Database]) -> None:
    records = market_records(13, 100)
    world.write(records)
    async with world.sink(batch_records=10) as sink:
        await sink.until_seq(len(records))
        async with world.database.connected() as connection:
            await connection.execute("UPDATE tapes SET seq = seq - 1")
        world.write(market_records(13, 130)[len(records) :])
        # It notices that the position is another, opens anew and goes on from there.
        await sink.until_seq(len(market_records(13, 130)))
    assert_same(await world.database.rows(), expected_rows(market_records(13, 130)))


async def test_rows_of_old_days_go_by_the_day_that_is_given_once_nobody_reads_them(world: World[Database]) -> None:
    """Of positions what stands last stays, whatever of the rows behind it went."""
    records = market_records(15, 200)
    world.write(records)
    settings = world.database.settings(retain_days=30)
    async with world.sink() as sink:
        await sink.until_seq(len(records))
    before, day = await world.database.rows(), date(2023, 11, 14)

    async def upkeep(days_later: int) -> None:
        target = PostgresTarget(settings, lambda: day + timedelta(days=days_later))
        await target.open()
        try:
            await target.upkeep()
        finally:
            await target.close()

    await upkeep(30)
    assert (await world.database.rows())["executions"] == before["executions"]
    async with world.database.connected() as reader, reader.transaction():
        await reader.fetch("SELECT * FROM executions_20231114 LIMIT 1")
        await upkeep(31)
        assert await reader.fetch("SELECT * FROM executions_20231114 LIMIT 1"), "it stays while somebody reads it"
    await upkeep(31)
    after = await world.database.rows()
    assert not after.keys() & {"executions", "risk_decisions"}
    newest = {(row["account"], row["instrument"]): row["seq"] for row in before["positions"]}
    assert {(row["account"], row["instrument"]): row["seq"] for row in after["positions"]} == newest


def test_beyond_a_size_the_oldest_days_go_and_todays_never() -> None:
    today = date(2026, 11, 22)
    there = [
        Partition(table, today - timedelta(days=ago), 10) for table in ("orders", "trades") for ago in (9, 3, 2, 0, -1)
    ]

    def gone(days: int, most: int) -> set[int]:
        found = beyond(there, today, days, most)
        ago = {(today - one.day).days for one in found}
        assert len(found) == 2 * len(ago), "a day goes with all its tables"
        return ago

    assert gone(0, 0) == gone(0, 100) == gone(9, 100) == set()
    assert gone(8, 0) == gone(0, 99) == gone(0, 80) == {9}
    assert gone(0, 79) == gone(2, 80) == {9, 3}
    assert gone(0, 1) == {9, 3, 2}


async def test_rows_beyond_a_size_go_once_a_day(world: World[Database]) -> None:
    world.write(market_records(17, 200))
    async with world.sink() as sink:
        await sink.until_seq(len(world.records()))
    day = date(2023, 11, 14)
    for mb, later, stays in ((1000, 1, True), (1, 0, True), (1, 1, False)):
        target = PostgresTarget(world.database.settings(retain_mb=mb), lambda at=day + timedelta(days=later): at)
        await target.open()
        await target.upkeep()
        await target.close()
        assert ("orders" in await world.database.rows()) is stays, (mb, later)


async def test_of_three_days_a_bound_of_one_and_a_half_keeps_the_newest(world: World[Database]) -> None:
    """Positions of the first day still stand; what they take is not taken for let go, at the first run or the next."""
    records = market_records(18, 900)
    noon, day_ns = 1_699_963_200 * 10**9, 86_400 * 10**9
    days = [3 * at // len(records) for at in range(len(records))]
    world.write([bytes(m.decode(raw).replace(ts=noon + days[at] * day_ns + at)) for at, raw in enumerate(records)])
    async with world.sink() as sink:
        await sink.until_seq(len(records))
    first = date(2023, 11, 14)
    async with world.database.connected() as connection:
        await connection.execute(  # of an account that never came back
            "INSERT INTO positions SELECT tape, 0, ts, ts_ns, 4000000000, instrument, net, bought, sold, "
            "bought_notional, sold_notional, fills FROM positions_20231114 LIMIT 1"
        )
        await connection.execute("CREATE TABLE padding (fill text)")  # nobody's table: it counts for nothing
        await connection.execute("INSERT INTO padding SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
        for day, rows in ((first, 6_000), (first + timedelta(days=1), 3_000), (first + timedelta(days=2), 3_000)):
            await connection.execute(
                f"INSERT INTO sessions (tape, seq, ts, ts_ns, kind, session, name) SELECT 9, n, '{day} 12:00:00+00', "
                f"0, 'x', 1, repeat('y', 300) FROM generate_series(1, {rows}) n"
            )
    target = PostgresTarget(world.database.settings(), lambda: first + timedelta(days=2))
    await target.open()
    try:
        there = await partitions.found(target.connection, world.database.schema)
        of_day = [sum(one.bytes for one in there if one.day == first + timedelta(days=at)) for at in range(3)]
        mb = (of_day[2] + of_day[1] // 2) // 10**6
        assert 0 < of_day[2] < mb * 10**6 < of_day[1] + of_day[2]
        plan = await target.outdated(0, mb)
        assert {one.day for one in plan} == {first, first + timedelta(days=1)}
        assert plan[0].why == f"{sum(one.bytes for one in there):,} bytes, of which {mb * 10**6:,} may stay"
        assert await partitions.found(target.connection, world.database.schema) == there, "asking changes nothing"
        stays = {one.name for one in plan} - {one.name for one in await target.let_go(plan)}
        assert "positions_20231114" in stays
        left = sum(one.bytes for one in await partitions.found(target.connection, world.database.schema))
        assert left <= mb * 10**6
        assert await target.outdated(0, mb) == []
        # A bound just below what is left is not met by the first day's positions, which stay.
        stood = partitions.Partition("orders", first + timedelta(days=1), left)
        held = [one for one in await partitions.found(target.connection, world.database.schema) if one.day == first]
        again = await partitions.to_go(target.connection, [*held, stood], first + timedelta(days=2), 0, left)
        assert {one.day for one in again} == {first, first + timedelta(days=1)}
    finally:
        await target.close()


async def test_partitions_are_by_day_and_made_when_rows_come(world: World[Database]) -> None:
    world.write(market_records(14, 50))
    async with world.sink() as sink:
        await sink.until_seq(len(world.records()))
    async with world.database.connected() as connection:
        names = {
            row["relname"]
            for row in await connection.fetch(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r'"
            )
        }
        assert "risk_decisions_20231114" in names
        with pytest.raises(asyncpg.CheckViolationError, match="no partition"):
            await connection.execute(
                "INSERT INTO sessions VALUES (1, 1, '1999-01-01', 0, 'x', 1, NULL, NULL, NULL, NULL)"
            )
