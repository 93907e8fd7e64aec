"""Topics with readers that read when they like: whatever happens, what they hold in the end is what there is."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import Any

import msgspec
import pytest

from services.api.stream.counters import Counters
from services.api.stream.log import Log
from services.api.stream.log_topic import BATCH, LogTopic
from services.api.stream.pacer import Pacer
from services.api.stream.states import BookState
from services.api.stream.topic import ROOM, SLICE, StateTopic, Subscription
from services.api.types import Book, Level
from tests.stream.books import HeldBook


def failed(error: BaseException) -> None:
    raise AssertionError("a topic has failed") from error


class Slow:
    """A client whose buffer takes so many frames; `read` takes some out of it."""

    def __init__(self, room: int = 3) -> None:
        self.congested = False
        self.buffer: deque[bytes] = deque()
        self.got: list[dict[str, Any]] = []
        self.late: dict[Subscription, None] = {}
        self.most = 0
        self._room = room
        self.asked_back: list[Subscription] = []

    def send(self, frame: bytearray) -> None:
        self.buffer.append(bytes(frame[ROOM:]))
        self.most = max(self.most, len(self.buffer))
        self.congested = len(self.buffer) >= self._room

    say = send

    def fall_behind(self, subscription: Subscription) -> None:
        self.late[subscription] = None

    def read_back(self, subscription: Subscription) -> None:
        self.asked_back.append(subscription)

    def read(self, count: int = 1 << 30) -> None:
        while self.buffer and count > 0:
            self.got.append(msgspec.json.decode(self.buffer.popleft()))
            count -= 1
        if self.congested and len(self.buffer) < self._room:
            self.congested = False
            while self.late and not self.congested:
                subscription = next(iter(self.late))
                del self.late[subscription]
                subscription.topic.catch_up(subscription)


class Market:
    """One book that changes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seq = 0
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def change(self) -> None:
        self.seq += 1
        side, price = self.random.choice(self.sides), self.random.randrange(1, 12)
        if side.pop(price, 0) == 0 or self.random.random() < 0.5:
            side[price] = self.random.randrange(1, 4)

    def book(self) -> Book:
        sides: list[list[Level]] = [
            [(f"{price}.0", str(qty), 1) for price, qty in sorted(side.items(), reverse=at == 0)[:5]]
            for at, side in enumerate(self.sides)
        ]
        return Book("house", "ACME", self.seq, "live", self.seq, "1", sides[0], sides[1])


async def turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(30))
async def test_who_applies_snapshots_and_updates_holds_the_book(seed: int) -> None:
    chance, market, counters = random.Random(seed), Market(seed), Counters()
    pacer = Pacer(asyncio.get_running_loop(), 0.0, failed)
    topic = StateTopic("book", pacer, counters, BookState(market.book))
    clients = [Slow(chance.randrange(1, 5)) for _ in range(6)]
    following: dict[Slow, Subscription] = {}
    joined: list[Slow] = []
    for _ in range(300):
        client = chance.choice(clients)
        match chance.randrange(6):
            case 0 if client not in following:
                following[client] = subscription = Subscription(client, chance.randrange(3), topic)
                topic.join(subscription)
                joined.append(client)
            case 1 if client in following and len(following) > 1 and chance.random() < 0.2:
                client.late.pop(following[client], None)
                topic.leave(following.pop(client))
            case 2:
                client.read(chance.randrange(1, 3))
            case 3:
                await turns(1)
            case _:
                market.change()
                topic.mark()
    await turns()
    for client in clients:
        while client.buffer or client.late:
            client.read(1)
            await turns(1)
    now = market.book()
    for client in following:
        held = HeldBook()
        start = max(at for at, message in enumerate(client.got) if message["type"] == "snapshot")
        for message in client.got[start:]:
            held.take(message)
        assert held.levels() == ([list(x) for x in now.bids], [list(x) for x in now.asks])
        assert client.most <= 4 + joined.count(client)
    assert following


