"""The servers that tests use are real: each is spoken with through the client that production uses."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.engine_process import PATIENCE_S
from tests.services import Running, own
from tools.services import Kafka, NotStarted, Postgres, Redis, Server, ports
from tools.services.kafka import locked
from tools.services.postgres import binaries

ROOT = Path(__file__).resolve().parents[2]


async def test_postgres_takes_rows_by_copy(postgres: Running) -> None:
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute("create temporary table fills (seq bigint, price numeric)")
        done = await connection.copy_records_to_table("fills", records=[(1, 10), (2, 11)])
        assert done == "COPY 2"
        assert await connection.fetchval("select sum(price) from fills") == 21
    finally:
        await connection.close()


async def test_postgres_asks_for_its_password(postgres: Running) -> None:
    assert postgres.server is None or "postgres:" in postgres.url
    user, _, rest = postgres.url.rpartition("@")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"{user}x@{rest}")


async def test_postgres_keeps_what_was_committed_when_it_is_killed() -> None:
    with own(Postgres) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("create table kept (seq bigint)")
        await connection.execute("insert into kept values (7)")
        server.kill()
        server.start()
        connection.terminate()
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("select seq from kept") == 7
        await connection.close()


async def test_redis_takes_hashes_and_asks_for_its_password(redis: Running) -> None:
    client = redis_client(redis.url)
    try:
        await client.hset("test:services", "last", "10.00")
        assert await client.hget("test:services", "last") == b"10.00"
        await client.delete("test:services")
    finally:
        await client.aclose()
    without = redis_client(f"redis://{redis.url.rpartition('@')[2]}")
    try:
        with pytest.raises(redis_errors().AuthenticationError):
            await without.ping()
    finally:
        await without.aclose()


async def test_redis_keeps_what_it_answered_when_it_is_killed() -> None:
    with own(Redis) as server:
        client = redis_client(server.url)
        await client.set("kept", 7)
        await client.aclose()
        server.kill()
        server.start()
        client = redis_client(server.url)
        assert await client.get("kept") == b"7"
        await client.aclose()


async def test_kafka_gives_back_what_it_took_in_order(kafka: Running) -> None:
    topic = f"test.services.{time.time_ns()}"
    producer = AIOKafkaProducer(bootstrap_servers=kafka.url, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for seq in range(3):
            await producer.send_and_wait(topic, b"%d" % seq, key=b"ACME", headers=[("seq", b"%d" % seq)])
    finally:
        await producer.stop()
    assert await read(kafka.url, topic, 3) == [b"0", b"1", b"2"]


async def test_apache_kafka_keeps_what_it_acknowledged_when_it_is_killed() -> None:
    with own(Kafka) as server:
        if not server.durable:
            pytest.skip(f"{server.version} keeps its records in memory; Apache Kafka needs Java and Maven")
        producer = AIOKafkaProducer(bootstrap_servers=server.url, acks="all")
        await producer.start()
        await producer.send_and_wait("kept", b"7")
        await producer.stop()
        server.kill()
        server.start()
        assert await read(server.url, "kept", 1) == [b"7"]


def test_jaeger_answers_its_query_api(jaeger: Running) -> None:
    assert "data" in get(f"{jaeger.url}/api/services")


def test_prometheus_scrapes_and_answers(prometheus: Running) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := get(f"{prometheus.url}/api/v1/query?query=up")["data"]["result"]):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


@pytest.mark.parametrize("kind", [Postgres, Redis])
def test_it_listens_below_the_ports_of_the_kernel_and_ends_with_its_parent(kind: type[Server], tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; import tools.services as s\n"
        "server = getattr(s, sys.argv[1])(Path(sys.argv[2])).start()\n"
        "print(server.pid, server.port, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, kind.__name__, str(tmp_path / "it")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, port = map(int, parent.stdout.readline().split())
        assert port in ports.PORTS
        assert alive(pid)
        parent.kill()
    deadline = time.monotonic() + PATIENCE_S
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_port_is_given_once_here_and_to_no_other_process_until_this_one_ends() -> None:
    own = [ports.free_port() for _ in range(100)]
    assert len(set(own)) == len(own)
    code = "from tools.services import ports; print(ports.free_port(), flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        assert port not in own
        assert not ports._locked(port)
        other.communicate("\n", PATIENCE_S)
    assert ports._locked(port)


def test_one_that_cannot_start_says_what_it_said(tmp_path: Path) -> None:
    with own(Redis, tmp_path / "one") as first, pytest.raises(NotStarted, match="redis ended at once"):
        Redis(tmp_path / "two", port=first.port).start()


def test_no_secret_is_in_the_arguments_of_a_server() -> None:
    with own(Redis) as server:
        arguments = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode()
        assert server.url.split(":")[2].partition("@")[0] not in arguments


def test_the_locked_jars_are_of_one_version_and_hold_whole_hashes() -> None:
    names = locked()
    versions = {name.rpartition("-")[2] for name in names if name.startswith("kafka")}
    pom = (ROOT / "tools/services/kafka.pom.xml").read_text()
    assert versions == {pom.rpartition("<version>")[2].partition("<")[0] + ".jar"}
    assert {len(digest) for digest in names.values()} == {64}


def test_the_postgres_of_the_wheel_has_what_is_needed() -> None:
    assert {"initdb", "postgres"} <= {path.name for path in binaries().iterdir()}


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


def redis_client(url: str) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(url)


def redis_errors() -> Any:
    return redis.exceptions


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
