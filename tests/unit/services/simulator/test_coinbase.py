import re
from typing import Any

import orjson
import pytest

from services.simulator.coinbase import CoinbaseVenue
from services.simulator.coinbase_market import GeneratedCoinbase, order_id
from services.simulator.flow import SECOND_NS
from services.simulator.venue import Close
from tests.simulated_venue import COINBASE, START_NS, World


@pytest.fixture
def market() -> GeneratedCoinbase:
    return GeneratedCoinbase(COINBASE, 1, 200, START_NS)


@pytest.fixture
def world(market: GeneratedCoinbase) -> World:
    return World(CoinbaseVenue(market))


def subscribe(*channels: object, products: tuple[str, ...] = ("BTC-USD",)) -> dict[str, Any]:
    return {"type": "subscribe", "product_ids": list(products), "channels": list(channels)}


def test_subscriptions_are_confirmed_then_the_snapshot_comes(world: World) -> None:
    client = world.connect("/")
    client.say(subscribe("heartbeat", {"name": "level2_batch", "product_ids": ["ETH-USD"]}))
    confirmed, snapshot = client.frames()
    assert confirmed == {
        "type": "subscriptions",
        "channels": [
            {"name": "heartbeat", "product_ids": ["BTC-USD"]},
            {"name": "level2_batch", "product_ids": ["ETH-USD"]},
        ],
    }
    assert list(snapshot) == ["type", "product_id", "asks", "bids", "time"]
    assert (snapshot["type"], snapshot["product_id"], len(snapshot["asks"])) == ("snapshot", "ETH-USD", 150)


def test_snapshot_and_updates_give_the_venues_own_book(world: World, market: GeneratedCoinbase) -> None:
    client = world.connect("/")
    world.run(0.13)  # in the middle of a batch
    client.say(subscribe("level2_batch"))
    _, snapshot = client.frames()
    sides = {"buy": dict(snapshot["bids"]), "sell": dict(snapshot["asks"])}
    world.run(3)
    market.flows["BTC-USD"].skip_to(world.now + SECOND_NS)
    world.run(0.1)
    updates = client.frames()
    assert 55 <= len(updates) <= 62
    for update in updates:
        assert list(update) == ["type", "product_id", "changes", "time"]
        for side, price, size in update["changes"]:
            if float(size):
                sides[side][price] = size
            else:
                sides[side].pop(price, None)
    mine = market.book_json("BTC-USD")
    assert (sides["buy"], sides["sell"]) == (dict(mine["bids"]), dict(mine["asks"]))


