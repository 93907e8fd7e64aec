"""Whoever means harm is refused with a reason; the others notice nothing, and no tape does."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.stream.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, connection, frame, known
from tests.stream.world import SECRET, Peer, World, client, running, signed, until

BOUNDS = """
max_clients = 12
max_unknown = 4
max_clients_per_address = 10
max_subscriptions = 3
max_message_bytes = 4096
max_message_rate = 100
handshake_timeout = 3.0
auth_timeout = 1.0
idle_timeout = 2.0
"""


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Clock:
    """The stream's: it stands still but for what a test says, so that nobody is late because the machine is."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(tmp_path_factory.mktemp("hostile"), BOUNDS) as world:
        real = world.stream.time
        world.stream.time = Clock(real())
        yield world
        world.stream.time = real


@pytest.fixture
def clock(world: World) -> Clock:
    assert isinstance(world.stream.time, Clock)
    return world.stream.time


@pytest_asyncio.fixture(loop_scope="module")
async def world(attacked: World) -> AsyncIterator[World]:
    """Whatever a test does, nothing of it may be on a tape, and who behaves is still served."""
    world, kept = attacked, attacked.stream.counters
    await until(lambda: kept.clients == 0)
    for name in ("limited", "dropped_idle"):
        setattr(kept, name, 0)
    before = world.records(), world.records(world.settings.folders.api_tape(0))
    yield world
    assert (world.records(), world.records(world.settings.folders.api_tape(0))) == before
    await until(lambda: kept.clients < 8)
    async with client(world) as c:
        assert (await c.ask(op="ping"))["op"] == "pong"


def subscribe(number: int = 1) -> bytes:
    return json.dumps({"op": "subscribe", "id": number, "channel": "book", "ticker": "ACME"}).encode()


# Before the upgrade


async def test_pages_of_other_origins_may_not_connect(world: World) -> None:
    own = f"http://127.0.0.1:{world.settings.api.port}"
    for origin in (own, "https://desk.example.com"):
        async with connect(world.url, origin=origin, proxy=None):  # type: ignore[arg-type]
            pass
    for origin in (
        "https://evil.example.com",
        "null",
        own + "0",
        "http://127.0.0.1",
        "https://127.0.0.1:80",
        "http://[",
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(world.url, origin=origin, proxy=None)  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403
        assert b"origin" in (refused.value.response.body or b"")


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/", "", "404"),
        ("/v1/stream?ticket=x", "", "404"),
        ("/v1/stream/", "", "404"),
        ("/v1/stream", "Host: other\r\n", "400"),
        ("/v1/stream", "Origin: http://a\r\nOrigin: http://b\r\n", "400"),
        ("/v1/stream", "Content-Length: 5\r\n", "400"),
        ("/v1/stream", "Transfer-Encoding: chunked\r\n", "400"),
        ("/v1/stream", "Broken header\r\n", "400"),
    ],
)
async def test_other_requests_are_refused(world: World, path: str, more: str, status: str) -> None:
    async with connection(world) as raw:
        assert f"HTTP/1.1 {status}" in await raw.upgrade(path, more=more)
        await raw.ended()


async def test_who_does_not_ask_for_an_upgrade_in_time_is_closed(world: World) -> None:
    async with connection(world) as slow, connection(world) as silent:
        with suppress(ConnectionError):
            for byte in b"GET /v1/stream HT":
                await slow.send(bytes([byte]))
                await asyncio.sleep(0.005)
        assert await slow.ended() == b""
        assert await silent.ended() == b""
    assert world.stream.counters.clients == 0


async def test_headers_without_end_are_not_kept(world: World) -> None:
    async with connection(world) as raw:
        await raw.send((b"X-More: " + b"x" * 1000 + b"\r\n") * 20)
        assert await raw.ended() == b""


async def test_more_than_may_be_unknown_push_out_the_oldest(world: World) -> None:
    async with AsyncExitStack() as stack:
        raws = [await stack.enter_async_context(connection(world)) for _ in range(4)]
        await until(lambda: world.stream.counters.unknown == 4)
        fifth = await stack.enter_async_context(connection(world))
        assert "101" in await fifth.upgrade()
        assert await raws[0].ended() == b""
        assert world.stream.counters.unknown == 4


async def test_more_than_may_come_from_one_address_are_told_so(world: World) -> None:
    async with asyncio.TaskGroup() as group:
        peers = [group.create_task(connect(world.url, proxy=None).__aenter__()) for _ in range(3)]
    kept = [Peer(task.result()) for task in peers]
    for peer in kept:
        assert (await peer.ask(**signed("trader")))["op"] == "auth"
    while len(kept) < 10:
        peer = Peer(await connect(world.url, proxy=None))
        assert (await peer.ask(**signed("trader")))["op"] == "auth"
        kept.append(peer)
    async with connection(world) as raw:
        answer = await raw.ended()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"10 clients are connected from this address" in answer
    for peer in kept:
        await peer.ws.close()


