"""The stream under other conditions: TLS, a venue's feed, a tape that is folded anew, few files."""

from __future__ import annotations

import resource
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.asyncio.client import connect

from services.api import files
from services.api.counters import COUNTERS
from services.api.stream.counters import Counters
from tapewire import messages as m
from tapewire.config import Api
from tapewire.config.stream import Stream
from tapewire.errors import ConfigError
from tests.fix.certificates import self_signed
from tests.stream.books import HeldBook
from tests.stream.world import Peer, World, client, running, signed

BUY, SELL = m.Side.buy, m.Side.sell
FEED = '[feed.binance]\nvenue = "binance"\ntickers = ["BTCUSDT"]\n'


async def test_over_tls_it_says_the_same(tmp_path: Path) -> None:
    certificate, private = self_signed(tmp_path, "localhost")
    async with running(tmp_path, api=f'certificate = "{certificate}"\nprivate_key = "{private}"') as world:
        trusted = ssl.create_default_context(cafile=str(certificate))
        url = world.url.replace("ws://127.0.0.1", "wss://localhost")
        async with connect(url, ssl=trusted, proxy=None) as ws:
            peer, held = Peer(ws), HeldBook()
            assert (await peer.ask(**signed("trader")))["op"] == "auth"
            held.take(await peer.subscribe(1, "book", ticker="ACME", interval_ms=0))
            world.send(world.order(BUY, 9900, 10))
            held.take(await peer.next())
            assert held.levels() == ([["99.00", "10", 1]], [])
        with pytest.raises(ssl.SSLError):
            await connect(url, ssl=ssl.create_default_context(), proxy=None)


class Heard(NamedTuple):
    """A message as the bus hands it over."""

    subject: str
    data: bytes
    reply: str = ""
    headers: Mapping[str, str] | None = None


def tell(world: World, kind: str, message: m.Message) -> None:
    world.hub._hear(Heard(f"{world.settings.env}.binance.{kind}.BTCUSDT", bytes(message)))


def trade(seq: int) -> m.Trade:
    return m.Trade(
        seq=seq,
        ts=seq,
        ticker="BTCUSDT",
        price_exponent=-2,
        qty_exponent=-5,
        trade_id=seq,
        price=6_400_000,
        qty=100_000,
    )


async def test_a_venues_trades_are_told_and_resumed_as_far_as_they_are_there(tmp_path: Path) -> None:
    async with running(tmp_path, more=FEED) as world, client(world) as c:
        asked = {"op": "subscribe", "channel": "trades", "feed": "binance", "ticker": "BTCUSDT", "interval_ms": 0}
        assert (await c.ask(**asked, id=1))["reason"] == "unknown"
        tell(world, "trade", trade(100))
        snapshot = await c.subscribe(1, "trades", feed="binance", ticker="BTCUSDT", interval_ms=0)
        assert [one["seq"] for one in snapshot["trades"]] == [100]
        tell(world, "trade", trade(101))
        told = await c.next()
        assert (told["seq"], told["trades"][0]["price"], told["trades"][0]["qty"]) == (101, "64000.00", "1.00000")
        resumed = await c.subscribe(2, "trades", feed="binance", ticker="BTCUSDT", after=100)
        assert [one["seq"] for one in resumed["trades"]] == [101]
        assert (await c.ask(**asked, id=3, after=50))["reason"] == "gone"
        tell(world, "trade", trade(5))  # the venue's numbers began anew
        renewed = [await c.next(), await c.next()]
        assert {one["type"] for one in renewed} == {"snapshot"}
        assert [one["trades"][0]["seq"] for one in renewed] == [5, 5]
        assert (await c.ask(op="subscribe", id=4, channel="book", feed="nasdaq", ticker="X"))["reason"] == "unknown"


async def test_when_the_tape_is_folded_anew_everything_is_told_anew(tmp_path: Path) -> None:
    async with running(tmp_path) as world, client(world, "risk") as c:
        world.send(world.order(BUY, 9900, 10), world.order(SELL, 9900, 4, account=1))
        await world.settled()
        channels: dict[int, tuple[str, dict[str, object]]] = {
            1: ("book", {"ticker": "ACME"}),
            2: ("trades", {"ticker": "ACME"}),
            3: ("orders", {"account": 2}),
            4: ("fills", {"account": 1}),
            5: ("tape", {}),
            6: ("positions", {"account": 1}),
        }
        before = {number: await c.subscribe(number, name, **of) for number, (name, of) in channels.items()}
        world.hub._telling.reset(world.hub.seq)
        after: dict[int, object] = {}
        while len(after) < len(before):
            message = await c.next()
            if message.get("type") == "snapshot":
                after[message["id"]] = message
        assert {number: after[number] for number in (1, 2, 3, 4, 6)} == {n: before[n] for n in (1, 2, 3, 4, 6)}
        world.send(world.order(SELL, 9900, 1, account=1))
        seen = {(await c.find(type="update", id=number))["ch"] for number in (2,)}
        assert seen == {"trades"}


async def test_a_delisted_book_ends_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as world, client(world) as c:
        await c.subscribe(1, "book", ticker="ACME", interval_ms=0)
        await c.subscribe(2, "status", ticker="ACME")
        world.rings[0].write(bytes(m.SetInstrumentStatus(instrument=1, status=m.InstrumentStatus.delisted)))
        await world.settled()
        assert (await c.ask(op="subscribe", id=3, channel="book", ticker="ACME", depth=3))["op"] in (
            "error",
            "subscribed",
        )
        await c.say(op="ping")
        assert (await c.find(op="pong"))["op"] == "pong"


def test_more_connections_than_files_are_refused_with_what_to_do() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
        files.raise_limit(Api(max_connections=1024, stream=Stream(max_clients=512)))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1024 + 512 + files.BESIDE_CONNECTIONS
        if limits[1] != resource.RLIM_INFINITY and limits[1] < 65_536 + 1024:
            with pytest.raises(ConfigError, match=r"set at most \d+ together"):
                files.raise_limit(Api(stream=Stream(max_clients=65_536)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_counters_are_all_on_the_page() -> None:
    assert {f"stream.{name}" for name in Counters().to_dict()} <= set(COUNTERS)
    assert len(COUNTERS) <= 64, "a page of statistics holds no more"
