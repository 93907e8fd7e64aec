"""Relay, replica, risk and matcher behind the shipped server's settings: what must fail is tried on a real server."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from click.testing import CliRunner
from nats.aio.client import Client

from services.replica.stream import Stream
from tapewire.bus.permissions import bucket
from tapewire.cli import cli
from tapewire.config.sections import Nats
from tapewire.nats_server import NatsServer
from tapewire.replication import names
from tapewire.replication.part import Part
from tapewire.transports.nats import NatsTransport
from tests.engine_process import PATIENCE_S
from tests.fix.certificates import self_signed
from tests.integration.test_bus_security import Secured, shipped
from tests.integration.test_transport_contract import until

TAPE, OTHER = "orders.0", "orders.9"
OURS, ANOTHER = names.stream("t", TAPE), names.stream("t", OTHER)
SCHEMAS = f"KV_{bucket('t')}"
RING, CLIENT = "relay-orders-0-gateway", "relay-router-0-api"
OF_A_TAPE = tuple(f"t.tape.{kind}.orders=2E0" for kind in ("frames", "claim", "alive"))
OF_STREAMS = tuple(
    f"$JS.API.{what}"
    for what in (
        *(f"STREAM.{verb}.{OURS}" for verb in ("INFO", "CREATE", "UPDATE", "MSG.GET", "PURGE", "DELETE")),
        *(f"CONSUMER.CREATE.{OURS}.x", f"CONSUMER.DURABLE.CREATE.{OURS}.x", "INFO", "STREAM.NAMES", "STREAM.LIST"),
    )
)
NOT_PUBLISHED = {
    "replica": (
        *(f"$JS.API.STREAM.{verb}.{OURS}" for verb in ("DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE")),
        *(f"$JS.API.STREAM.{verb}.{ANOTHER}" for verb in ("INFO", "CREATE", "UPDATE", "MSG.GET", "DELETE")),
        *(f"$JS.API.STREAM.{verb}.{SCHEMAS}" for verb in ("INFO", "UPDATE", "MSG.GET", "DELETE", "PURGE")),
        *(f"$JS.API.CONSUMER.{verb}.{stream}.x" for verb in ("CREATE", "DELETE") for stream in (ANOTHER, SCHEMAS)),
        *(f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.x" for stream in (OURS, ANOTHER, SCHEMAS)),
        *(
            "$JS.API.STREAM.CREATE.ANY",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.LEADER.STEPDOWN." + OURS,
            "$JS.API.INFO",
        ),
        *(f"t.tape.{kind}.orders=2E9" for kind in ("frames", "claim", "alive", "fetch")),
        *("t.orders.command.7", "t.orders.ring.0-gateway", "t.router.ring.0-api", "t.risk.ask.0", "t.matcher.ask.0"),
        *("t.orders.tape.0", "t.house.trade.ACME", "_INBOX.engine.x", "$SYS.REQ.SERVER.PING"),
    ),
    "relay": (
        *(*OF_A_TAPE, "t.tape.fetch.orders=2E0", *OF_STREAMS, "t.orders.ring.0-gateway", "t.router.ring.0-api"),
        *("t.orders.command.7", "t.risk.ask.0", "t.matcher.ask.0", "_INBOX.relay-orders-0-gateway.x"),
    ),
    RING: (
        *(*OF_A_TAPE, "t.tape.fetch.orders=2E0", *OF_STREAMS, "t.orders.ring.0-api", "t.orders.ring.1-gateway"),
        *("t.router.ring.0-gateway", "t.router.ring.0-api", "t.orders.command.7", "t.risk.ask.0"),
    ),
    CLIENT: (*OF_A_TAPE, *OF_STREAMS, "t.router.ring.0-strategy", "t.orders.ring.0-api", "t.orders.ring.0-gateway"),
    "engine": (
        *(*OF_A_TAPE, "t.tape.fetch.orders=2E0", *OF_STREAMS, "t.orders.ring.0-gateway", "t.orders.tape.0"),
        *("t.orders.command.7", "t.house.trade.ACME", "_INBOX.risk.x"),
    ),
    "risk": (*OF_A_TAPE, *OF_STREAMS, "t.risk.ask.0", "t.matcher.ask.0", "t.orders.ring.0-gateway", "_INBOX.engine.x"),
    "matcher": (
        *OF_A_TAPE,
        *OF_STREAMS,
        "t.risk.ask.0",
        "t.matcher.ask.0",
        "t.orders.ring.0-gateway",
        "_INBOX.engine.x",
    ),
    **dict.fromkeys(("api", "router", "monitor"), (*OF_A_TAPE, *OF_STREAMS[:8], "t.orders.ring.0-gateway")),
    "journal": (
        *(*OF_A_TAPE, *OF_STREAMS[:8], "t.orders.ring.0-gateway", f"$JS.API.STREAM.INFO.{ANOTHER}"),
        *(f"$JS.API.STREAM.{verb}.{SCHEMAS}" for verb in ("UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE")),
    ),
    "operator": (*OF_A_TAPE, *OF_STREAMS, "t.orders.ring.0-gateway"),
    "account-7": (*OF_A_TAPE, "t.tape.fetch.orders=2E0", *OF_STREAMS, "t.orders.ring.0-gateway"),
}
NOT_HEARD = {
    "replica": (
        *("t.tape.frames.*", "t.tape.>", "t.tape.fetch.*", "t.tape.fetch.orders=2E9", "t.tape.alive.orders=2E9", "t.>"),
        *("t.orders.command.7", "t.orders.ring.0-gateway", "t.risk.ask.0", "_INBOX.>", "_INBOX.relay.>", "$JS.>"),
    ),
    "relay": ("t.tape.alive.orders=2E0", "t.tape.frames.orders=2E0", "t.risk.ask.0", "t.orders.command.7", "_INBOX.>"),
    RING: ("t.orders.ring.0-gateway", "t.orders.ring.>", "t.tape.fetch.orders=2E0", "_INBOX.relay-orders-0-api.>"),
    CLIENT: ("t.router.ring.0-api", "t.router.ring.>", "t.tape.fetch.orders=2E0", "t.router.parent.7"),
    "engine": ("t.risk.ask.0", "t.matcher.ask.0", "t.orders.command.7", "t.tape.fetch.orders=2E0", "_INBOX.risk.>"),
    "risk": ("t.matcher.ask.0", "t.orders.tape.0", "t.tape.fetch.orders=2E0", "_INBOX.engine.>"),
    "matcher": ("t.risk.ask.0", "t.orders.tape.0", "t.tape.fetch.orders=2E0", "_INBOX.engine.>"),
}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    certificate, private = self_signed(folder, "localhost")
    named = [*("--account", "7"), *("--ring", "orders.0.gateway"), *("--ring", "router.0.api"), *("--tape", "orders.1")]
    made = CliRunner().invoke(cli, ["bus", "keys", str(folder), "--env", "t", *named])
    assert made.exit_code == 0, made.output
    with NatsServer(folder / "data", port=0, config=shipped(folder, certificate, private, tokens=False)) as server:
        yield Secured(server, folder, certificate)


@asynccontextmanager
async def connected(secured: Secured, user: str) -> AsyncIterator[tuple[Client, list[str]]]:
    """A client with that user's key, and what the server refuses it."""
    refused: list[str] = []

    async def on_error(error: Exception) -> None:
        refused.append(str(error))

    client = await nats.connect(
        f"tls://localhost:{secured.server.port}",
        tls=ssl.create_default_context(cafile=str(secured.ca)),
        nkeys_seed=str(secured.folder / "keys" / f"{user}.nk"),
        inbox_prefix=f"_INBOX.{user}".encode(),
        error_cb=on_error,
        allow_reconnect=False,
        connect_timeout=int(PATIENCE_S),
    )
    try:
        yield client, refused
    finally:
        await client.close()


