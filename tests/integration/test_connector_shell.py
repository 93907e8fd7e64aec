"""The shell against a real WebSocket server that breaks in every way: it connects again and subscribes again."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from services.connector.binance import BinanceSession
from services.connector.coinbase import CoinbaseSession
from services.connector.rest import RestClient, get
from services.connector.shell import Shell
from tapewire import logs
from tapewire import messages as m
from tapewire.clock import SystemClock
from tapewire.feed.limits import MS, SECOND, Limits
from tapewire.feed.publisher import Publisher
from tapewire.feed.session import VenueSession
from tests.engine_process import PATIENCE_S
from tests.unit.tapewire.feed.test_publisher import FakeBus, FakeRing
from tests.venue_frames import (
    binance_depth,
    binance_info,
    binance_snapshot,
    binance_top,
    binance_trade,
    coinbase_match,
    coinbase_product,
    coinbase_snapshot,
)
from tools.services.ports import free_port

QUICK = Limits(
    stale=700 * MS,
    dead=1_500 * MS,
    recovery_first=100 * MS,
    reconnect_first=20 * MS,
    reconnect_most=100 * MS,
    send_gap=10 * MS,
    tick=20 * MS,
)
# Whoever stands still for this long is not taken to be gone: a machine may be busy elsewhere.
PATIENT = msgspec.structs.replace(QUICK, stale=10 * SECOND, dead=20 * SECOND)
SILENCE = msgspec.structs.replace(QUICK, stale=1 * SECOND, dead=3 * SECOND)
Behaviour = Callable[["Venue", ServerConnection], Awaitable[None]]


class Venue:
    """A WebSocket server whose n-th connection behaves as the n-th of the script says; the last goes on for ever."""

    def __init__(self, *script: Behaviour) -> None:
        self.script = script
        self.connections: list[str] = []
        self.received: list[dict[str, Any]] = []
        self.url = ""
        self.update = 100

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        n = len(self.connections)
        self.connections.append(connection.request.path)
        try:
            await self.script[min(n, len(self.script) - 1)](self, connection)
        except ConnectionClosed:
            return

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Venue]:
        server: Server
        async with serve(self.handle, "127.0.0.1", 0, close_timeout=0.2) as server:
            host, port = next(iter(server.sockets)).getsockname()[:2]
            self.url = f"ws://{host}:{port}"
            yield self

    def next_depth(self) -> bytes:
        self.update += 1
        return binance_depth("BTCUSDT", self.update, self.update, [("99.00", f"{self.update}.0")])


class Answers(BaseHTTPRequestHandler):
    """REST: definitions and snapshots; a snapshot stands at whatever `last_id` is."""

    last_id = 100

    def do_GET(self) -> None:
        if "exchangeInfo" in self.path:
            body = binance_info()
        elif "depth" in self.path:
            body = binance_snapshot(type(self).last_id)
        elif "products" in self.path:
            body = coinbase_product()
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def rest() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Running:
    """A shell at work, and what it published."""

    def __init__(self, session: VenueSession[Any], venue: Venue, rest: str) -> None:
        self.session, self.ring, self.bus = session, FakeRing(), FakeBus()
        clock = SystemClock()
        tickers = [instrument.ticker for instrument in session.instruments]
        publisher = Publisher(
            env="t", feed="f", source=1, tickers=tickers, ring=self.ring, bus=self.bus, next_seq=1, clock=clock,
            snapshot=session.snapshot,
        )  # fmt: skip
        self.shell = Shell(session, publisher, url=venue.url, rest_url=rest, clock=clock, log=logs.get("test"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        task = asyncio.create_task(self.shell.run())
        try:
            yield self
        finally:
            self.shell.stop()
            await asyncio.wait_for(task, PATIENCE_S)

    def messages(self, kind: type[m.Message]) -> list[Any]:
        return [message for raw in self.ring.records if isinstance(message := m.decode(raw), kind)]

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)


def binance(limits: Limits = PATIENT) -> BinanceSession:
    return BinanceSession(["BTCUSDT"], 100, Random(1), limits)


async def flows(venue: Venue, connection: ServerConnection) -> None:
    venue.update = Answers.last_id  # what REST answers and what is streamed fit together
    while True:
        await connection.send(venue.next_depth().decode())
        await asyncio.sleep(0.01)


async def breaks(venue: Venue, connection: ServerConnection) -> None:
    for _ in range(5):
        await connection.send(venue.next_depth().decode())
    connection.transport.abort()


async def closes(venue: Venue, connection: ServerConnection) -> None:
    await connection.close(1008, "too many requests")


async def garbage(venue: Venue, connection: ServerConnection) -> None:
    while True:
        await connection.send(b"\x00\xff\xfe{{{")
        await connection.send('{"stream":"btcusdt@trade","data":{')
        await asyncio.sleep(0.001)


async def silent(venue: Venue, connection: ServerConnection) -> None:
    await connection.wait_closed()


async def test_it_connects_with_the_streams_in_the_url_and_publishes(rest: str) -> None:
    Answers.last_id = 100
    async with Venue(flows).running() as venue, Running(binance(), venue, rest).running() as it:
        await it.until(lambda: len(it.messages(m.BookDelta)) > 3)
        assert venue.connections == ["/stream?streams=btcusdt@trade/btcusdt@depth@100ms/btcusdt@bookTicker"]
        assert it.messages(m.BookSnapshot)[0].quality == m.BookQuality.live
        assert [m.decode(raw).seq for raw in it.ring.records] == list(range(1, len(it.ring.records) + 1))
        assert [raw for _, raw in it.bus.published] == it.ring.records
    assert it.messages(m.FeedStatus)[-1].reason.startswith("stopping")


@pytest.mark.parametrize(
    ("fault", "times", "limits"),
    [(breaks, 2, PATIENT), (closes, 2, PATIENT), (garbage, 2, PATIENT), (silent, 1, SILENCE)],
    ids=lambda one: getattr(one, "__name__", ""),
)
async def test_after_a_fault_it_is_back_with_a_new_book(
    rest: str, fault: Behaviour, times: int, limits: Limits
) -> None:
    Answers.last_id = 100

    async def flows_anew(venue: Venue, connection: ServerConnection) -> None:
        Answers.last_id = 1_000
        await flows(venue, connection)

    script = (*[fault] * times, flows_anew)
    async with Venue(*script).running() as venue, Running(binance(limits), venue, rest).running() as it:
        await it.until(lambda: any(d.origin_seq > 1_000 for d in it.messages(m.BookDelta)))
        assert len(venue.connections) == times + 1
        assert it.session.counters.reconnects == times
        states = [status.state for status in it.messages(m.FeedStatus) if not status.ticker]
        assert states.count(m.FeedState.down) == times
        assert states[-1] == m.FeedState.live
        seqs = [m.decode(raw).seq for raw in it.ring.records]
        assert seqs == list(range(1, len(seqs) + 1))
        books = [s.book_seq for s in it.messages(m.BookSnapshot)]
        assert books == sorted(books)


async def test_it_subscribes_again_after_each_loss(rest: str) -> None:
    async def answers_then_breaks(venue: Venue, connection: ServerConnection) -> None:
        venue.received.append(json.loads(await connection.recv()))
        await connection.send(coinbase_snapshot().decode())
        await connection.send(coinbase_match(len(venue.connections)).decode())
        await asyncio.sleep(0.05)
        connection.transport.abort()

    session = CoinbaseSession(["BTC-USD"], 100, Random(1), PATIENT)
    async with Venue(answers_then_breaks).running() as venue, Running(session, venue, rest).running() as it:
        await it.until(lambda: len(it.messages(m.Trade)) >= 3)
    assert {json.dumps(message) for message in venue.received} == {
        json.dumps(
            {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2_batch", "matches", "heartbeat"]}
        )
    }
    assert [trade.trade_id for trade in it.messages(m.Trade)][:3] == [1, 2, 3]


async def test_a_venue_that_is_not_there_is_tried_again_until_it_is(rest: str) -> None:
    venue, port = Venue(flows), free_port()
    venue.url = f"ws://127.0.0.1:{port}"
    async with Running(binance(), venue, rest).running() as it:
        await it.until(lambda: it.session.counters.reconnects >= 3)
        async with serve(venue.handle, "127.0.0.1", port, close_timeout=0.2):
            await it.until(lambda: len(it.messages(m.BookDelta)) > 3)


async def test_a_frame_in_pieces_and_a_slow_one_are_read_whole(rest: str) -> None:
    async def pieces(venue: Venue, connection: ServerConnection) -> None:
        text = binance_trade("BTCUSDT", 5, "100.00", "1").decode()
        await connection.send([text[:20], text[20:40], text[40:]])

        async def slowly() -> AsyncIterator[str]:
            whole = binance_trade("BTCUSDT", 6, "100.00", "1").decode()
            for at in range(0, len(whole), 40):
                yield whole[at : at + 40]
                await asyncio.sleep(0.02)

        await connection.send(slowly())
        await connection.wait_closed()

    async with Venue(pieces).running() as venue, Running(binance(), venue, rest).running() as it:
        await it.until(lambda: len(it.messages(m.Trade)) == 2)
        assert [trade.trade_id for trade in it.messages(m.Trade)] == [5, 6]
        assert it.session.counters.malformed == 0


async def test_a_connection_is_replaced_without_a_gap(rest: str) -> None:
    Answers.last_id = 100
    sockets: list[ServerConnection] = []
    ended = asyncio.Event()

    async def shared(venue: Venue, connection: ServerConnection) -> None:
        sockets.append(connection)
        if len(sockets) == 1:
            n = after = 0
            while after < 20:  # frames that both got
                if n == 10:
                    await connection.send('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
                frame = venue.next_depth().decode()
                for each in sockets:
                    await each.send(frame)
                n, after = n + 1, after + (len(sockets) > 1)
                await asyncio.sleep(0.01)
            ended.set()
        await connection.wait_closed()

    limits = Limits(stale=10 * SECOND, dead=20 * SECOND, tick=20 * MS)
    session = BinanceSession(["BTCUSDT"], 100, Random(1), limits)
    async with Venue(shared).running() as venue, Running(session, venue, rest).running() as it:
        await asyncio.wait_for(ended.wait(), PATIENCE_S)
        await it.until(lambda: session.instruments[0].last_id == venue.update)
        assert len(venue.connections) == 2
        await it.until(lambda: sockets[0].close_code is not None)
        await sockets[1].send(venue.next_depth().decode())
        await it.until(lambda: session.instruments[0].last_id == venue.update)
    assert (session.counters.gaps, session.counters.resyncs, session.counters.reconnects) == (0, 0, 1)
    assert session.counters.duplicates > 0


async def test_a_fault_of_ours_stops_the_shell_and_is_raised(rest: str) -> None:
    class Broken(BinanceSession):
        def _top(self, instrument: Any, data: bytes, now: int) -> Any:
            raise ZeroDivisionError("a fault of ours")

    async def one(venue: Venue, connection: ServerConnection) -> None:
        await connection.send(binance_top("BTCUSDT", 1, "1.00", "1", "2.00", "1").decode())
        await connection.wait_closed()

    session = Broken(["BTCUSDT"], 100, Random(1), PATIENT)
    async with Venue(one).running() as venue:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(Running(session, venue, rest).shell.run(), PATIENCE_S)


@pytest.mark.parametrize("entry", ["on_timer", "on_rest", "on_replaced"])
async def test_a_fault_of_ours_is_raised_wherever_the_loop_called_from(rest: str, entry: str) -> None:
    def fail(*arguments: object) -> Any:
        raise ZeroDivisionError("a fault of ours")

    broken: type[BinanceSession] = type("Broken", (BinanceSession,), {entry: fail})
    session = broken(["BTCUSDT"], 100, Random(1), PATIENT)

    async def shuts_down(venue: Venue, connection: ServerConnection) -> None:
        await connection.send('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
        await connection.wait_closed()

    async with Venue(shuts_down).running() as venue:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(Running(session, venue, rest).shell.run(), PATIENCE_S)


async def test_it_stops_at_once_while_a_venue_does_not_answer_its_handshake(rest: str) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await done.wait()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        closed.set()

    asked, done, closed, venue = asyncio.Event(), asyncio.Event(), asyncio.Event(), Venue(flows)
    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        venue.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        running = Running(binance(), venue, rest)
        task = asyncio.create_task(running.shell.run())
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        running.shell.stop()
        await asyncio.wait_for(task, PATIENCE_S)  # it has no patience of its own with a handshake that long
        done.set()
        await asyncio.wait_for(closed.wait(), PATIENCE_S)


def test_an_error_whose_text_never_comes_is_a_value_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"

        def answer() -> None:
            peer, _ = server.accept()
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nwait")
            done.wait(PATIENCE_S)
            peer.close()

        done = threading.Event()
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            assert get(url, timeout_s=2.0)[0] == 503
        finally:
            done.set()
            thread.join()


def test_rest_answers_are_bounded_and_failures_are_values(rest: str) -> None:
    assert get(f"{rest}/api/v3/exchangeInfo?symbol=BTCUSDT") == (200, binance_info())
    assert get(f"{rest}/nothing")[0] == 404
    status, why = get("http://127.0.0.1:1/x")
    assert (status, b"refused" in why) == (0, True)
    with pytest.raises(ValueError, match="expected http"):
        RestClient("file:///etc", lambda *answer: None)
