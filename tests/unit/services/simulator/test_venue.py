"""What all venues share: faults, control requests, fan-out. Shown on Binance and Kraken."""

import itertools

import orjson
import pytest

from services.simulator.binance import BinanceVenue
from services.simulator.binance_market import GeneratedBinance
from services.simulator.kraken import KrakenVenue
from services.simulator.kraken_market import GeneratedKraken
from services.simulator.venue import ABNORMAL, Close
from tests.simulated_venue import BINANCE, KRAKEN, START_NS, World


@pytest.fixture
def world() -> World:
    return World(BinanceVenue(GeneratedBinance(BINANCE, 1, 200, START_NS)))


@pytest.fixture
def kraken() -> World:
    return World(KrakenVenue(GeneratedKraken(KRAKEN, 1, 100, START_NS)))


def test_silence_of_the_venue_loses_nothing(world: World) -> None:
    client = world.connect("/ws/btcusdt@depth@100ms/ethusdt@depth@100ms")
    world.run(0.5)
    world.post("silence", seconds="3")
    client.raw()
    client.say({"method": "LIST_SUBSCRIPTIONS", "id": 1})
    world.run(2.9)
    assert client.raw() == []
    world.run(1)
    frames = client.frames()
    assert frames[0]["id"] == 1
    for symbol in ("BTCUSDT", "ETHUSDT"):
        ids = [(f["U"], f["u"]) for f in frames[1:] if f["s"] == symbol]
        assert all(later[0] == earlier[1] + 1 for earlier, later in itertools.pairwise(ids))


def test_silence_of_one_symbol_leaves_the_others_alone(world: World) -> None:
    client = world.connect("/ws/btcusdt@depth@100ms/ethusdt@depth@100ms")
    world.run(0.5)
    client.raw()
    world.post("silence", symbol="BTCUSDT", seconds="2")
    world.run(1.5)
    assert {f["s"] for f in client.frames()} == {"ETHUSDT"}


def test_silence_stops_heartbeats_too(kraken: World) -> None:
    client = kraken.connect("/v2")
    client.say({"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}})
    kraken.post("silence", seconds="4")
    client.raw()
    kraken.run(3.5)
    assert client.raw() == []
    kraken.run(1.5)
    assert b'{"channel":"heartbeat"}' in client.raw()


def test_a_malformed_frame_stands_before_the_whole_one(world: World) -> None:
    client = world.connect("/ws/btcusdt@depth@100ms")
    world.run(0.5)
    client.raw()
    world.post("malformed", symbol="BTCUSDT", count="2")
    world.run(0.35)
    raw = client.raw()
    broken = [frame for frame in raw if not frame.endswith(b"}")]
    assert len(broken) == 2
    assert raw[1].startswith(raw[0])
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(raw[0])


def test_slow_frames_come_late_in_order_and_all(world: World) -> None:
    client = world.connect("/ws/btcusdt@bookTicker")
    world.run(0.5)
    client.raw()
    world.post("slow", ms="700", seconds="1")
    world.run(0.65)
    assert client.raw() == []
    world.run(2)
    ids = [f["u"] for f in client.frames()]
    assert ids == sorted(ids)
    assert len(ids) > 10


def test_disconnect_concerns_those_who_listen_to_the_symbol(world: World) -> None:
    btc, eth = world.connect("/ws/btcusdt@trade"), world.connect("/ws/ethusdt@trade")
    world.post("disconnect", symbol="BTCUSDT")
    assert (btc.close, eth.close) == (Close(ABNORMAL, "disconnected on request"), None)
    world.post("disconnect", code="1012")
    assert eth.close == Close(1012, "disconnected on request")


def test_connections_are_refused_for_a_while(world: World) -> None:
    world.post("refuse", seconds="1")
    assert world.refused("/ws").status == 503
    world.run(1.1)
    world.connect("/ws")


def test_kraken_says_maintenance_before_it_goes(kraken: World) -> None:
    client = kraken.connect("/v2")
    client.raw()
    kraken.post("shutdown", seconds="1")
    assert client.frames()[0]["data"][0]["system"] == "maintenance"
    kraken.run(1.1)
    assert client.close == Close(1001, "server shutdown")


@pytest.mark.parametrize(
    ("fault", "query", "status", "words"),
    [
        ("earthquake", {}, 404, "no fault 'earthquake'"),
        ("checksum", {}, 404, "no fault 'checksum'"),
        ("gap", {"symbol": "DOGE"}, 400, "no symbol 'DOGE'"),
        ("gap", {"count": "0"}, 400, "count=0: expected a whole number from 1"),
        ("silence", {"seconds": "1e9"}, 400, "seconds=1e9: expected a whole number from 1"),
        ("disconnect", {"code": "99999"}, 400, "code=99999: expected a whole number from 1"),
    ],
)
def test_wrong_control_requests_say_what_was_expected(
    world: World, fault: str, query: dict[str, str], status: int, words: str
) -> None:
    answer = world.post(fault, **query)
    assert answer.status == status
    assert words in orjson.loads(answer.body)["error"]


def test_status_and_book_can_be_looked_at(world: World) -> None:
    world.connect("/ws/btcusdt@trade")
    world.post("gap", symbol="BTCUSDT", count="3")
    world.run(1)
    answer = world.venue.inspect("/_sim/status", {})
    assert answer is not None
    status = orjson.loads(answer.body)
    assert (status["connections"], status["armed"]) == (1, ["gap BTCUSDT x3"])
    assert status["subscriptions"] == {"btcusdt@trade/ms": 1}
    assert status["market"]["source"] == "generated"
    book = world.venue.inspect("/_sim/book", {"symbol": "BTCUSDT"})
    assert book is not None
    assert len(orjson.loads(book.body)["bids"]) > 50
    assert world.venue.inspect("/_sim/book", {"symbol": "DOGE"}) is None


def test_the_same_seed_sends_the_same_bytes() -> None:
    def run(seed: int) -> list[bytes]:
        world = World(BinanceVenue(GeneratedBinance(BINANCE, seed, 200, START_NS)))
        client = world.connect("/stream", streams="btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker")
        world.run(2)
        return client.raw()

    assert run(5) == run(5)
    assert run(5) != run(6)