def subjects_of(refused: list[str]) -> list[str]:
    """The subjects of the server's refusals, in the small letters in which the client passes them on."""
    return sorted(said.split('"')[1] for said in refused)


@pytest.mark.parametrize("user", sorted(NOT_PUBLISHED))
async def test_what_a_user_must_not_publish_the_server_refuses(secured: Secured, user: str) -> None:
    wanted = sorted(set(NOT_PUBLISHED[user]))
    async with connected(secured, user) as (client, refused):
        for subject in wanted:
            await client.publish(subject, b"{}")
        await until(lambda: len(refused) >= len(wanted))
        await client.flush(int(PATIENCE_S))
        assert subjects_of(refused) == sorted(subject.lower() for subject in wanted)


@pytest.mark.parametrize("user", sorted(NOT_HEARD))
async def test_what_a_user_must_not_hear_the_server_refuses(secured: Secured, user: str) -> None:
    wanted = sorted(set(NOT_HEARD[user]))
    async with connected(secured, user) as (client, refused):
        for subject in wanted:
            await client.subscribe(subject)
        await until(lambda: len(refused) >= len(wanted))
        await client.flush(int(PATIENCE_S))
        assert subjects_of(refused) == sorted(subject.lower() for subject in wanted)


async def test_what_replica_and_relays_need_is_let_through(secured: Secured) -> None:
    """Else the refusals above would show only that nothing works."""
    transport = NatsTransport(secured.settings("replica"))
    await transport.connect()
    stream = Stream(transport, "t", TAPE)
    try:
        await stream.open()
        assert (await stream.make(1, 1 << 20)).last == 0
        part = Part(kind="claim", mark="m", holder="h", epoch=1, position=0, end=0)
        stored = asyncio.get_running_loop().create_future()
        stream.publish(part, b"", 0, lambda sequence, why: stored.set_result((sequence, why)))
        assert await asyncio.wait_for(stored, PATIENCE_S) == (1, "")
        heard = asyncio.Event()
        deliver = transport.new_inbox()
        await transport.subscribe(deliver, lambda message: heard.set())
        await stream.consume(1, "mirror-x", deliver)
        await asyncio.wait_for(heard.wait(), PATIENCE_S)
        await stream.unconsume("mirror-x")
    finally:
        await transport.close()
    async with connected(secured, RING) as (carries, refused), connected(secured, "relay") as (takes, also):
        taken = await takes.subscribe("t.orders.ring.0-gateway")
        await takes.flush(int(PATIENCE_S))
        asked = asyncio.create_task(carries.request("t.orders.ring.0-gateway", b"records", timeout=PATIENCE_S))
        await (await taken.next_msg(PATIENCE_S)).respond(b"taken")
        assert (await asked).data == b"taken"
        assert refused == also == []


async def test_the_stream_of_a_tape_is_still_there_after_everybody_tried_to_remove_it(secured: Secured) -> None:
    """The server's word, not that of the list above."""
    async with connected(secured, "replica") as (replica, _):
        config = {"name": OURS, "subjects": [names.claim("t", TAPE)], "deny_delete": True, "deny_purge": True}
        await replica.request(f"$JS.API.STREAM.CREATE.{OURS}", json.dumps(config).encode(), timeout=PATIENCE_S)
        for user in sorted(NOT_PUBLISHED):
            async with connected(secured, user) as (client, _):
                for verb in ("DELETE", "PURGE"):
                    await client.publish(f"$JS.API.STREAM.{verb}.{OURS}", b"")
                await client.flush(int(PATIENCE_S))
        said = json.loads((await replica.request(f"$JS.API.STREAM.INFO.{OURS}", b"", timeout=PATIENCE_S)).data)
        assert said["config"]["name"] == OURS


def test_the_settings_name_keys_that_were_made(secured: Secured) -> None:
    assert isinstance(secured.settings("replica"), Nats)
    kept = {path.stem for path in Path(secured.folder / "keys").glob("*.nk")}
    assert kept >= {*NOT_PUBLISHED, *NOT_HEARD}
