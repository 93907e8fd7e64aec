"""What only a real server can show: death and return, a connection that is not there, a socket that does not take."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.config import Nats
from tapewire.errors import TransportError
from tapewire.nats_server import NatsServer
from tapewire.transports.nats import NatsTransport
from tests.engine_process import PATIENCE_S
from tests.integration.test_transport_contract import Lines, patient, until
from tools.services.ports import free_port


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats", port=free_port()) as server:
        yield server


async def test_subscriptions_survive_a_server_that_is_killed_and_comes_back(mortal: NatsServer) -> None:
    log = Lines()
    publisher = NatsTransport(patient(mortal.url), log=log)  # type: ignore[arg-type]
    subscriber = NatsTransport(patient(mortal.url), log=log)  # type: ignore[arg-type]
    await publisher.connect()
    await subscriber.connect()
    got: list[bytes] = []
    await subscriber.subscribe("demo.*.trade.*", lambda message: got.append(message.data))
    publisher.publish("demo.house.trade.A", b"before")
    await until(lambda: got == [b"before"])

    lost = time.monotonic()
    os.kill(mortal.pid, signal.SIGKILL)
    await until(lambda: not publisher.connected and not subscriber.connected)
    # Published without a connection: it waits here and goes out when the server is back and the subscriber with it.
    assert publisher.publish("demo.house.trade.A", b"while away")
    mortal.restart()
    await until(lambda: publisher.connected and subscriber.connected)
    away = time.monotonic() - lost
    await subscriber.flush()
    publisher.publish("demo.house.trade.A", b"after")
    await until(lambda: b"after" in got)
    assert set(got) <= {b"before", b"while away", b"after"}
    assert (publisher.stats.reconnects, subscriber.stats.reconnects) == (1, 1)
    assert [event for event, _ in log.lines].count("reconnected") == 2
    errors = [event for event, _ in log.lines if event == "bus_error"]
    assert len(errors) <= 2 * (2 + away // 5), "errors while away are told once in five seconds"
    await publisher.drain()
    await subscriber.drain()


async def test_outgoing_messages_are_bounded_while_there_is_no_server(mortal: NatsServer) -> None:
    log = Lines()
    transport = NatsTransport(patient(mortal.url, max_outgoing=1 << 16), log=log)  # type: ignore[arg-type]
    await transport.connect()
    os.kill(mortal.pid, signal.SIGKILL)
    await until(lambda: not transport.connected)
    taken = [transport.publish("demo.house.trade.A", bytes(1000)) for _ in range(200)]
    assert taken == [True] * 64 + [False] * 136
    assert (transport.stats.published, transport.stats.refused) == (64, 136)
    assert [event for event, _ in log.lines].count("outgoing_full") == 1
    waiting = asyncio.create_task(transport.writable())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    mortal.restart()
    await asyncio.wait_for(waiting, PATIENCE_S)
    assert transport.publish("demo.house.trade.A", b"again")
    await transport.flush()
    await transport.drain()


async def test_a_flood_is_held_back_by_the_socket_and_nothing_of_it_is_lost(mortal: NatsServer) -> None:
    publisher = NatsTransport(patient(mortal.url, max_outgoing=1 << 18))
    subscriber = NatsTransport(patient(mortal.url, max_pending=1 << 20))
    await publisher.connect()
    await subscriber.connect()
    got: list[bytes] = []
    await subscriber.subscribe("demo.>", lambda message: got.append(message.data))
    sent = 0
    while sent < 20_000:
        if publisher.publish("demo.house.trade.A", b"%d" % sent):
            sent += 1
        else:
            await publisher.writable()
    await publisher.flush()
    await until(lambda: len(got) == sent)
    assert got == [b"%d" % n for n in range(sent)]
    await publisher.drain()
    await subscriber.drain()


async def test_a_server_that_is_not_there_is_an_error_that_says_where_it_looked() -> None:
    transport = NatsTransport(Nats(url="nats://user:secret@127.0.0.1:1", connect_timeout=0.2))
    with pytest.raises(TransportError) as raised:
        await transport.connect()
    assert "cannot reach a NATS server at nats://127.0.0.1:1 within 0.2 s" in str(raised.value)
    assert "secret" not in str(raised.value)


async def test_drain_without_a_server_closes_and_says_what_was_not_sent(mortal: NatsServer) -> None:
    log = Lines()
    transport = NatsTransport(patient(mortal.url), log=log)  # type: ignore[arg-type]
    await transport.connect()
    os.kill(mortal.pid, signal.SIGKILL)
    await until(lambda: not transport.connected)
    transport.publish("demo.house.trade.A", b"x")
    await asyncio.wait_for(transport.drain(), PATIENCE_S)
    assert [fields["unsent"] for event, fields in log.lines if event == "drain_incomplete"] == [1]


@pytest.mark.parametrize("when", ["noticed", "refused"])
@pytest.mark.parametrize("end", ["drain", "close"])
async def test_it_ends_at_whichever_moment_of_a_lost_connection_it_is_told_to(
    mortal: NatsServer, end: str, when: str
) -> None:
    """In the turns of the loop in which nats-py has noticed, and waits for the old socket's end; and in those in which
    its next attempt is refused. Nobody is told that he was cancelled, and nothing goes on trying."""
    for turns in range(6):
        log = Lines()
        transport = NatsTransport(patient(mortal.url), log=log)  # type: ignore[arg-type]
        await transport.connect()
        os.kill(mortal.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while transport.connected:
                await asyncio.sleep(0)
            (server,) = transport._client._server_pool
            before = server.last_attempt
            while when == "refused" and server.last_attempt == before:
                await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        transport.publish("demo.house.trade.A", b"y")
        await asyncio.wait_for(getattr(transport, end)(), PATIENCE_S)
        assert transport.closed
        trying = transport._client._reconnection_task
        assert trying is not None
        assert trying.done(), turns
        mortal.restart()


async def test_when_subscribe_returns_the_server_knows_of_it(nats_server: NatsServer) -> None:
    publisher, subscriber = NatsTransport(patient(nats_server.url)), NatsTransport(patient(nats_server.url))
    await publisher.connect()
    await subscriber.connect()
    got: list[str] = []
    for n in range(200):
        await subscriber.subscribe(f"known.a.b.{n}", lambda message: got.append(message.subject))
        publisher.publish(f"known.a.b.{n}", b"")
        await publisher.flush()
    await until(lambda: len(got) == 200)
    await publisher.close()
    await subscriber.close()


async def test_who_waits_for_room_is_told_when_the_transport_ends(mortal: NatsServer) -> None:
    transport = NatsTransport(patient(mortal.url, max_outgoing=1 << 16))
    await transport.connect()
    os.kill(mortal.pid, signal.SIGKILL)
    await until(lambda: not transport.connected)
    while transport.publish("demo.house.trade.A", bytes(1000)):
        pass
    waiting = asyncio.create_task(transport.writable())
    await asyncio.sleep(0.01)
    await transport.close()
    await asyncio.wait_for(waiting, PATIENCE_S)
    with pytest.raises(TransportError, match="the transport is closed"):
        transport.publish("demo.house.trade.A", b"x")


async def test_no_error_of_a_transport_shows_its_password(mortal: NatsServer) -> None:
    log = Lines()
    url = mortal.url.replace("nats://", "nats://user:secret@")
    transport = NatsTransport(patient(url), log=log)  # type: ignore[arg-type]
    await transport.connect()
    os.kill(mortal.pid, signal.SIGKILL)
    await until(lambda: not transport.connected)
    transport.publish("demo.house.trade.A", b"x")
    with pytest.raises(TransportError, match="1 messages wait for a connection") as raised:
        await transport.flush()
    await transport.drain()
    assert "secret" not in str(raised.value) + str(log.lines)