# Who it is


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ({"op": "ping"}, "unauthenticated"),
        ({"op": "subscribe", "id": 1, "channel": "book", "ticker": "ACME"}, "unauthenticated"),
        ({"op": "order", "id": 1}, "unauthenticated"),
        ({"op": "auth"}, "signature"),
        ({"op": "auth", "ticket": "no such ticket"}, "invalid"),
        ({"op": "auth", "ticket": "nosuchticket"}, "ticket"),
        ({"op": "auth", "key": "trader", "signature": "€"}, "invalid"),
        ({"op": "auth", "key": "x" * 600}, "invalid"),
        (signed("nobody"), "signature"),
        (signed("trader", secret=b"another secret of more than 16 bytes"), "signature"),
        (signed("trader", at=1), "timestamp"),
    ],
)
async def test_who_proves_nothing_is_told_why_and_closed(world: World, first: dict[str, Any], reason: str) -> None:
    async with client(world, "") as c:
        answer = await c.ask(**first)
        assert (answer["op"], answer["reason"]) == ("error", reason)
        assert (await c.closed())[0] == 1008


async def test_a_signature_and_a_ticket_are_good_once(world: World) -> None:
    proof = signed("trader", secret=SECRET)
    async with client(world, "") as c:
        assert (await c.ask(**proof))["op"] == "auth"
        assert (await c.ask(**proof))["reason"] == "invalid"
    async with client(world, "") as c:
        assert (await c.ask(**proof))["reason"] == "replay"
    ticket = world.ticket("trader")
    async with client(world, "") as c:
        assert (await c.ask(op="auth", ticket=ticket))["name"] == "trader"
    async with client(world, "") as c:
        assert (await c.ask(op="auth", ticket=ticket))["reason"] == "ticket"


async def test_who_says_nothing_after_the_upgrade_is_closed(world: World, clock: Clock) -> None:
    async with client(world, "") as c:
        clock.now += 1.1
        assert await c.closed() == (1008, "no auth within 1 s")


# Frames


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(b"\x00\x01", BINARY)], 1003),
        ([frame(b"\xff\xfe{}")], 1007),
        ([frame(b"{}", masked=False)], 1002),
        ([frame(b"{}", bits=0x40)], 1002),
        ([frame(b"{}", 3)], 1002),
        ([frame(b"x" * 126, PING)], 1002),
        ([frame(b"", PING, ends=False)], 1002),
        ([frame(b"{}", CONTINUATION)], 1002),
        ([frame(b"{", ends=False), frame(b"{}")], 1002),
        ([frame(b"x" * 4097)], 1009),
        ([frame(b"x" * 3000, ends=False), frame(b"x" * 2000, CONTINUATION)], 1009),
        ([frame(b"", ends=False), *[frame(b"", CONTINUATION, ends=False)] * 70], 1008),
        ([b"\x81\xff" + struct.pack(">Q", 1 << 62) + b"\0\0\0\0"], 1009),
        ([b"\x81\xff" + struct.pack(">Q", 1 << 63) + b"\0\0\0\0"], 1002),
        ([frame(b"\x03", CLOSE)], 1002),
        ([frame(struct.pack(">H", 999), CLOSE)], 1002),
    ],
)
async def test_frames_that_break_the_protocol_end_the_connection(world: World, frames: list[bytes], code: int) -> None:
    async with known(world) as raw:
        await raw.send(b"".join(frames))
        assert (await raw.close_reason())[0] == code


