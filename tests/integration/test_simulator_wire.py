"""The simulated venues over real sockets, spoken to by an independent client (websockets, urllib)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.simulator import server
from services.simulator.binance import BinanceVenue
from services.simulator.binance_market import GeneratedBinance
from services.simulator.coinbase import CoinbaseVenue
from services.simulator.coinbase_market import GeneratedCoinbase
from services.simulator.kraken import KrakenVenue
from services.simulator.kraken_market import GeneratedKraken
from services.simulator.server import Simulator
from tests.engine_process import PATIENCE_S
from tests.simulated_venue import BINANCE, COINBASE, KRAKEN
from tests.unit.services.simulator.test_binance import NaiveBook as BinanceBook
from tests.unit.services.simulator.test_kraken import NaiveBook as KrakenBook
from tests.unit.services.simulator.test_kraken import subscribe

RATE = 300.0


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    now = time.time_ns()
    venues = (
        BinanceVenue(GeneratedBinance(BINANCE, 1, RATE, now)),
        CoinbaseVenue(GeneratedCoinbase(COINBASE, 1, RATE, now)),
        KrakenVenue(GeneratedKraken(KRAKEN, 1, RATE, now)),
    )
    async with Simulator(venues) as running:
        yield running


def client(simulator: Simulator, venue: str, path: str) -> connect:
    return connect(f"ws://127.0.0.1:{simulator.ports[venue]}{path}", max_size=1 << 24)


async def http(simulator: Simulator, venue: str, path: str, method: str = "GET") -> tuple[int, Any]:
    def call() -> tuple[int, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{simulator.ports[venue]}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, orjson.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
            return error.code, orjson.loads(body) if body.startswith(b"{") else body

    return await asyncio.to_thread(call)


async def frames(connection: ClientConnection, seconds: float) -> list[bytes]:
    found = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                found.append(await connection.recv(decode=False))
    except TimeoutError:
        return found


async def test_binance_syncs_over_the_wire_and_recovers_from_a_gap(simulator: Simulator) -> None:
    async with client(simulator, "binance", "/stream?streams=btcusdt@depth@100ms/btcusdt@trade") as connection:

        async def sync() -> BinanceBook:
            first = orjson.loads(await connection.recv())
            while not first["stream"].endswith("depth@100ms"):
                first = orjson.loads(await connection.recv())
            status, snapshot = await http(simulator, "binance", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
            assert (status, snapshot["lastUpdateId"] >= first["data"]["U"]) == (200, True)
            book = BinanceBook(snapshot)
            book.apply(first["data"])
            return book

        async def follow(book: BinanceBook, seconds: float) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while True:
                        frame = orjson.loads(await connection.recv(decode=False))
                        if frame["stream"].endswith("depth@100ms"):
                            book.apply(frame["data"])

        book = await sync()
        await follow(book, 0.5)
        await http(simulator, "binance", "/_sim/gap?symbol=BTCUSDT", "POST")
        with pytest.raises(AssertionError, match="gap"):
            await follow(book, PATIENCE_S)
        book = await sync()
        await follow(book, 0.3)
        market = simulator.endpoints["binance"].venue.market
        assert isinstance(market, GeneratedBinance)
        market.flows["BTCUSDT"].skip_to(time.time_ns() + 10**11)
        _, mine = await http(simulator, "binance", "/_sim/book?symbol=BTCUSDT")
        ends = time.monotonic() + PATIENCE_S
        while book.id < mine["update_id"]:
            assert time.monotonic() < ends
            await follow(book, 0.1)
        assert (book.id, book.bids, book.asks) == (mine["update_id"], dict(mine["bids"]), dict(mine["asks"]))


async def test_binance_limits_bite_over_the_wire(simulator: Simulator) -> None:
    async with client(simulator, "binance", "/ws") as connection:
        for number in range(5):
            await connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        await connection.ping()
        with pytest.raises(ConnectionClosed) as closed:
            await frames(connection, PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_coinbase_over_the_wire(simulator: Simulator) -> None:
    async with client(simulator, "coinbase", "/") as connection:
        await connection.send(
            json.dumps({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2_batch", "matches"]})
        )
        kinds: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            while not {"l2update", "match"} <= set(kinds):
                kinds.append(orjson.loads(await connection.recv(decode=False))["type"])
    assert kinds[:2] == ["subscriptions", "snapshot"]
    assert {"l2update", "match"} <= set(kinds[2:]) <= {"l2update", "match", "last_match"}
    status, products = await http(simulator, "coinbase", "/products")
    assert (status, [p["id"] for p in products]) == (200, ["BTC-USD", "ETH-USD"])


async def test_kraken_checksums_over_the_wire(simulator: Simulator) -> None:
    async with client(simulator, "kraken", "/v2") as connection:
        await connection.send(json.dumps(subscribe("book", "BTC/USD", depth=25, req_id=1)))
        book = KrakenBook(25)
        async with asyncio.timeout(PATIENCE_S):
            while book.checked <= 50:
                if (raw := await connection.recv(decode=False)).startswith(b'{"channel":"book"'):
                    book.apply(raw)


async def test_faults_are_asked_for_on_the_same_port(simulator: Simulator) -> None:
    assert (await http(simulator, "kraken", "/_sim/checksum?symbol=BTC/USD", "POST"))[0] == 200
    assert (await http(simulator, "kraken", "/_sim/earthquake", "POST"))[0] == 404
    assert (await http(simulator, "kraken", "/_sim/gap?count=x", "POST"))[0] == 400
    assert (await http(simulator, "kraken", "/v2", "PUT"))[0] == 405
    assert (await http(simulator, "kraken", "/nothing"))[0] == 404
    status, body = await http(simulator, "kraken", "/_sim/status")
    assert (status, body["armed"]) == (200, ["checksum BTC/USD x1"])


async def test_disconnect_and_refuse_over_the_wire(simulator: Simulator) -> None:
    async with client(simulator, "binance", "/ws/btcusdt@trade") as connection:
        await http(simulator, "binance", "/_sim/refuse?seconds=60", "POST")
        await http(simulator, "binance", "/_sim/disconnect", "POST")
        with pytest.raises(ConnectionClosed) as closed:
            await frames(connection, PATIENCE_S)
        assert closed.value.rcvd is None  # no closing handshake
    with pytest.raises(InvalidStatus) as refused:
        async with client(simulator, "binance", "/ws"):
            pass
    assert refused.value.response.status_code == 503


async def test_a_client_that_does_not_read_is_cut_off_and_the_others_are_not(simulator: Simulator) -> None:
    endpoint = simulator.endpoints["kraken"]
    small = server.Endpoint(endpoint.venue, max_unsent=1 << 16)
    port = await small.start("127.0.0.1", 0)
    try:
        async with (
            connect(f"ws://127.0.0.1:{port}/v2", max_queue=1, close_timeout=0.1) as slow,
            client(simulator, "kraken", "/v2") as good,
        ):
            await slow.send(json.dumps(subscribe("book", "BTC/USD", "XRP/USD", depth=1000)))
            slow.transport.pause_reading()
            await good.send(json.dumps(subscribe("trade", "BTC/USD")))
            async with asyncio.timeout(PATIENCE_S):
                while not small.cut_off:
                    for session in small.sessions:
                        session.out.append(b"x" * 100_000)
                    small.step(time.time_ns())
                    await asyncio.sleep(0.005)
            assert small.cut_off == 1
            async with asyncio.timeout(PATIENCE_S):
                for _ in range(2):
                    await good.recv()
    finally:
        await small.stop()


async def run(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.simulator", *arguments),
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


async def test_the_program_announces_its_ports_and_ends_on_sigterm(tmp_path: Path) -> None:
    ports = tmp_path / "run" / "ports.json"
    process = await run("--venues", "kraken,binance", "--ports-file", str(ports))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not ports.exists():
                await asyncio.sleep(0.02)
        found = json.loads(ports.read_text())
        assert list(found) == ["kraken", "binance"]
        assert list(found["kraken"]) == ["port", "url", "rest_url", "tickers", "trades"]
        async with connect(found["kraken"]["url"]) as connection:
            assert orjson.loads(await connection.recv())["channel"] == "status"
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0
        assert [path.name for path in ports.parent.iterdir()] == ["ports.json"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--venues", "nyse"), "--venues nyse: expected some of binance, coinbase, kraken"),
        (("--data", "/nowhere"), "lacks 7 of the recordings that a replay needs"),
        (("--rate", "0"), "--rate 0, --speed 1: expected above 0"),
        (("--port", "binance=many"), "--port binance=many: expected VENUE=PORT"),
        (("traders", "--data", "/nowhere", "--accounts", "1,x"), "--accounts 1,x"),
        (("--venues", "kraken", "--ports-file", "/proc/none/ports.json"), "--ports-file /proc/none/ports.json: cannot"),
    ],
)
async def test_wrong_arguments_say_what_was_expected(arguments: tuple[str, ...], words: str) -> None:
    process = await run(*arguments)
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 1
    assert err.decode().splitlines()[-1].startswith("tapewire simulator: ") or "\n  /nowhere" in err.decode()
    assert words in err.decode()
    assert "Traceback" not in err.decode()


async def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await run("--venues", "kraken", "--port", f"kraken={port}")
        _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 1
    said = err.decode().splitlines()[-1]
    assert said.startswith(f"tapewire simulator: kraken: cannot listen on 127.0.0.1:{port}: ")
    assert said.endswith("leave --port kraken away to take a free one")


async def test_traders_that_are_stopped_before_the_engine_is_there_end_as_asked(tmp_path: Path) -> None:
    process = await run("traders", "--data", str(tmp_path), "--wait", "30")
    assert process.stderr is not None
    await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
