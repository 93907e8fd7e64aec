"""Programs in three languages that know nothing of ours, beside a running engine and journal: all see the trades."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

import nats
import orjson
import pytest

from tapewire import messages as m
from tapewire.bus.schemas import files
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader
from tests.engine_process import ACCOUNTS, INSTRUMENT, ROOT, EngineProcess, order
from tests.integration.test_journal_process import journal

EXAMPLES = ROOT / "examples"
BUILD_S = 300
START_S = 60.0
TRADES = 5
NO_NETWORK = ("no such host", "dial tcp", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT")


def python(folder: Path) -> list[str]:
    return [sys.executable, str(EXAMPLES / "subscribe.py")]


def javascript(folder: Path) -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("no node and npm on this machine")
    shutil.copytree(EXAMPLES / "javascript", folder, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
    build(folder, npm, "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund")
    return [node, str(folder / "subscribe.mjs")]


def go(folder: Path) -> list[str]:
    tool = shutil.which("go")
    if not tool:
        pytest.skip("no Go on this machine")
    shutil.copytree(EXAMPLES / "go", folder, dirs_exist_ok=True)
    build(folder, tool, "build", "-o", "example", ".")
    return [str(folder / "example")]


def build(folder: Path, *command: str) -> None:
    """What the example's first line says to do. Its libraries come from the language's registry."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_S, check=False)
    if done.returncode and any(word in done.stderr for word in NO_NETWORK):
        pytest.skip(f"its libraries are not to be had here: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(BUILD_S + 60)
@pytest.mark.parametrize("example", [python, javascript, go], ids=lambda one: one.__name__)
async def test_trades_as_other_programs_see_them(
    example: Callable[[Path], list[str]], tmp_path: Path, nats_server: NatsServer
) -> None:
    command = await asyncio.to_thread(example, tmp_path / "example")
    bus = f'[nats]\nurl = "{nats_server.url}"\n[publisher]\nhealth_interval = 0.05\n'
    engine, env = EngineProcess(tmp_path, more=INSTRUMENT + ACCOUNTS + bus), f"t{os.getpid()}"
    program: Process | None = None
    try:
        async with journal(engine.config):
            await asyncio.to_thread(engine.start)
            await is_there(nats_server.url, f"{env}.ops.schema.layout")
            arguments = [f"{env}.*.trade.*", nats_server.url] if example is python else [nats_server.url, env]
            program = await asyncio.create_subprocess_exec(
                *command,
                *arguments,
                stdout=PIPE,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            assert program.stdout is not None
            seen: list[str] = []
            reading = asyncio.create_task(lines(program.stdout, seen))
            with await asyncio.to_thread(engine.client) as client:
                # The program says nothing until the first trade it hears of: trade until it has heard of five.
                deadline = asyncio.get_running_loop().time() + START_S
                while len(seen) < TRADES:
                    assert asyncio.get_running_loop().time() < deadline, f"{example} shows nothing"
                    assert program.returncode is None
                    order(client, m.Side.buy, 1000, 3, 1)
                    last = order(client, m.Side.sell, 1000, 3, 2)
                    assert list(client.answers(last, START_S))
                    await asyncio.sleep(0.05)
            reading.cancel()
    finally:
        if program is not None and program.returncode is None:
            program.kill()
            await program.wait()
        engine.close()
    with TapeReader(engine.tape) as reader:
        executed = {(e.price, e.qty, e.aggressor) for e in map(m.decode, reader) if isinstance(e, m.OrderExecuted)}
    assert executed == {(1000, 3, m.Side.sell)}
    subject = f"{env}.house.trade.ACME"
    if example is python:
        assert set(seen) == {f"{subject:32} sell {3:>14.8f} @ {10:.8f}"}
    else:
        assert set(seen) == {f"{subject} sell 3e0 @ 1000e-2"}


async def test_schemas_are_kept_in_a_bucket_and_answered(tmp_path: Path, nats_server: NatsServer) -> None:
    engine, env = EngineProcess(tmp_path, more=INSTRUMENT + f'[nats]\nurl = "{nats_server.url}"\n'), f"t{os.getpid()}"
    client = await nats.connect(nats_server.url)
    try:
        async with journal(engine.config):
            await asyncio.to_thread(engine.start)
            await is_there(nats_server.url, f"{env}.ops.schema.layout")
            bucket = await client.jetstream().key_value(f"tapewire-schemas-{env}")
            for name, text in files().items():
                assert (await bucket.get(name)).value == text
                assert (await client.request(f"{env}.ops.schema.{name.replace('.', '=2E')}")).data == text
            unknown = await client.request(f"{env}.ops.schema.nothing")
            assert unknown.data.startswith(b"no schema 'nothing'; there are layout, common.capnp,")
            found = orjson.loads((await client.request("$SRV.INFO.tapewire-journal")).data)
            assert [one["name"] for one in found["endpoints"]] == ["snapshot", "schema"]
            assert found["metadata"] == {"env": env, "shard": "0"}
    finally:
        engine.close()
        await client.close()


async def is_there(url: str, subject: str) -> None:
    """Until somebody answers."""
    client = await nats.connect(url)

    async def answers() -> bool:
        try:
            await client.request(subject, timeout=0.5)
        except nats.errors.Error:
            return False
        return True

    try:
        deadline = asyncio.get_running_loop().time() + START_S
        while not await answers():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
    finally:
        await client.close()


async def lines(stream: asyncio.StreamReader, into: list[str]) -> None:
    while line := await stream.readline():
        into.append(line.decode().strip())
