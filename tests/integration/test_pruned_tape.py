"""The beginning of an orders tape is removed while the platform runs: nobody misses it, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from pathlib import Path

from click.testing import CliRunner

from services.engine import Audit
from services.engine.operator import Operator
from services.engine.verify import verify_tape
from services.journal.checkpoint import RESTART
from tapewire import messages as m
from tapewire.cli.tape import command as tape_command
from tapewire.cli.verify import command as verify_command
from tapewire.cli.verify import line
from tapewire.consumers import positions
from tapewire.interfaces import Received
from tapewire.nats_server import NatsServer
from tapewire.store.query import Store
from tapewire.tape import TapeReader, inspect
from tapewire.transports.nats import NatsTransport
from tests.engine_process import ACCOUNTS, INSTRUMENT, EngineProcess
from tests.integration.test_journal_process import START_S, journal, of_kind, of_matcher, rebuilt, trade
from tests.integration.test_transport_contract import patient, until

SEGMENT = 1 << 17
OTHER = INSTRUMENT.replace("ACME", "BETA")


def retain(data: Path, *options: str) -> str:
    done = CliRunner().invoke(tape_command, ["retain", "orders.0", "--data", str(data), "--max-mb", "0", *options])
    assert done.exit_code == 0, done.output
    return done.output


def whole(removed: Path, tape: Path) -> Path:
    """The tape as if nothing had been removed: what was kept aside, and what is there."""
    for path in tape.glob("*.seg"):
        shutil.copy(path, removed / path.name)
    shutil.copy(tape / "control", removed / "control")
    return removed


async def test_it_goes_on_is_verified_and_holds_the_same_books_and_positions(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    env, heard, pick = f"t{os.getpid()}", list[Received](), random.Random(5)
    more = f'[nats]\nurl = "{nats_server.url}"\n[publisher]\nhealth_interval = 0.05\nsnapshot_every = 400\n'
    more = INSTRUMENT + OTHER + ACCOUNTS + more
    engine = EngineProcess(tmp_path, engine="snapshot_every = 400", more=more, segment_bytes=SEGMENT)
    data, tape, removed = engine.folders.data, engine.tape, tmp_path / "removed"
    listening = NatsTransport(patient(nats_server.url))
    await listening.connect()
    await listening.subscribe(f"{env}.house.>", heard.append)
    try:
        await asyncio.to_thread(engine.start)
        async with journal(engine.config) as publisher:
            with await asyncio.to_thread(engine.client) as client:
                with Operator(data) as operator:
                    operator.set_status(client.instruments()["BETA"].instrument, m.InstrumentStatus.halted)
                while min(positions(tape).get(name, 0) for name in ("engine", RESTART)) < 1500:
                    await asyncio.to_thread(trade, client, pick, 100)
                shutil.copytree(tape, removed, ignore=shutil.ignore_patterns("snapshots", "consumers", "publisher"))
                assert "0 segments" not in retain(data, "--yes")
                first = inspect.inspect(tape).first_seq
                assert first > 1000
                # Everybody who runs goes on, and who comes now finds what stands.
                await asyncio.to_thread(trade, client, pick, 200)
                there = client.instruments()
                assert [(t, d.status.name) for t, d in there.items()] == [("ACME", "trading"), ("BETA", "halted")]
            engine.kill()
            publisher.kill()
        recovered = await asyncio.to_thread(engine.start)
        assert recovered["snapshot"] >= first - 1
        async with journal(engine.config):
            with await asyncio.to_thread(engine.client) as client, Operator(data) as operator:
                assert client.instruments()["ACME"].price_exponent == -2
                assert operator.limits(1, max_position=100_000).completed
                await asyncio.to_thread(trade, client, pick, 300)
            assert await asyncio.to_thread(engine.end) == 0
            await until(lambda: rebuilt(of_kind(heard, "book")) == of_matcher(tape), START_S)
    finally:
        engine.close()
        await listening.drain()
    # One fold from the first record to the last comes to the very state, positions and books, that the engine left.
    left = engine.lines("stopped")[-1]["digest"]
    full = Audit(whole(removed, tape))
    full.run()
    assert full.digest() == left
    report = verify_tape(tape)
    assert (report.ok, report.problems, report.digest) == (True, [], left)
    assert first <= report.begins == report.checked + first
    assert report.begins - 1 + report.records == full.seq
    assert f"from record {report.begins:,} on ({report.checked:,} before it" in line(report)
    assert CliRunner().invoke(verify_command, ["orders.0", "--data", str(data)]).exit_code == 0
    # Nothing that the configuration asks was asked again, and what reads the tape finds its way.
    assert not engine.lines("the configuration asks for what the engine refuses")
    shown = CliRunner().invoke(tape_command, ["tail", "orders.0", "--data", str(data), "--no-follow", "-n", "2000"])
    assert "instrument=ACME" in shown.output
    assert "price=10.0" in shown.output
    rows = Store(data).query("executions", "ACME", raw=True)
    assert first <= rows["seq"][0].as_py()


def test_without_a_snapshot_to_begin_with_a_pruned_tape_is_refused_by_name(tmp_path: Path) -> None:
    engine = EngineProcess(tmp_path, engine="snapshot_every = 200", segment_bytes=SEGMENT)
    try:
        engine.start()
        with engine.client() as client:
            trade(client, random.Random(1), 800)
        assert engine.end() == 0
        retain(engine.folders.data, "--yes")
        shutil.rmtree(engine.tape / "snapshots")
        assert engine.begin().wait(START_S) == 1
        first = inspect.inspect(engine.tape).first_seq
        assert first > 1
        said = engine.log.read_text().splitlines()[-1]
        assert f"begins with record {first}: retention removed what came before, and no snapshot" in said
        report = verify_tape(engine.tape)
        assert (report.ok, report.records) == (False, 0)
        assert "no snapshot of that or later can be taken up (there is none)" in report.problems[0]
        with TapeReader(engine.tape, from_seq=None) as reader:
            assert reader.first_seq == first
    finally:
        engine.close()


async def test_a_journal_that_is_first_started_there_publishes_the_books_that_stand(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    env, heard, pick = f"t{os.getpid()}", list[Received](), random.Random(6)
    more = f'[nats]\nurl = "{nats_server.url}"\n[publisher]\nhealth_interval = 0.05\n'
    engine = EngineProcess(
        tmp_path, engine="snapshot_every = 300", more=INSTRUMENT + ACCOUNTS + more, segment_bytes=SEGMENT
    )
    listening = NatsTransport(patient(nats_server.url))
    await listening.connect()
    await listening.subscribe(f"{env}.house.>", heard.append)
    try:
        await asyncio.to_thread(engine.start)
        with await asyncio.to_thread(engine.client) as client:
            while positions(engine.tape).get("engine", 0) < 1500:
                await asyncio.to_thread(trade, client, pick, 100)
            retain(engine.folders.data, "--yes")
            assert inspect.inspect(engine.tape).first_seq > 1000
            async with journal(engine.config):
                await until(lambda: "journal.publisher" in positions(engine.tape), START_S)
                asked = f"{env}.house.snapshot.ACME"
                await until(lambda: positions(engine.tape)["journal.publisher"] > 0, START_S)
                begun = m.BookSnapshot.decode((await listening.request(asked, b"", timeout=START_S)).data)
                await asyncio.to_thread(trade, client, pick, 200)
                assert await asyncio.to_thread(engine.end) == 0
                levels = {(one.side, one.price): (one.qty, one.orders) for one in begun.levels}

                def follows() -> bool:
                    stands = dict(levels)
                    for delta in of_kind(heard, "book"):
                        assert isinstance(delta, m.BookDelta)
                        if delta.book_seq > begun.book_seq:
                            stands |= {(one.side, one.price): (one.qty, one.orders) for one in delta.levels}
                    return {key: level for key, level in stands.items() if level[0]} == of_matcher(engine.tape)

                await until(follows, START_S)
    finally:
        engine.close()
        await listening.drain()
