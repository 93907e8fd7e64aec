import itertools
from typing import Any

import orjson
import pytest

from services.simulator.binance import BinanceVenue
from services.simulator.binance_market import GeneratedBinance
from services.simulator.flow import SECOND_NS
from services.simulator.venue import Close
from tests.simulated_venue import BINANCE, START_NS, World


@pytest.fixture
def market() -> GeneratedBinance:
    return GeneratedBinance(BINANCE, 1, 200, START_NS)


@pytest.fixture
def world(market: GeneratedBinance) -> World:
    return World(BinanceVenue(market))


class NaiveBook:
    """The documented algorithm for a local book, step by step, with texts as keys."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.id = snapshot["lastUpdateId"]
        self.bids, self.asks = dict(snapshot["bids"]), dict(snapshot["asks"])
        self.first = True

    def apply(self, event: dict[str, Any]) -> None:
        if event["u"] <= self.id:
            return
        if self.first:
            assert event["U"] <= self.id + 1 <= event["u"]
            self.first = False
        else:
            assert event["U"] == self.id + 1, "gap"
        for levels, changes in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, qty in changes:
                if float(qty):
                    levels[price] = qty
                else:
                    levels.pop(price, None)
        self.id = event["u"]


def test_the_documented_sync_gives_the_venues_own_book(world: World, market: GeneratedBinance) -> None:
    client = world.connect("/ws/btcusdt@depth@100ms")
    world.run(0.35)
    buffered = client.frames()
    assert buffered
    book = NaiveBook(orjson.loads(world.get("/api/v3/depth", symbol="BTCUSDT", limit="5000").body))
    assert book.id >= buffered[0]["U"]
    for event in buffered:
        book.apply(event)
    world.run(3)
    market.flows["BTCUSDT"].skip_to(world.now + SECOND_NS)
    world.run(0.2)
    for event in client.frames():
        book.apply(event)
    mine = market.book_json("BTCUSDT")
    assert (book.id, book.bids, book.asks) == (mine["update_id"], dict(mine["bids"]), dict(mine["asks"]))


def test_depth_comes_in_batches_of_a_hundred_milliseconds(world: World) -> None:
    client = world.connect("/ws/btcusdt@depth@100ms")
    world.run(2)
    frames = client.frames()
    assert 18 <= len(frames) <= 20
    assert all(list(f) == ["e", "E", "s", "U", "u", "b", "a"] for f in frames)
    assert all(later["U"] == earlier["u"] + 1 for earlier, later in itertools.pairwise(frames))
    slow = world.connect("/ws/btcusdt@depth")
    world.run(3)
    assert 2 <= len(slow.frames()) <= 3


def test_book_ticker_agrees_with_the_book_at_its_update_id(world: World, market: GeneratedBinance) -> None:
    client = world.connect("/stream", streams="btcusdt@bookTicker/ethusdt@bookTicker")
    world.run(1)
    frames = client.frames()
    assert {f["stream"] for f in frames} == {"btcusdt@bookTicker", "ethusdt@bookTicker"}
    last = [f["data"] for f in frames if f["stream"] == "btcusdt@bookTicker"][-1]
    assert list(last) == ["u", "s", "b", "B", "a", "A"]
    assert last["u"] <= market.flows["BTCUSDT"].update_id
    mine = market.book_json("BTCUSDT")
    assert ((last["b"], last["B"]), (last["a"], last["A"])) == (mine["bids"][0], mine["asks"][0])


def test_trades_say_who_was_the_maker_and_hit_the_best_price(world: World) -> None:
    client = world.connect("/stream", streams="btcusdt@trade/btcusdt@aggTrade/btcusdt@bookTicker")
    world.run(5)
    tops: dict[str, str] = {}
    trades = 0
    for frame in client.frames():
        data = frame["data"]
        if frame["stream"] == "btcusdt@bookTicker":
            tops = data
        elif frame["stream"] == "btcusdt@trade":
            trades += 1
            assert list(data) == ["e", "E", "s", "t", "p", "q", "T", "m", "M"]
            if tops:  # a taker that sells meets a bid: the buyer is the maker
                assert float(data["p"]) <= float(tops["b"]) if data["m"] else float(data["p"]) >= float(tops["a"])
        else:
            assert (data["e"], data["f"], data["l"]) == ("aggTrade", data["a"], data["a"])
    assert trades > 10


def test_microseconds_are_sent_on_request(world: World) -> None:
    client = world.connect("/stream", streams="btcusdt@depth@100ms", timeUnit="MICROSECOND")
    world.run(0.5)
    assert all(len(str(f["data"]["E"])) == 16 for f in client.frames())


def test_control_messages_are_answered(world: World) -> None:
    client = world.connect("/ws")
    said = [
        {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "btcusdt@depth"], "id": 1},
        {"method": "LIST_SUBSCRIPTIONS", "id": "two"},
        {"method": "UNSUBSCRIBE", "params": ["btcusdt@depth"], "id": None},
    ]
    assert [client.ask(message) for message in said] == [
        {"result": None, "id": 1},
        {"result": ["btcusdt@trade", "btcusdt@depth"], "id": "two"},
        {"result": None, "id": None},
    ]
    world.run(1)
    client.raw()
    world.venue.faults.arm("silence", "BTCUSDT", {}, world.now)
    assert client.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 4}) == {"result": False, "id": 4}
    assert client.ask({"method": "SET_PROPERTY", "params": ["combined", True], "id": 5}) == {"result": None, "id": 5}
    world.run(8)
    assert all("stream" in frame for frame in client.frames())


@pytest.mark.parametrize(
    ("raw", "code", "words"),
    [
        (b"{", 3, "Invalid JSON"),
        (b"[]", 2, "missing field `method`"),
        (b'{"params":[]}', 2, "missing field `method`"),
        (b'{"method":"SUBSCIRBE","id":1}', 2, "unknown variant `SUBSCIRBE`"),
        (b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1.5}', 2, "request ID"),
        (b'{"method":"SUBSCRIBE","params":["x"],"id":"1234567890123456789012345678901234567"}', 2, "request ID"),
        (b'{"method":"SUBSCRIBE","params":[1],"id":1}', 2, "params"),
        (b'{"method":"LIST_SUBSCRIPTIONS","params":["x"],"id":1}', 2, "too many parameters"),
        (b'{"method":"GET_PROPERTY","params":[],"id":1}', 2, "property name must be a string"),
        (b'{"method":"GET_PROPERTY","params":["color"],"id":1}', 0, "Unknown property"),
        (b'{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1, "expected Boolean"),
    ],
)
def test_wrong_control_messages_get_the_documented_error(world: World, raw: bytes, code: int, words: str) -> None:
    client = world.connect("/ws")
    client.session.on_text(raw, world.now)
    (error,) = client.frames()
    assert error["code"] == code
    assert words in error["msg"]


def test_the_sixth_message_within_a_second_closes_the_connection(world: World) -> None:
    client = world.connect("/ws")
    for number in range(4):
        client.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
    client.session.on_ping(world.now)
    assert client.close is None
    client.session.on_pong(b"", world.now)
    assert client.close == Close(1008, "Too many requests")


def test_pings_come_every_twenty_seconds_and_want_an_answer_within_sixty(world: World) -> None:
    good, bad = world.connect("/ws"), world.connect("/ws")
    for _ in range(5):
        world.run(20)
        (payload,) = good.pings()
        good.session.on_pong(payload, world.now)
    assert (good.close, bad.close) == (None, Close(1008, "Pong timeout"))


def test_more_than_1024_streams_are_refused(world: World) -> None:
    client = world.connect("/ws")
    answer = client.ask({"method": "SUBSCRIBE", "params": [f"x{n}@trade" for n in range(1025)], "id": 1})
    assert "too many streams" in answer["msg"]
    assert world.refused("/stream", streams="/".join(f"x{n}@trade" for n in range(1025))).status == 400


def test_the_three_hundred_and_first_connection_in_five_minutes_is_refused(world: World) -> None:
    for _ in range(300):
        world.connect("/ws")
    assert world.refused("/ws").status == 429
    world.connect("/ws", address="5.6.7.8")


def test_paths_that_do_not_exist_are_refused(world: World) -> None:
    assert [world.refused(path).status for path in ("/", "/wss", "/streams", "/stream/x")] == [404] * 4
    assert world.refused("/ws", timeUnit="FORTNIGHT").status == 400


def test_rest_answers_as_documented(world: World) -> None:
    assert world.get("/api/v3/ping").body == b"{}"
    assert orjson.loads(world.get("/api/v3/time").body) == {"serverTime": START_NS // 1_000_000}
    info = orjson.loads(world.get("/api/v3/exchangeInfo", symbols='["ETHUSDT"]').body)
    (listing,) = info["symbols"]
    filters = {f["filterType"]: f for f in listing["filters"]}
    assert listing["symbol"] == "ETHUSDT"
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00010000"
    depth = orjson.loads(world.get("/api/v3/depth", symbol="BTCUSDT", limit="5").body)
    assert (len(depth["bids"]), len(depth["asks"])) == (5, 5)
    assert dict(world.get("/api/v3/depth", symbol="BTCUSDT", limit="5000").headers)["X-MBX-USED-WEIGHT-1M"] == "277"


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/api/v3/depth", {}, -1102),
        ("/api/v3/depth", {"symbol": "DOGE"}, -1121),
        ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "many"}, -1100),
        ("/api/v3/exchangeInfo", {"symbol": "DOGE"}, -1121),
        ("/api/v3/exchangeInfo", {"symbols": "DOGE"}, -1100),
    ],
)
def test_rest_errors_as_documented(world: World, path: str, query: dict[str, str], code: int) -> None:
    answer = world.get(path, **query)
    assert (answer.status, orjson.loads(answer.body)["code"]) == (400, code)


def test_rest_weight_is_limited(world: World) -> None:
    statuses = [world.get("/api/v3/depth", symbol="BTCUSDT", limit="5000").status for _ in range(25)]
    assert statuses == [200] * 24 + [429]


def test_a_gap_on_request_is_seen_by_the_id_rule(world: World) -> None:
    client = world.connect("/ws/btcusdt@depth@100ms")
    world.run(0.3)
    before = client.frames()
    assert world.post("gap", symbol="BTCUSDT").status == 200
    world.run(0.3)
    after = client.frames()
    assert after[0]["U"] > before[-1]["u"] + 1
    assert all(later["U"] == earlier["u"] + 1 for earlier, later in itertools.pairwise(after))


def test_a_stale_snapshot_on_request_is_older_than_the_stream(world: World) -> None:
    client = world.connect("/ws/btcusdt@depth@100ms")
    world.run(0.2)
    world.post("stale", symbol="BTCUSDT")
    ids = [orjson.loads(world.get("/api/v3/depth", symbol="BTCUSDT").body)["lastUpdateId"] for _ in range(2)]
    assert ids[0] < client.frames()[0]["U"] <= ids[1]


def test_a_shutdown_is_announced_and_then_carried_out(world: World) -> None:
    raw, combined = world.connect("/ws"), world.connect("/stream")
    world.post("shutdown", seconds="2")
    assert raw.frames() == [{"e": "serverShutdown", "E": world.now // 1_000_000}]
    assert combined.frames()[0]["stream"] == "!serverShutdown"
    world.run(1.9)
    assert raw.close is None
    world.run(0.2)
    assert raw.close == combined.close == Close(1001, "server shutdown")


def test_a_connection_lives_for_a_day(world: World) -> None:
    client = world.connect("/ws")
    client.session.tick(world.now + 24 * 3600 * SECOND_NS)
    assert client.close == Close(1001, "connected for 24 hours")


def test_a_session_that_is_gone_leaves_no_trace(world: World) -> None:
    client = world.connect("/ws/btcusdt@trade")
    world.venue.gone(client.session)
    assert (world.venue.sessions, world.venue.subscribers) == ({}, {})
