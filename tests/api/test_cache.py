"""Reads by the cache: while a long tape is folded, and of markets that nobody folds here; and when the cache is bad."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api.cache import REST_S, TIMEOUT_S, Cache
from services.flusher.sinks.sink import Sink
from services.flusher.sinks.status import Teller
from tapewire import health, logs
from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.config import load
from tapewire.errors import ConfigError
from tapewire.last_known import LastKnown
from tapewire.tape import TapeReader
from tests.api.client import HttpClient
from tests.api.stack import Stack, order
from tests.engine_process import PATIENCE_S
from tests.services import Running
from tests.sinks import cache as sinks
from tests.sinks.cache import expected_positions
from tests.sinks.stack import World, market_records

TRIES = 5
PAIRS = 15_000
LISTED = 6_400_000
NEVER_S = 120.0
P_AND_L = ("avg_price", "realised", "unrealised", "mark")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def settings_of(cache: sinks.Cache) -> str:
    return (
        f'cache = "{cache.sink_url}"\ncache_password_file = "{cache.password_file}"\ncache_prefix = "{cache.prefix}"\n'
    )


@pytest.fixture
async def kept(tmp_path: Path, redis: Running) -> AsyncIterator[sinks.Cache]:
    cache = sinks.Cache(redis.url, tmp_path)
    yield cache
    await cache.drop()


def opened(cache: sinks.Cache, clock: Clock | None = None, **terms: Any) -> Cache:
    known = LastKnown(cache.url, prefix=cache.prefix, **{"timeout": PATIENCE_S, **terms})
    return Cache(known, "here", "orders.0", logs.get("test"), clock or Clock())


def traded(engine_data: Path, pairs: int) -> None:
    """So many trades between accounts 1 and 2, and an order of each that stays."""
    with OrderClient.open(engine_data) as client:
        taken = 0
        for number in range(2 * pairs + 2):
            side = m.Side.buy if number % 2 else m.Side.sell
            price = LISTED if number < 2 * pairs else LISTED - 100 if side == m.Side.buy else LISTED + 100
            while True:
                try:
                    client.new_order(instrument=1, side=side, qty=7, price=price, account=1 + number % 2)
                    break
                except RingFull:
                    taken += accepted(client)
                    time.sleep(0.001)
            taken += accepted(client)
        deadline = time.monotonic() + PATIENCE_S
        while taken < 2 * pairs + 2:
            assert time.monotonic() < deadline, f"the engine has taken {taken} orders"
            client.wait(0.1)
            taken += accepted(client)


def accepted(client: OrderClient) -> int:
    """How many orders were accepted since the last look."""
    return sum(isinstance(event, m.OrderAccepted) for event in client.poll())


async def filled(cache: sinks.Cache, stack: Stack) -> int:
    """Follows the orders tape until it stands still; how many records it has."""
    given = cache.settings()
    target = cache.target(given)
    teller, stop = Teller(stack.engine.folders, "redis", target.where, logs.get("test")), asyncio.Event()
    task = asyncio.ensure_future(Sink("redis", given, stack.engine.folders.tapes, target, teller).run(stop))
    with TapeReader(stack.engine.tape) as reader:
        while not (seq := await cache.seq()) or seq < reader.positions.released_seq:
            await asyncio.sleep(0.05)
    stop.set()
    await task
    teller.close()
    return seq


@pytest.mark.timeout(300)
async def test_a_long_tape_is_read_behind_answers_of_the_cache(tmp_path: Path, kept: sinks.Cache) -> None:
    stack = Stack(tmp_path, api=settings_of(kept))
    try:
        stack.engine.start()
        stack.engine.wait_for_accounts(1, 2)
        await asyncio.to_thread(traded, stack.engine.folders.data, PAIRS)
        released = await filled(kept, stack)
        early = await asyncio.to_thread(asked_while_starting, stack)
        desk = stack.client()
        trades, book, positions = (desk.get(path) for path in PATHS)
        assert stack.stop() == 0
    finally:
        stack.close()
    for found in early[:3]:
        assert (found.status, found.body["source"], found.body["as_of_seq"]) == (200, "cache", released)
    for found in (trades, book, positions):
        assert "source" not in found
        assert "as_of_seq" not in found
    assert early[0].body["trades"] == trades["trades"][-1:]
    assert early[1].body["bids"] == [[*level[:2], 0] for level in book["bids"]]
    assert early[1].body["asks"] == [[*level[:2], 0] for level in book["asks"]]
    assert {name: early[1].body[name] for name in ("book_seq", "seq", "ts", "quality", "feed", "ticker")} == {
        name: book[name] for name in ("book_seq", "seq", "ts", "quality", "feed", "ticker")
    }
    (one,) = positions["positions"]
    assert early[2].body["positions"] == [{name: value for name, value in one.items() if name not in P_AND_L}]
    assert one["fills"] == PAIRS
    # What is no read of last values waits for the fold: no decision is made by a cache.
    for found in early[3:]:
        assert (found.status, found.body["reason"]) == (503, "starting")
    assert early[4].headers["retry-after"] == "1"


PATHS = ("/v1/trades/BTCUSDT", "/v1/books/BTCUSDT", "/v1/positions")


def asked_while_starting(stack: Stack) -> list[Any]:
    """What is answered before the fold is there; a start that was through with it sooner is begun again, or one whose
    cache was too slow for it."""
    for _ in range(TRIES):
        stack.start(early=True)
        early = asked(stack)
        stack.until_open()
        if early[-1].status == 503 and all(found.status == 200 for found in early[: len(PATHS)]):
            return early
        stack.kill()
        shutil.rmtree(stack.engine.tape / "views", ignore_errors=True)
    raise AssertionError(early)


def asked(stack: Stack) -> list[Any]:
    desk = stack.client()
    found = [desk.call("GET", path) for path in PATHS]
    found.append(desk.call("POST", "/v1/orders", order("early-1")))
    refused = ("/v1/risk", "/v1/orders", "/v1/books/NONE", "/v1/trades/BTCUSDT?after=5", "/v1/positions?as_of=3")
    return [*found, *(desk.call("GET", path) for path in refused)]


async def test_a_feed_that_nobody_folds_here_is_answered_by_the_cache(tmp_path: Path, kept: sinks.Cache) -> None:
    world = World(tmp_path / "far", kept)
    quote = m.Quote(
        seq=1, ts=5, ts_event=4, ticker="ETH", price_exponent=-2, qty_exponent=-3, quality=m.BookQuality.live
    ).replace(bid_price=100, bid_qty=5, ask_price=0, ask_qty=0)
    trade = m.Trade(
        seq=2, ts=6, ts_event=5, ticker="ETH", price_exponent=-2, qty_exponent=-3, trade_id=9, price=101, qty=2
    ).replace(aggressor=m.Side.buy)
    world.write([bytes(quote), bytes(trade)], "md.far")
    async with world.sink(tapes=("md.*",)) as sink:
        await sink.until_seq(2, "md.far")
    with Stack(tmp_path, api=settings_of(kept)) as stack:
        desk = stack.client()
        book = await asyncio.to_thread(got, desk, "/v1/books/ETH?feed=far")
        assert (book["bids"], book["asks"], book["source"], book["as_of_seq"]) == (
            [["1.00", "0.005", 0]],
            [],
            "cache",
            2,
        )
        trades = await asyncio.to_thread(got, desk, "/v1/trades/ETH?feed=far")
        assert [one["price"] for one in trades["trades"]] == ["1.01"]
        assert (trades["source"], trades["as_of_seq"], trades["seq"]) == ("cache", 2, 2)
        for path in ("/v1/books/XRP?feed=far", "/v1/books/ETH", "/v1/trades/ETH?feed=far&after=1"):
            assert desk.call("GET", path).status == 404
        told = await asyncio.to_thread(detail, stack)
        assert " cache=ok cached=2" in told


def got(client: HttpClient, target: str) -> Any:
    """The body, once the cache is quick enough to tell it."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := client.call("GET", target)).status != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer.body