async def test_a_huge_message_is_not_read_to_its_end(world: World) -> None:
    async with known(world) as raw:
        head = b"\x81\xff" + struct.pack(">Q", 1 << 40) + b"\0\0\0\0"
        await raw.send(head)
        sent = 0
        with suppress(ConnectionError, TimeoutError):
            while sent < 1 << 28:
                async with asyncio.timeout(5.0):
                    await raw.send(b"x" * 65536)
                sent += 65536
        assert sent < 1 << 25


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"op":"nothing"}',
        b'{"op":1}',
        b'{"op":"ping","op":"auth","id":"x"}',
        b"[" * 4000,
        b'{"op":"subscribe","id":-1,"channel":"book"}',
        b'{"op":"subscribe","id":9007199254740992,"channel":"book"}',
        b'{"op":"subscribe","id":1,"channel":"book","ticker":"<script>alert(1)</script>"}',
        b'{"op":"subscribe","id":1,"channel":"book","ticker":"\\ud800"}',
        b'{"op":"subscribe","id":1,"channel":"book","ticker":"ACME","depth":1000000}',
        b'{"op":"subscribe","id":1,"channel":"book","ticker":"ACME","interval_ms":-5}',
        b'{"op":"subscribe","id":1,"channel":"book","ticker":"ACME","extra":true}',
        b'{"op":"subscribe","id":1,"channel":"trades","ticker":"ACME","after":1.5}',
        b'{"op":"subscribe","id":1,"channel":"orders"}',
        b'{"op":"subscribe","id":1,"channel":"state","ticker":"ACME"}',
        b'{"op":"unsubscribe","id":5}',
    ],
)
async def test_messages_that_mean_nothing_are_answered_and_the_client_goes_on(world: World, text: bytes) -> None:
    async with known(world) as raw:
        await raw.send(frame(text))
        answer = await raw.message()
        assert answer["op"] == "error"
        assert answer["reason"] in ("malformed", "invalid", "unknown")
        assert answer["detail"]
        await raw.send(frame(b'{"op":"ping","id":4}'))
        assert (await raw.message())["id"] == 4


async def test_a_message_in_fragments_with_a_ping_between_is_one_message(world: World) -> None:
    async with known(world) as raw:
        await raw.send(frame(b'{"op":"pi', ends=False) + frame(b"here?", PING) + frame(b'ng","id":3}', CONTINUATION))
        assert await raw.frame() == (PONG, b"here?")
        assert (await raw.message())["id"] == 3


# What it may have


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"channel": "orders", "account": 2}, "account"),
        ({"channel": "fills", "account": 2}, "account"),
        ({"channel": "positions", "account": 2}, "account"),
        ({"channel": "risk", "account": 2}, "account"),
        ({"channel": "parents", "account": 2}, "account"),
        ({"channel": "tape"}, "channel"),
    ],
)
async def test_what_is_another_accounts_is_not_told(world: World, asked: dict[str, Any], field: str) -> None:
    async with client(world) as c:
        answer = await c.ask(op="subscribe", id=1, **asked)
    assert (answer["op"], answer["reason"], answer["field"], answer["id"]) == ("error", "forbidden", field, 1)


async def test_what_was_refused_leaves_nothing_behind(world: World) -> None:
    async with client(world, "risk") as c:
        for number in range(20):
            asked = {"op": "subscribe", "id": number, "channel": "tape", "after": 1 << 40, "interval_ms": number}
            assert (await c.ask(**asked))["reason"] == "ahead"
        refused = await c.ask(op="subscribe", id=1, channel="tape", types=["no_such_record"])
        assert (refused["reason"], refused["field"]) == ("invalid", "types")
    assert world.stream.topics == 0


async def test_subscriptions_are_bounded(world: World) -> None:
    async with client(world) as c:
        for number in range(3):
            await c.subscribe(number, "book", ticker="ACME", depth=number + 1)
        answer = await c.ask(op="subscribe", id=9, channel="book", ticker="ACME")
        assert (answer["reason"], answer["id"]) == ("too_many", 9)
        assert world.stream.counters.subscriptions == 3
    await until(lambda: world.stream.counters.subscriptions == 0)


async def test_who_sends_too_fast_is_told_and_who_goes_on_is_closed(world: World) -> None:
    async with known(world) as raw:
        await raw.send(frame(b'{"op":"ping"}') * 300)
        while (said := await raw.message())["op"] == "pong":
            pass
        assert (said["op"], said["reason"]) == ("error", "rate")
        await raw.send(frame(b"", PING) * 5000)
        assert await raw.close_reason() == (1008, "far more than 100 messages a second")
    assert 400 <= world.stream.counters.limited < 5000


async def test_who_is_gone_without_a_word_is_found_out(world: World, clock: Clock) -> None:
    async with known(world) as raw:
        clock.now += 1.1
        kind, _ = await raw.frame()
        assert kind == PING  # and nothing answers
        clock.now += 1.0
        assert await raw.close_reason() == (1001, "nothing heard for 2 s")
    assert world.stream.counters.dropped_idle == 1


async def test_who_answers_pings_stays(world: World, clock: Clock) -> None:
    async with client(world) as c:
        (heard,) = world.stream.clients
        for _ in range(3):
            clock.now += 1.1
            await until(lambda: heard.heard == clock.now)
        assert (await c.ask(op="ping"))["op"] == "pong"
    assert world.stream.counters.dropped_idle == 0