def test_matches_open_with_the_last_one_and_name_the_makers_side(world: World) -> None:
    world.connect("/")
    world.run(3)
    client = world.connect("/")
    client.say(subscribe("matches", "ticker"))
    _, last, ticker = client.frames()
    assert (last["type"], ticker["type"]) == ("last_match", "ticker")
    assert {last["side"], ticker["side"]} == {"buy", "sell"}
    assert (last["trade_id"], last["price"], last["size"]) == (
        *(ticker["trade_id"], ticker["price"]),
        ticker["last_size"],
    )
    world.run(3)
    frames = client.frames()
    matches = [f for f in frames if f["type"] == "match"]
    ids = [last["trade_id"], *(f["trade_id"] for f in matches)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    sequences = [f["sequence"] for f in frames]
    assert sequences == sorted(sequences)
    tops = [f for f in frames if f["type"] == "ticker"]
    assert len(tops) > 5
    for f in tops:
        assert float(f["best_bid"]) < float(f["best_ask"])
        # A taker that bought has lifted the asks at or above what the maker asked.
        if f["side"] == "buy":
            assert float(f["price"]) <= float(f["best_ask"])
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", matches[0]["maker_order_id"])


def test_heartbeats_come_each_second_with_the_last_trade(world: World, market: GeneratedCoinbase) -> None:
    client = world.connect("/")
    client.say(subscribe("heartbeat", products=("BTC-USD", "ETH-USD")))
    world.run(3.05)
    beats = [f for f in client.frames() if f["type"] == "heartbeat"]
    assert [f["product_id"] for f in beats] == ["BTC-USD", "ETH-USD"] * 3
    assert list(beats[0]) == ["type", "last_trade_id", "product_id", "sequence", "time"]
    assert beats[-2]["last_trade_id"] <= market.flows["BTC-USD"].trade_id


def test_ticker_batch_and_status_come_by_the_clock(world: World) -> None:
    client = world.connect("/")
    client.say(subscribe("ticker_batch", {"name": "status"}))
    world.run(10.5)
    kinds = [f["type"] for f in client.frames()]
    assert (kinds.count("ticker"), kinds.count("status")) == (2, 3)


def test_who_does_not_subscribe_within_five_seconds_is_disconnected(world: World) -> None:
    mute, wrong, good = (world.connect("/") for _ in range(3))
    wrong.say(subscribe("level2"))
    good.say(subscribe("ticker"))
    world.run(4.9)
    assert (mute.close, wrong.close) == (None, None)
    world.run(0.2)
    expected = Close(1008, "no subscribe within 5 seconds")
    assert (mute.close, wrong.close, good.close) == (expected, expected, None)


@pytest.mark.parametrize(
    ("message", "text", "reason"),
    [
        (subscribe("level2"), "Failed to subscribe", "level2 channel requires authentication"),
        (subscribe("full"), "Failed to subscribe", "full channel requires authentication"),
        (subscribe("depth"), "Failed to subscribe", "depth is not a valid channel"),
        (
            subscribe("ticker", products=("BTC-USD", "DOGE-USD")),
            "Failed to subscribe",
            "DOGE-USD is not a valid product",
        ),
        (subscribe("ticker", products=()), "Failed to subscribe", "at least one product ID"),
        (subscribe(), "Failed to subscribe", "No channels provided"),
        ({"type": "subscribe", "channels": "ticker"}, "Failed to subscribe", "lists"),
        ({"type": "hello"}, "Type has to be either subscribe or unsubscribe", ""),
        ([], "Type has to be either subscribe or unsubscribe", ""),
    ],
)
def test_wrong_messages_get_an_error_and_change_nothing(world: World, message: object, text: str, reason: str) -> None:
    client = world.connect("/")
    error = client.ask(message)
    assert (error["type"], error["message"]) == ("error", text)
    assert reason in error.get("reason", "")
    assert client.session.keys == {}


def test_unsubscribing_stops_the_frames(world: World) -> None:
    client = world.connect("/")
    client.say(subscribe("ticker", "heartbeat", products=("BTC-USD", "ETH-USD")))
    client.raw()
    left = client.ask(
        {"type": "unsubscribe", "channels": ["heartbeat", {"name": "ticker", "product_ids": ["ETH-USD"]}]}
    )
    assert left["channels"] == [{"name": "ticker", "product_ids": ["BTC-USD"]}]
    world.run(3)
    assert {(f["type"], f["product_id"]) for f in client.frames()} == {("ticker", "BTC-USD")}


def test_a_hundred_messages_a_second_are_the_limit_of_an_address(world: World) -> None:
    one, two = world.connect("/"), world.connect("/")
    for _ in range(50):
        one.say(subscribe("ticker"))
        two.say(subscribe("ticker"))
    assert (one.close, two.close) == (None, None)
    two.say(subscribe("ticker"))
    assert two.close == Close(1008, "rate limit exceeded")


def test_twenty_connections_at_once_are_the_limit(world: World) -> None:
    for _ in range(20):
        world.connect("/")
    assert world.refused("/").status == 429
    world.now += 3 * SECOND_NS
    world.connect("/")


def test_products_tell_the_increments(world: World) -> None:
    listed = orjson.loads(world.get("/products").body)
    assert [(p["id"], p["quote_increment"], p["base_increment"]) for p in listed] == [
        ("BTC-USD", "0.01", "0.00000001"),
        ("ETH-USD", "0.01", "0.00000001"),
    ]
    assert orjson.loads(world.get("/products/ETH-USD").body) == listed[1]
    assert world.get("/products/DOGE-USD").status == 404


def test_a_gap_on_request_is_a_trade_id_that_is_missing(world: World) -> None:
    client = world.connect("/")
    client.say(subscribe("matches", "heartbeat"))
    world.run(1)
    seen = [f["trade_id"] for f in client.frames() if f["type"] == "match"]
    world.post("gap", symbol="BTC-USD")
    world.run(3)
    later = [f["trade_id"] for f in client.frames() if f["type"] == "match"]
    assert later[0] == seen[-1] + 2
    assert world.venue.faults.dropped == 1


def test_order_ids_look_like_uuids_and_differ() -> None:
    assert order_id("BTC-USD", 255) == "4254432d-5553-4400-0000-0000000000ff"
