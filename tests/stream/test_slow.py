"""Readers that read slowly, leave, and come back: what they hold is right, and nobody else notices them."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tapewire import messages as m
from tests.stream.books import HeldBook
from tests.stream.raw import Raw, frame
from tests.stream.world import PATIENCE_S, Peer, World, client, running, signed, until

BUY, SELL = m.Side.buy, m.Side.sell
SMALL = "max_buffer_bytes = 4096\nsocket_buffer_bytes = 4096\nslow_notice = 0.3\nslow_timeout = 3.0\n"
PATIENT = SMALL.replace("slow_timeout = 3.0", "slow_timeout = 300.0")
TIGHT = "max_buffer_bytes = 4096\nsocket_buffer_bytes = 4096\nmax_history = 64\nslow_timeout = 60.0\n"


def flow(world: World, chance: random.Random, count: int) -> None:
    """Orders of account 2, some of which meet."""
    for _ in range(count):
        side = chance.choice((BUY, SELL))
        price = chance.randrange(95, 106) * 100
        world.send(world.order(side, price, chance.randrange(1, 30), account=chance.choice((1, 2))))


class Follower:
    """Follows book, trades and fills as docs/stream.md says, reads at its own pace, comes back with what it has."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.book = HeldBook()
        self.seqs: dict[str, int | None] = {"trades": None, "fills": None}
        self.items: dict[str, list[tuple[int, int]]] = {"trades": [], "fills": []}
        self.connections = self.conflated = 0

    async def run(self, ends: asyncio.Event) -> None:
        while not (ends.is_set() and self.is_up_to_date()):
            async with connect(self.world.url, compression=None, proxy=None, max_queue=2, close_timeout=0.1) as ws:
                self.connections += 1
                peer = Peer(ws)
                assert (await peer.ask(**signed("trader")))["op"] == "auth"
                await peer.say(op="subscribe", id=1, channel="book", ticker="ACME", depth=5, interval_ms=0)
                for number, (channel, after) in enumerate(self.seqs.items(), start=2):
                    of = {"ticker": "ACME"} if channel == "trades" else {"account": 1}
                    resume = {} if after is None else {"after": after}
                    await peer.say(op="subscribe", id=number, channel=channel, interval_ms=0, **of, **resume)
                await self._read(peer, ends)

    async def _read(self, peer: Peer, ends: asyncio.Event) -> None:
        left = self.chance.randrange(5, 60)
        while left > 0 or ends.is_set():
            if ends.is_set() and self.is_up_to_date():
                return
            try:
                async with asyncio.timeout(0.2):
                    message = json.loads(await peer.ws.recv())
            except TimeoutError:
                continue
            self._take(message)
            left -= 1
            if not ends.is_set() and self.chance.random() < 0.05:
                await asyncio.sleep(self.chance.random() * 0.1)

    def _take(self, message: dict[str, Any]) -> None:
        channel = str(message.get("ch"))
        assert message.get("op") != "error", message
        if "op" in message:
            return
        if channel == "book":
            self.conflated += message.get("conflated", 0)
            self.book.take(message)
            return
        found = message[channel]
        if message["type"] == "snapshot":
            found = []  # the first time: from here on everything is counted
        self.items[channel] += [(item["seq"], item.get("trade_id") or item["order_id"]) for item in found]
        self.seqs[channel] = message["seq"]

    def is_up_to_date(self) -> bool:
        views = self.world.hub.views
        known = views.book(1)
        assert known is not None
        return (
            self.book.book_seq == known.book_seq
            and (self.seqs["trades"] or 0) >= m.decode(views.trades_of(1)[-1]).seq
            and (self.seqs["fills"] or 0) >= views.fills.of(1)[-1].seq
        )


@pytest.mark.parametrize("seed", range(2))
async def test_readers_of_every_kind_hold_the_hubs_book_and_miss_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with running(tmp_path, TIGHT) as world:
        ends = asyncio.Event()
        followers = [Follower(world, 10 * seed + number) for number in range(4)]
        tasks = [asyncio.create_task(follower.run(ends)) for follower in followers]
        await asyncio.sleep(0.1)
        rounds = 0
        async with asyncio.timeout(PATIENCE_S):
            while rounds < 40 or not came_back(world, followers):
                rounds += 1
                flow(world, chance, 30)
                await asyncio.sleep(0.03)
                await world.settled()
        ends.set()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*tasks)
        now = world.hub.book("house", "ACME", 5)
        matches = [one for one in world.records() if isinstance(one, m.OrderExecuted)]
        for follower in followers:
            assert follower.book.levels() == ([list(x) for x in now.bids], [list(x) for x in now.asks])
            began = follower.items["trades"][0][0]
            assert follower.items["trades"] == [(one.seq, one.match_id) for one in matches if one.seq >= began]
            began = follower.items["fills"][0][0]
            expected = [
                (one.seq, order)
                for one in matches
                for account, order in ((one.maker_account, one.maker_order_id), (one.taker_account, one.taker_order_id))
                if account == 1 and one.seq >= began
            ]
            assert follower.items["fills"] == expected


def came_back(world: World, followers: list[Follower]) -> bool:
    """Often enough, and some for what was no longer in the stream's log."""
    return sum(follower.connections for follower in followers) > 8 and world.stream.counters.resumed > 0