def detail(stack: Stack) -> str:
    return health.ask_socket(stack.engine.folders.health / "api").detail


async def test_an_api_whose_cache_is_away_is_as_if_it_had_none(tmp_path: Path) -> None:
    with Stack(tmp_path, api='cache = "redis://127.0.0.1:9/0"') as stack:
        desk = stack.client()
        for _ in range(3):
            assert desk.call("GET", "/v1/books/ETH?feed=far").status == 404
        assert desk.call("POST", "/v1/orders", order("a-1")).status == 201
        assert "cache=away cached=0" in await asyncio.to_thread(detail, stack)
    assert stack.log.read_text().count('"event":"cache"') == 1


async def test_positions_are_all_as_of_one_record_while_the_sink_goes_on(tmp_path: Path, kept: sinks.Cache) -> None:
    world, records = World(tmp_path, kept), market_records(91, 120)
    reads, due = 0, dict[int, dict[str, Any]]()
    world.write(records)
    async with LastKnown(kept.url, prefix=kept.prefix) as known, world.sink(batch_records=3) as sink:
        while (taken := sink.teller.page("orders.0").counter("records")) < len(records):
            for accounts in (None, (1, 2)):
                found = await known.positions_as_of("orders.0", accounts)
                if found is None:
                    continue
                reads += 1
                if found.seq not in due:
                    due[found.seq] = expected_positions(records[: found.seq])
                expected = {
                    tuple(key.split(":")): str(row["fills"])
                    for key, row in due[found.seq].items()
                    if accounts is None or int(key.split(":")[0]) in accounts
                }
                assert {
                    (str(account), ticker): one["fills"] for (account, ticker), one in found.fields.items()
                } == expected
            assert taken <= len(records)
        await sink.until_seq(len(records))
    assert reads > 10


