"""The images that compose.yaml names, and our own, on a real Docker engine; skipped, with why, where none answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import nats
import pytest
import redis.asyncio
from aiokafka import AIOKafkaProducer

from tools.services.containers import RECIPES, Container, image, no_engine

ROOT = Path(__file__).resolve().parents[2]
REASON = no_engine()
on_an_engine = pytest.mark.skipif(bool(REASON), reason=REASON or "-")
BUILD_S = 1800


@pytest.fixture
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    with Container(request.param) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(600)
@on_an_engine
@pytest.mark.parametrize("container", sorted(RECIPES), indirect=True)
async def test_a_container_of_it_answers_the_client_that_production_uses(container: Container) -> None:
    if container.name == "nats":
        bus = await nats.connect(container.url)
        assert (await bus.jetstream().account_info()).limits is not None
        await bus.close()
    elif container.name == "postgres":
        connection = await asyncpg.connect(container.url)
        assert await connection.fetchval("select 1") == 1
        await connection.close()
    elif container.name == "redis":
        client = redis.asyncio.Redis.from_url(container.url)
        assert await client.set("a", 1)
        await client.aclose()
    elif container.name == "kafka":
        producer = AIOKafkaProducer(bootstrap_servers=container.url, acks="all")
        await producer.start()
        await producer.send_and_wait("a", b"1")
        await producer.stop()
    else:
        assert container.recipe.ready(container.port)


@pytest.mark.slow
@pytest.mark.timeout(BUILD_S)
@on_an_engine
def test_the_image_is_built_and_runs_with_nothing_to_write_to_but_its_data() -> None:
    subprocess.run(["make", "image"], cwd=ROOT, check=True, timeout=BUILD_S)
    run = [
        "docker",
        "run",
        "--rm",
        "--read-only",
        "--cap-drop",
        "ALL",
        "--network",
        "none",
        "--tmpfs",
        "/data:uid=10001",
    ]
    name = image("engine")
    said = subprocess.run([*run, name, "doctor", "--json"], capture_output=True, text=True, check=False).stdout
    assert {one["state"] for one in json.loads(said)} <= {"ok", "advice", "problem", "unknown"}
    who = subprocess.run([*run, "--entrypoint", "id", name, "-u"], capture_output=True, text=True, check=True).stdout
    assert who.strip() == "10001"
    for compiler in ("cc", "gcc", "g++", "clang"):
        found = subprocess.run([*run, "--entrypoint", "sh", name, "-c", f"command -v {compiler}"], check=False)
        assert found.returncode != 0, compiler


def test_every_recipe_is_for_a_service_of_the_file_and_a_pinned_image() -> None:
    for name in RECIPES:
        assert ":" in image(name), name
        assert "$" not in image(name), name