@pytest.mark.parametrize("seed", range(30))
async def test_every_item_of_a_log_comes_once_and_in_order_to_whoever_reads_how(seed: int) -> None:
    chance, counters = random.Random(seed), Counters()
    pacer = Pacer(asyncio.get_running_loop(), 0.0, failed)
    log = Log(0, 100_000)
    topic = LogTopic("trades", pacer, counters, log)
    seq, clients = 0, list[tuple[Slow, int]]()
    for _ in range(400):
        match chance.randrange(5):
            case 0 if len(clients) < 8:
                client = Slow(chance.randrange(1, 4))
                after = chance.choice([None, log.end, chance.randrange(log.end + 1), log.end + 2])
                subscription = Subscription(client, chance.randrange(3), topic)
                begins = log.end if after is None else after
                topic.join(subscription, *((b'"type":"snapshot"}', begins) if after is None else (None, begins)))
                clients.append((client, begins))
            case 1 if clients:
                chance.choice(clients)[0].read(chance.randrange(1, 3))
            case 2:
                await turns(1)
            case _:
                seq += 1  # what comes of one record comes at once
                for _ in range(chance.choice([1, 1, 2, BATCH + 7])):
                    seq += chance.randrange(0, 2)
                    log.append(seq, b'{"seq":%d}' % seq)
                topic.mark()
    await turns()
    everything = [msgspec.json.decode(item)["seq"] for item in log.after(0, 1 << 30, log.end)[0]]
    for client, begins in clients:
        while client.buffer or client.late:
            client.read(1)
            await turns(1)
        assert not client.asked_back
        updates = [message for message in client.got if message["type"] == "update"]
        assert [item["seq"] for message in updates for item in message["trades"]] == [
            s for s in everything if s > begins
        ]
        assert all(message["trades"][-1]["seq"] == message["seq"] for message in updates)


async def test_thousands_are_told_in_slices_and_each_once() -> None:
    market, counters = Market(1), Counters()
    topic = StateTopic("book", Pacer(asyncio.get_running_loop(), 0.0, failed), counters, BookState(market.book))
    clients = [Slow(1 << 30) for _ in range(2 * SLICE + 10)]
    for client in clients:
        topic.join(Subscription(client, 1, topic))
    market.change()
    topic.mark()
    await turns(1)
    assert sum(len(client.buffer) for client in clients) == len(clients) + SLICE
    market.change()
    topic.mark()  # while the first is being delivered
    await turns(8)
    assert {len(client.buffer) for client in clients} == {3}
    assert counters.messages == 2 * len(clients)


async def test_all_that_follow_the_same_share_the_bytes() -> None:
    market = Market(1)
    topic = StateTopic("book", Pacer(asyncio.get_running_loop(), 0.0, failed), Counters(), BookState(market.book))
    sent: list[bytearray] = []

    class Keeping(Slow):
        def send(self, frame: bytearray) -> None:
            sent.append(frame)

        say = send

    for _ in range(3):
        topic.join(Subscription(Keeping(), 1, topic))
    del sent[:]
    market.change()
    topic.mark()
    await turns()
    assert len(sent) == 3
    assert sent[0] is sent[1] is sent[2]


async def test_a_follower_of_the_tape_is_told_how_many_records_it_did_not_get() -> None:
    counters, log = Counters(), Log(0, 10_000)
    topic = LogTopic("tape", Pacer(asyncio.get_running_loop(), 0.0, failed), counters, log, render=bytes, skips=True)
    client = Slow(100)
    topic.join(Subscription(client, 1, topic), b'"type":"snapshot"}', 0)
    for seq in range(1, BATCH + 31):
        log.append(seq, b"%d" % seq)
    topic.mark()
    await turns()
    client.read()
    assert client.got[1] == {
        "id": 1,
        "ch": "tape",
        "type": "update",
        "seq": BATCH + 30,
        "skipped": 30,
        "records": list(range(31, BATCH + 31)),
    }
    assert counters.skipped == 30


async def test_what_fell_out_of_the_log_is_asked_back() -> None:
    log = Log(0, 10)
    topic = LogTopic("trades", Pacer(asyncio.get_running_loop(), 0.0, failed), Counters(), log)
    for seq in range(1, 40):
        log.append(seq, b"{}")
    client = Slow(100)
    subscription = Subscription(client, 1, topic)
    topic.join(subscription, None, 3)
    assert client.asked_back == [subscription]
    assert not client.buffer


async def test_what_a_topic_raises_ends_the_service() -> None:
    raised: list[BaseException] = []
    pacer = Pacer(asyncio.get_running_loop(), 0.0, raised.append)

    class Broken:
        def flush(self) -> None:
            raise ValueError("broken")

    pacer.mark(Broken())
    await turns()
    assert [str(error) for error in raised] == ["broken"]


class Steered(asyncio.SelectorEventLoop):
    """Its time stands still until somebody moves it."""

    now = 100.0

    def time(self) -> float:
        return self.now


def test_a_pacer_tells_at_once_after_a_rest_and_then_keeps_its_interval() -> None:
    loop = Steered()
    told: list[int] = []

    class Told:
        def flush(self) -> None:
            told.append(round((loop.time() - 100.0) * 1000))

    async def marked_every_5_ms() -> None:
        pacer, topic = Pacer(loop, 0.05, failed), Told()
        for ms in (*range(0, 130, 5), 1_000):
            loop.now = 100.0 + ms / 1000
            pacer.mark(topic)
            await turns()

    try:
        loop.run_until_complete(marked_every_5_ms())
    finally:
        loop.close()
    assert told == [0, 50, 100, 1_000]