async def test_a_cache_that_does_not_answer_is_given_up_in_time_and_left_alone(tmp_path: Path) -> None:
    met, clock = list[int](), Clock()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(1)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    known = LastKnown(f"redis://127.0.0.1:{port}/0", timeout=NEVER_S)
    cache = Cache(known, "here", "orders.0", logs.get("test"), clock)
    began = time.monotonic()
    assert await cache.book("house", "X") is None
    assert TIMEOUT_S <= time.monotonic() - began < NEVER_S / 2
    before = len(met)
    for _ in range(5):
        assert await cache.trades("house", "X") is None
    assert (len(met), cache.state) == (before, "slow")
    clock.now += REST_S
    assert await cache.positions(None) is None
    assert len(met) == before + 1
    await cache.close()
    server.close()


async def test_what_is_not_of_the_sink_is_no_answer(
    tmp_path: Path, kept: sinks.Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.cache.TIMEOUT_S", PATIENCE_S)  # whether it is in time is not the question here
    world, records, clock = World(tmp_path, kept), market_records(92, 300), Clock()
    world.write(records)
    async with world.sink() as sink:
        await sink.until_taken(len(records))
    ticker, prefix = "BTC/USD", kept.prefix
    cache = opened(kept, clock)
    good = await cache.book("house", ticker)
    assert good is not None
    async with kept.connected() as redis:
        key = f"{prefix}top:house:{ticker}"
        for command in (
            ("HSET", key, "bid", "1e9"),
            ("HSET", key, "seq", "many"),
            ("HDEL", key, "ask"),
            ("HSET", key, "quality", b"\xff\xfe"),
            ("SET", key, "no hash"),
            ("SET", f"{prefix}tape:orders.0", "{"),
            ("SET", f"{prefix}tape:orders.0", '{"format":99,"seq":1}'),
        ):
            before = await redis.dump(command[1])
            assert before is not None
            await redis.execute_command(*command)  # type: ignore[no-untyped-call]
            assert await cache.book("house", ticker) is None, command
            assert cache.state in ("unreadable", "away"), command
            await redis.restore(command[1], 0, before, replace=True)
            assert await cache.book("house", ticker) is None  # it rests
            clock.now += REST_S
            assert await cache.book("house", ticker) == good
            assert cache.state == "ok"
        account = next(iter(expected_positions(records))).partition(":")[0]
        for key in await kept.hashes("position"):
            if key.startswith(f"{account}:"):
                await redis.delete(f"{prefix}position:{key}")
        assert await cache.positions([int(account)]) is None
    await cache.close()


async def test_a_wrong_password_is_no_answer(kept: sinks.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.cache.TIMEOUT_S", PATIENCE_S)
    known = LastKnown(kept.sink_url, password="wrong", prefix=kept.prefix, timeout=PATIENCE_S)
    cache = Cache(known, "here", "orders.0", logs.get("test"))
    assert await cache.book("house", "X") is None
    assert cache.state == "away"
    await cache.close()


def test_a_password_in_the_url_is_refused_without_being_said(tmp_path: Path) -> None:
    file = tmp_path / "tapewire.toml"
    file.write_text('[api]\ncache = "redis://:s3cret@127.0.0.1/0"\n')
    with pytest.raises(ConfigError, match="cache_password_file") as caught:
        load(file)
    assert "s3cret" not in str(caught.value)
