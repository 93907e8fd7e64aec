"""docs/stream.md tells the truth: its exchanges are what the stream says, its clients run, its tables are whole."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import msgspec
import pytest

from services.api.stream import document
from services.api.stream.channels import CHANNELS, DEPTH, INTERVALS
from services.api.stream.counters import Counters
from services.api.stream.requests import Auth, Subscribe
from tapewire import messages as m
from tapewire.config.stream import Stream
from tests.stream.exchanges import DOCUMENT, MARKED, comparable, exchanges, written
from tests.stream.world import PATIENCE_S, SECRET, World, running

TEXT = DOCUMENT.read_text()


async def test_the_exchanges_are_what_the_stream_says_today() -> None:
    found = await exchanges()
    assert {place[1] for place in MARKED.findall(TEXT)} == set(found)
    assert comparable(written(TEXT, found)) == comparable(TEXT), "run `python -m tests.stream.exchanges`"


def test_every_channel_is_told_of_with_what_it_takes_and_its_pace() -> None:
    section = TEXT[TEXT.index("## Channels") : TEXT.index("## Who does not read")]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|([^|]*)\| ([^|]+) \| [^|]+ \|$", section, re.MULTILINE)
    told = {name: (set(re.findall(r"`(after|depth|feed|interval|types)`", takes)), pace) for name, takes, pace in rows}
    paces = {
        name: {0: "at once", 1000: "1 s"}.get(c.interval_ms, f"{c.interval_ms} ms") for name, c in CHANNELS.items()
    }
    assert told == {name: (set(channel.options), paces[name]) for name, channel in CHANNELS.items()}
    assert f"(1 to {Stream().max_depth}; {DEPTH})" in TEXT
    assert ", ".join(map(str, INTERVALS)) in TEXT


def test_every_field_and_every_bound_is_named() -> None:
    fields = {field.name for one in (Auth, Subscribe) for field in msgspec.structs.fields(one)}
    bounds = {field.name for field in msgspec.structs.fields(Stream)}
    unnamed = {name for name in fields | bounds if not re.search(rf"\b{name}\b", TEXT)}
    assert unnamed <= {"socket_buffer_bytes", "drain_timeout", "max_history", "max_logs", "max_depth"}
    counted = re.search(r"it is counted \((.*?), …\)", TEXT, re.DOTALL)
    assert counted is not None
    assert set(re.findall(r"`(\w+)`", counted[1])) <= set(Counters().to_dict())


def source(language: str) -> str:
    found = re.search(rf"<!-- client: {language} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


async def seen(world: World, command: list[str], wanted: str) -> str:
    """Runs a client until it has printed what is wanted, while orders meet; returns its line."""
    secret = base64.b64encode(SECRET).decode()
    environment = {**os.environ, "URL": world.url, "KEY": "trader", "SECRET": secret, "TICKER": "ACME"}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                world.send(world.order(m.Side.buy, 9900, 1), world.order(m.Side.sell, 9900, 1, account=1))
                try:
                    async with asyncio.timeout(0.1):
                        line = (await process.stdout.readline()).decode().strip()
                except TimeoutError:
                    continue
                if not line:
                    raise AssertionError((await process.stderr.read()).decode())
                if re.fullmatch(wanted, line):
                    return line
    finally:
        process.kill()
        await process.communicate()  # to the ends of its pipes: what is left open is found by another test


async def test_the_python_client_prints_the_best_prices(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(source("python"))
    async with running(tmp_path / "world") as world:
        world.send(world.order(m.Side.buy, 9800, 5), world.order(m.Side.sell, 10100, 7))
        await world.settled()
        await seen(world, [sys.executable, str(tmp_path / "client.py")], r"9[89]\.00 101\.00")


def version(node: str) -> int:
    """Its major number."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return int(said[1:].split(".")[0])


async def test_the_javascript_client_prints_trades(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    major = version(node)
    if major < 20:
        pytest.skip(f"node {major} has no WebSocket; 20 is the first with one")
    (tmp_path / "client.mjs").write_text(source("javascript"))
    flags = ["--experimental-websocket"] if major < 22 else []
    async with running(tmp_path / "world") as world:
        await seen(world, [node, *flags, str(tmp_path / "client.mjs")], r"\d+ 1 at 99\.00")


def test_the_clients_are_as_short_as_they_can_be_read() -> None:
    for language, most in (("python", 20), ("javascript", 15)):
        assert len([line for line in source(language).splitlines() if line]) <= most


def test_the_asyncapi_document_is_that_of_today_and_points_nowhere_else() -> None:
    assert document.main(["--check"]) == 0, "run `make generate`"
    made = document.document()
    for reference in set(re.findall(r'"#/([^"]+)"', json.dumps(made))):
        place = made
        for part in reference.split("/"):
            place = place[part]
    assert set(document.BODIES) == set(CHANNELS)


async def test_what_is_said_in_the_exchanges_fits_the_asyncapi_document() -> None:
    made = document.document()
    messages, schemas = made["components"]["messages"], made["components"]["schemas"]
    for line in (
        line[2:] for place in MARKED.finditer(TEXT) for line in place[0].splitlines() if line[:2] in ("> ", "< ")
    ):
        said = json.loads(line)
        if "ch" in said and "type" in said:
            head = messages[f"channel.{said['ch']}"]["payload"]["allOf"][0]["properties"]
            name = "BookUpdate" if "prev" in said else document.BODIES[said["ch"]].__name__
            assert set(said) <= set(head) | set(schemas[name]["properties"]), line
            assert set(schemas[name]["required"]) <= set(said) | {"seq"}, line
