"""The sink as the process that people run, and what `tapewire sink` says of it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tapewire import consumers
from tests.sinks.stack import PATIENCE_S, ROOT, Database, SinkProcess, World, market_records


@pytest.fixture
def config(world: World[Database], tmp_path: Path) -> Path:
    path = tmp_path / "tapewire.toml"
    path.write_text(f'data = "{world.folders.data}"\nrings = "{tmp_path}/rings"\n{world.database.toml()}')
    return path


def tapewire(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tapewire.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


def status(config: Path) -> dict[str, Any]:
    done = tapewire("sink", "status", "--json", "--config", str(config))
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)
    found: dict[str, Any] = one
    return found


async def test_status_is_told_by_the_process_while_it_runs_and_by_the_target_after(
    world: World[Database], config: Path
) -> None:
    records = market_records(41, 200)
    world.write(records)
    sink = SinkProcess(config)
    process = sink.start()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while await world.database.seq() < len(records):
            assert time.monotonic() < deadline, sink.log.read_text()
            await asyncio.sleep(0.05)
        second = sink.start()
        assert await asyncio.to_thread(second.wait, PATIENCE_S) == 1
        assert "another live process writes it" in sink.log.read_text() or "writes" in sink.log.read_text()
        told = await asyncio.to_thread(status, config)
        while told["tapes"][0]["lag"]:  # the rows are there before it is told
            assert time.monotonic() < deadline, told
            told = await asyncio.to_thread(status, config)
        assert (told["running"], told["state"], told["pid"]) == (True, "running", process.pid)
        (tape,) = told["tapes"]
        assert (tape["tape"], tape["state"], tape["seq"], tape["lag"]) == ("orders.0", "running", len(records), 0)
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
    world.write(market_records(41, 260)[len(records) :])
    behind = len(market_records(41, 260)) - len(records)
    told = await asyncio.to_thread(status, config)
    (tape,) = told["tapes"]
    assert (told["running"], tape["seq"], tape["lag"], tape["rate"]) == (False, len(records), behind, None)
    words = await asyncio.to_thread(tapewire, "sink", "status", "--config", str(config))
    assert f"behind {behind:>12,}" in words.stdout
    secret = world.database.password_file.read_text()
    assert secret not in sink.log.read_text() + words.stdout + json.dumps(told)


async def test_asking_makes_nothing_and_says_what_is_wrong(world: World[Database], config: Path) -> None:
    world.write(market_records(45, 20))
    told = await asyncio.to_thread(status, config)
    assert (told["running"], told["reason"], told["tapes"][0]["seq"]) == (False, "", 0)
    async with world.database.connected() as connection:
        made = await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", world.database.schema)
        assert made is None
    async with world.sink() as sink:
        await sink.until_seq(len(world.records()))
    async with world.database.connected() as connection:
        await connection.execute("INSERT INTO migrations VALUES (9999, 'of_tomorrow', 'x')")
    told = await asyncio.to_thread(status, config)
    assert "has version 9999 (of_tomorrow)" in told["reason"]
    # Nobody tries it again: there is no sink that runs.
    world.database.password_file.write_text("wrong")
    told = await asyncio.to_thread(status, config)
    assert "the server refuses this user" in told["reason"]
    assert "tried again" not in told["reason"]
    words = await asyncio.to_thread(tapewire, "sink", "status", "--config", str(config))
    assert "start it: tapewire sink run postgres" in words.stdout


async def test_sigterm_commits_what_was_read(world: World[Database], config: Path) -> None:
    records = market_records(42, 100)
    world.write(records)
    config.write_text(config.read_text().replace("batch_wait = 0.01", "batch_wait = 60.0"))
    sink = SinkProcess(config)
    process = sink.start()
    page = world.folders.stats / "sink.postgres.orders.0"
    deadline = time.monotonic() + PATIENCE_S
    while not page.exists() or '"event":"tape"' not in sink.log.read_text().replace(" ", ""):
        assert time.monotonic() < deadline, sink.log.read_text()
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    assert await world.database.seq() == 0
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
    assert await world.database.seq() == len(records)


async def test_retention_says_first_what_would_go_and_keeps_positions_that_stand(
    world: World[Database], config: Path
) -> None:
    records = market_records(43, 300)
    world.write(records)
    async with world.sink() as sink:
        await sink.until_seq(len(records))
    refused = await asyncio.to_thread(tapewire, "sink", "retain", "postgres", "--config", str(config))
    assert (refused.returncode, "--days, --mb: expected one" in refused.stderr) == (1, True)
    by_size = ("sink", "retain", "postgres", "--mb", "1", "--json", "--config", str(config))
    small = json.loads((await asyncio.to_thread(tapewire, *by_size)).stdout)
    assert "orders_20231114" in {part["name"] for part in small["parts"]}
    assert all(part["why"].endswith("of which 1,000,000 may stay") for part in small["parts"])
    arguments = ("sink", "retain", "postgres", "--days", "30", "--json", "--config", str(config))
    plan = json.loads((await asyncio.to_thread(tapewire, *arguments)).stdout)
    assert {part["name"] for part in plan["parts"]} >= {"orders_20231114", "positions_20231114"}
    assert not any(part["dropped"] for part in plan["parts"])
    assert {part["why"] for part in plan["parts"]} == {"older than 30 days"}
    before = await world.database.rows()
    assert before["orders"]
    done = json.loads((await asyncio.to_thread(tapewire, *arguments, "--yes")).stdout)
    stays = {part["name"] for part in done["parts"] if not part["dropped"]}
    assert stays == {"positions_20231114"}
    after = await world.database.rows()
    assert after.keys() == {"instruments", "positions"}
    last = {(row["account"], row["instrument"]): row for row in before["positions"]}
    assert {(row["account"], row["instrument"]): row for row in after["positions"]} == last
    assert len(after["positions"]) == len(last)


async def test_a_sink_that_is_forgotten_holds_nothing_back(world: World[Database], config: Path) -> None:
    records = market_records(44, 100)
    for name in ("orders.0", "orders.1"):
        world.write(records, name)
    arguments = ("sink", "forget", "postgres", "--json", "--config", str(config))

    async def forget(*more: str) -> tuple[int, list[dict[str, Any]]]:
        done = await asyncio.to_thread(tapewire, *arguments, *more)
        return done.returncode, json.loads(done.stdout)["tapes"]

    async with world.sink(keep=0.0) as sink:
        await sink.until_seq(len(records))
        await sink.until_seq(len(records), "orders.1")
        code, held = await forget("--yes")
        assert (code, [one["forgotten"] for one in held]) == (1, [False, False])
        assert "the sink runs and follows this tape" in held[0]["reason"]
    code, held = await forget()
    behind = {"seq": 0, "behind": len(records), "forgotten": False, "reason": ""}
    assert (code, held) == (0, [{"tape": "orders.0", **behind}, {"tape": "orders.1", **behind}])
    assert "sink.postgres" in consumers.positions(world.tape("orders.0"))
    code, held = await forget("--tape", "orders.1", "--yes")
    assert (code, held) == (0, [{"tape": "orders.1", **behind, "forgotten": True}])
    assert "sink.postgres" in consumers.positions(world.tape("orders.0"))
    assert consumers.positions(world.tape("orders.1")) == {}
    # Also of a sink that the settings no longer name.
    config.write_text("\n".join(config.read_text().splitlines()[:2]))
    _, held = await forget("--yes")
    assert [one["tape"] for one in held] == ["orders.0"]
    assert consumers.positions(world.tape("orders.0")) == {}
    assert (await forget("--yes")) == (0, [])
    done = await asyncio.to_thread(tapewire, *arguments, "--tape", "orders.9")
    assert (done.returncode, "there is no such tape" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("redis9",), "there is no such sink"),
        (("postgres",), "sinks.postgres.url: not set"),
    ],
)
def test_a_sink_that_is_none_is_said(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    path = tmp_path / "tapewire.toml"
    path.write_text(f'data = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n')
    done = tapewire("sink", "run", *arguments, "--config", str(path))
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("name", "url", "package"),
    [
        ("postgres", "postgresql://127.0.0.1:9/x", "asyncpg"),
        ("kafka", "127.0.0.1:9", "aiokafka"),
        ("redis", "redis://127.0.0.1:9/0", "redis"),
    ],
)
def test_a_sink_whose_package_is_not_installed_says_what_to_install(
    tmp_path: Path, name: str, url: str, package: str
) -> None:
    """As on a machine that installed tapewire without the extra: the package is not to be found."""
    path = tmp_path / "tapewire.toml"
    path.write_text(f'data = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n[sinks.{name}]\nurl = "{url}"\n')
    without = (
        f"import sys, runpy; sys.modules[{package!r}] = None; sys.argv = ['sink', {name!r}, '--config', {str(path)!r}]"
    )
    run = f"{without}; runpy.run_module('services.flusher.sinks', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 1, done.stderr
    assert f"pip install tapewire[{name}]" in done.stderr
