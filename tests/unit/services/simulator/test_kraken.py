import re
import zlib
from typing import Any

import pytest

from services.simulator.flow import ASK, BID, SECOND_NS, Book
from services.simulator.kraken import KrakenVenue
from services.simulator.kraken_book import checksum
from services.simulator.kraken_market import GeneratedKraken
from tests.simulated_venue import KRAKEN, START_NS, World

LEVEL = re.compile(r'\{"price":([0-9.]+),"qty":([0-9.]+)\}')


@pytest.fixture
def market() -> GeneratedKraken:
    return GeneratedKraken(KRAKEN, 1, 100, START_NS)


@pytest.fixture
def world(market: GeneratedKraken) -> World:
    return World(KrakenVenue(market))


class NaiveBook:
    """A client's book, kept as the venue prints it: apply all, cut to the depth, then check."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.checked = 0

    def apply(self, raw: bytes) -> None:
        text = raw.decode()
        if '"type":"snapshot"' in text:
            self.bids, self.asks = {}, {}
        bids, _, asks = text.partition('"asks"')
        for side, levels, best_first in ((self.bids, bids, -1), (self.asks, asks, 1)):
            for price, qty in LEVEL.findall(levels):
                if float(qty):
                    side[price] = qty
                else:
                    side.pop(price, None)
            for price in sorted(side, key=lambda p: best_first * float(p))[self.depth :]:
                del side[price]
        assert int(re.search(r'"checksum":(\d+)', text)[1]) == self.checksum()  # type: ignore[index]
        self.checked += 1

    def checksum(self) -> int:
        best_asks = sorted(self.asks.items(), key=lambda level: float(level[0]))[:10]
        best_bids = sorted(self.bids.items(), key=lambda level: -float(level[0]))[:10]
        parts = [number.replace(".", "").lstrip("0") for level in best_asks + best_bids for number in level]
        return zlib.crc32("".join(parts).encode())


def subscribe(channel: str, *symbols: str, req_id: int | None = None, **params: object) -> dict[str, Any]:
    chosen: dict[str, Any] = {"channel": channel, **params}
    if symbols:
        chosen["symbol"] = list(symbols)
    request: dict[str, Any] = {"method": "subscribe", "params": chosen}
    return request if req_id is None else {**request, "req_id": req_id}


def test_the_checksum_of_the_documented_example() -> None:
    book = Book()
    for step in range(10):
        book.set(ASK, 5005 + 5 * step, 500)
    for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950):
        book.set(BID, price, 500)
    assert checksum(book) == 974947235


def test_a_connection_opens_with_the_status(world: World) -> None:
    (status,) = world.connect("/v2").frames()
    assert (status["channel"], status["type"]) == ("status", "update")
    assert status["data"][0] == {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": 1}


def test_each_symbol_is_acknowledged_then_its_snapshot_comes(world: World) -> None:
    client = world.connect("/v2")
    client.raw()
    client.say(subscribe("book", "BTC/USD", "NO/PE", "XRP/USD", depth=25, req_id=9))
    ack, snapshot, error, second, _ = client.frames()
    times = {"time_in": ack["time_in"], "time_out": ack["time_out"]}
    assert ack == {
        "method": "subscribe",
        "result": {"channel": "book", "depth": 25, "snapshot": True, "symbol": "BTC/USD"},
        "success": True,
        "req_id": 9,
        **times,
    }
    assert (len(snapshot["data"][0]["bids"]), len(snapshot["data"][0]["asks"])) == (25, 25)
    assert error == {
        **{"error": "Currency pair not supported NO/PE", "method": "subscribe", "success": False},
        **{"symbol": "NO/PE", "req_id": 9, **times},
    }
    assert second["result"]["symbol"] == "XRP/USD"


@pytest.mark.parametrize("depth", [10, 25, 100, 1000])
def test_every_checksum_verifies_and_the_book_is_the_venues_own(
    world: World, market: GeneratedKraken, depth: int
) -> None:
    client = world.connect("/v2")
    world.run(0.5)
    client.raw()
    client.say(subscribe("book", "XRP/USD", depth=depth))
    world.run(10)
    book = NaiveBook(depth)
    for raw in client.raw():
        if raw.startswith(b'{"channel":"book"'):
            book.apply(raw)
    assert book.checked > 300
    mine = market.book_json("XRP/USD")
    assert (book.bids, book.asks) == (dict(mine["bids"][:depth]), dict(mine["asks"][:depth]))


def test_numbers_keep_their_zeros_and_are_no_strings(world: World) -> None:
    client = world.connect("/v2")
    client.say(subscribe("book", "BTC/USD"))
    raw = client.raw()[-1]
    assert re.search(rb'\{"price":\d+\.\d,"qty":\d+\.\d{8}\}', raw)
    assert b"e-" not in raw.lower()


def test_two_depths_of_one_symbol_on_two_connections_both_verify(world: World) -> None:
    books = {}
    for depth in (10, 100):
        client = world.connect("/v2")
        client.say(subscribe("book", "BTC/USD", depth=depth))
        books[client] = NaiveBook(depth)
        world.run(1)
    world.run(3)
    for client, book in books.items():
        for raw in client.raw():
            if raw.startswith(b'{"channel":"book"'):
                book.apply(raw)
        assert book.checked > 50


def test_a_wrong_checksum_on_request_is_followed_by_right_ones(world: World) -> None:
    client = world.connect("/v2")
    client.say(subscribe("book", "BTC/USD"))
    book = NaiveBook(10)
    world.run(1)
    world.post("checksum", symbol="BTC/USD")
    world.run(1)
    wrong = 0
    for raw in client.raw():
        if raw.startswith(b'{"channel":"book"'):
            try:
                book.apply(raw)
            except AssertionError:
                wrong += 1
    assert (wrong, book.checked > 50) == (1, True)


def test_resubscribing_brings_a_new_snapshot(world: World) -> None:
    client = world.connect("/v2")
    client.say(subscribe("book", "BTC/USD"))
    world.run(0.5)
    client.raw()
    gone = client.ask({"method": "unsubscribe", "params": {"channel": "book", "symbol": ["BTC/USD"]}})
    assert gone["result"] == {"channel": "book", "depth": 10, "symbol": "BTC/USD"}
    world.run(0.5)
    client.say(subscribe("book", "BTC/USD"))
    kinds = [(f.get("channel"), f.get("type")) for f in client.frames() if f.get("channel") == "book"]
    assert kinds == [("book", "snapshot")]


def test_trades_open_with_the_last_fifty_and_go_on_without_a_gap(world: World) -> None:
    world.run(30)
    client = world.connect("/v2")
    client.raw()
    client.say(subscribe("trade", "BTC/USD"))
    ack, snapshot = client.frames()
    assert ack["result"] == {"channel": "trade", "snapshot": True, "symbol": "BTC/USD"}
    assert (snapshot["type"], len(snapshot["data"])) == ("snapshot", 50)
    world.run(5)
    trades = [t for f in client.frames() if f["channel"] == "trade" for t in f["data"]]
    ids = [t["trade_id"] for t in snapshot["data"] + trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert list(trades[0]) == ["symbol", "side", "price", "qty", "ord_type", "trade_id", "timestamp"]
    assert {t["side"] for t in trades} <= {"buy", "sell"}


def test_no_snapshot_when_none_is_wanted(world: World) -> None:
    client = world.connect("/v2")
    client.raw()
    ack = client.ask(subscribe("trade", "BTC/USD", snapshot=False))
    assert ack["result"]["snapshot"] is False


def test_the_instrument_channel_tells_precision_and_increments(world: World) -> None:
    client = world.connect("/v2")
    client.raw()
    client.say(subscribe("instrument"))
    raw = client.raw()
    assert b'"qty_increment":1E-8' in raw[1]  # as recorded: this venue prints small increments so
    assert b'"symbol":"BTC/USD"' in raw[1]
    assert b'"price_precision":1,' in raw[1]
    assert b'"price_increment":0.1}' in raw[1] or b'"price_increment":0.1,' in raw[1]


def test_heartbeats_come_each_second_once_subscribed(world: World) -> None:
    idle, busy = world.connect("/v2"), world.connect("/v2")
    busy.say(subscribe("book", "BTC/USD"))
    world.run(3.05)
    assert sum(f == {"channel": "heartbeat"} for f in busy.frames()) == 3
    assert len(idle.frames()) == 1  # the status


def test_ping_is_answered_with_pong(world: World) -> None:
    client = world.connect("/v2")
    client.raw()
    pong = client.ask({"method": "ping", "req_id": 101})
    assert (pong["method"], pong["req_id"], pong["success"]) == ("pong", 101, True)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ([], "Malformed request"),
        ({"params": {}}, "Malformed request"),
        ({"method": "add_order", "params": {}}, "Unsupported method add_order"),
        ({"method": "subscribe"}, "Params field must be an object"),
        (subscribe("level3", "BTC/USD"), "Channel level3 not supported; one of book, trade, instrument"),
        (subscribe("book"), "Symbol field must be an array"),
        (subscribe("book", "BTC/USD", depth="10"), "Depth must be an integer"),
        (subscribe("book", "BTC/USD", depth=42), "Subscription depth not supported"),
        ({"method": "unsubscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}}, "Subscription Not Found"),
    ],
)
def test_wrong_requests_get_an_error(world: World, message: object, error: str) -> None:
    client = world.connect("/v2")
    client.raw()
    reply = client.ask(message)
    assert (reply["success"], reply["error"]) == (False, error)


def test_subscribing_twice_is_an_error(world: World) -> None:
    client = world.connect("/v2")
    client.raw()
    client.say(subscribe("trade", "BTC/USD"))
    client.raw()
    assert client.ask(subscribe("trade", "BTC/USD"))["error"] == "Already subscribed"


def test_too_many_messages_are_refused_with_an_error(world: World) -> None:
    client = world.connect("/v2")
    client.raw()
    for number in range(51):
        client.say({"method": "ping", "req_id": number})
    assert client.frames()[-1]["error"] == "Exceeded msg rate"
    world.now += SECOND_NS
    assert client.ask({"method": "ping"})["method"] == "pong"


def test_only_the_second_version_is_served(world: World) -> None:
    assert world.refused("/").status == 404