@asynccontextmanager
async def silent(world: World) -> AsyncIterator[Raw]:
    """A client that says who it is and follows a deep book, and never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", world.stream.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=2048)
    raw = Raw(reader, writer)
    assert "101" in await raw.upgrade()
    await raw.send(frame(json.dumps(signed("trader")).encode()))
    assert (await raw.message())["op"] == "auth"
    asked = {"op": "subscribe", "id": 1, "channel": "book", "ticker": "ACME", "depth": 50, "interval_ms": 0}
    await raw.send(frame(json.dumps(asked).encode()))
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    try:
        yield raw
    finally:
        writer.transport.abort()


async def test_who_does_not_read_is_conflated_then_told_then_dropped_and_others_are_not_delayed(tmp_path: Path) -> None:
    chance = random.Random(3)
    async with running(tmp_path, SMALL) as world, client(world) as quick, silent(world) as slow:
        held = HeldBook()
        held.take(await quick.subscribe(1, "book", ticker="ACME", depth=50, interval_ms=0))
        counters = world.stream.counters
        loop = asyncio.get_running_loop()
        waits: list[float] = []
        most = 0
        begun = loop.time()
        while counters.dropped_slow == 0:
            began = loop.time()
            world.send(
                world.order(chance.choice((BUY, SELL)), chance.randrange(95, 106) * 100, chance.randrange(1, 30))
            )
            await world.settled()
            while held.book_seq < world.hub.book("house", "ACME").book_seq:
                held.take(await quick.next())
            waits.append(loop.time() - began)
            waiting = [one for one in world.stream.clients if one.congested]
            most = max([most, *(one.waiting for one in waiting)])
            assert loop.time() < begun + PATIENCE_S, "nobody is too slow"
        assert (counters.told_slow, counters.dropped_slow) == (1, 1)
        assert held.conflated == 0
        assert 0 < most < 4096 + 8192, "the bound, and the one message that went over it"
        # Nobody waits for the slow one: it has three seconds and more to read.
        assert sorted(waits)[len(waits) // 2] < 1.0
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        seen = []
        while True:
            kind, payload = await slow.frame()
            if kind == 8:
                break
            seen.append(json.loads(payload))
        assert payload[2:].startswith(b"not read for 3 s")
        assert [one["reason"] for one in seen if one.get("op") == "notice"] == ["slow"]
        await until(lambda: counters.congested == 0)


async def test_who_reads_again_in_time_gets_the_book_of_now_and_is_told_what_it_stands_for(tmp_path: Path) -> None:
    chance = random.Random(4)
    async with running(tmp_path, PATIENT) as world, silent(world) as slow:
        held, counters = HeldBook(), world.stream.counters
        for _ in range(400):
            flow(world, chance, 1)
            await world.settled()
        await until(lambda: counters.congested == 1)
        await until(lambda: counters.told_slow == 1)
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        while held.book_seq < world.hub.book("house", "ACME").book_seq:
            message = await slow.message()
            if "type" in message:
                held.take(message)
        now = world.hub.book("house", "ACME", 50)
        assert held.levels() == ([list(x) for x in now.bids], [list(x) for x in now.asks])
        assert held.snapshots >= 2
        assert held.conflated == counters.conflated > 0
        assert held.updates + held.conflated >= 100


async def test_who_does_not_read_is_not_read_either(tmp_path: Path) -> None:
    """Else what answers cost would be for the asking."""
    chance = random.Random(5)
    async with running(tmp_path, PATIENT) as world, silent(world) as slow:
        for _ in range(200):
            flow(world, chance, 1)
            await world.settled()
        await until(lambda: world.stream.counters.congested == 1)
        before = world.stream.counters.received
        slow.writer.write(frame(b'{"op":"ping"}') * 1000)
        await asyncio.sleep(0.2)
        assert world.stream.counters.received == before
        slow.writer.transport.abort()
        await until(lambda: world.stream.counters.clients == 0)
        assert world.stream.counters.congested == 0


async def test_at_the_end_everybody_is_told_why(tmp_path: Path) -> None:
    async with running(tmp_path) as world, client(world, "risk") as one, client(world) as other:
        await one.subscribe(1, "tape")
        await other.subscribe(1, "book", ticker="ACME")
        await world.stream.drain()
        for peer in (one, other):
            assert await peer.closed() == (1001, "the service ends; connect again in a moment, and resume")
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await connect(world.url, proxy=None)


async def test_what_was_removed_from_the_tape_is_said_with_what_is_left(tmp_path: Path) -> None:
    async with running(tmp_path, "max_history = 64") as world:
        for _ in range(9000):
            world.send(world.order(BUY, 9900, 1), world.order(SELL, 9900, 1, account=1))
            if world.rings[1].tail - world.rings[1].head > 100_000:
                await world.settled()
        await world.settled()
        removed = sorted(world.tape.glob("*.seg*"))[:-1]
        assert removed, "the tape has several segments"
        for segment in removed:
            segment.unlink()
        async with client(world) as c:
            answer = None
            await c.say(op="subscribe", id=1, channel="fills", account=1, after=0)
            answer = await c.find(op="error", id=1)
            assert (answer["reason"], answer["field"]) == ("gone", "after")
            assert answer["oldest"] > 0
            resumed = await c.subscribe(1, "fills", account=1, after=answer["oldest"])
            assert resumed["fills"][0]["seq"] > answer["oldest"]
