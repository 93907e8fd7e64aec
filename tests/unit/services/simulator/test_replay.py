"""The recordings through the venues: what leaves is what was recorded; who comes later gets a book that fits."""

import gzip
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.simulator import recordings
from services.simulator.binance import BinanceVenue
from services.simulator.coinbase import CoinbaseVenue
from services.simulator.flow import SECOND_NS
from services.simulator.kraken import KrakenVenue
from services.simulator.recordings import Frame
from services.simulator.replay import MAX_FRAMES_PER_STEP, Clock, open_market
from tapewire.errors import ConfigError
from tests.recorded_captures import FOLDER, needs_recordings
from tests.simulated_venue import START_NS, Client, World
from tests.unit.services.simulator.test_binance import NaiveBook as BinanceBook
from tests.unit.services.simulator.test_kraken import NaiveBook as KrakenBook
from tests.unit.services.simulator.test_kraken import subscribe


def clock(speed: float, *seconds: float) -> Clock:
    frames = [Frame(int(1e15 + at * 1e9), b"%d" % number) for number, at in enumerate(seconds)]
    return Clock("test", iter(frames), speed)


def due(clock: Clock, second: float, paused: bool = False) -> list[bytes]:
    return [frame.raw for frame in clock.due(START_NS + int(second * 1e9), paused)]


def test_time_starts_with_the_first_subscriber_and_keeps_the_recorded_pace() -> None:
    c = clock(1, 0, 0.5, 2)
    assert due(c, 100) == []
    c.start(START_NS)
    assert [due(c, second) for second in (0, 0.4, 0.6, 1.9, 2)] == [[b"0"], [], [b"1"], [], [b"2"]]
    assert c.ended


def test_speed_scales_and_a_pause_stands_still() -> None:
    c = clock(10, 0, 1, 2, 3)
    c.start(START_NS)
    assert due(c, 0.1) == [b"0", b"1"]
    assert due(c, 5.1, paused=True) == []
    assert due(c, 5.15) == []
    assert due(c, 5.2) == [b"2"]


def test_a_step_is_bounded() -> None:
    c = clock(1, *([0.0] * (MAX_FRAMES_PER_STEP + 5)))
    c.start(START_NS)
    assert [len(due(c, 0)), len(due(c, 0.01))] == [MAX_FRAMES_PER_STEP, 5]


def test_a_speed_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="speed 0: expected a number above 0"):
        clock(0, 1)


def test_missing_files_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "kraken/instrument_v2").mkdir(parents=True)
    (tmp_path / "kraken/instrument_v2/instrument_snapshot.json.gz").touch()
    with pytest.raises(ConfigError) as error:
        recordings.check(tmp_path, ["coinbase", "kraken"])
    assert str(error.value).splitlines()[:4] == [
        f"{tmp_path}: lacks 3 of the recordings that a replay needs:",
        f"  {tmp_path}/coinbase/exchange_20210417/COINBASE.ws.messages.gz",
        f"  {tmp_path}/coinbase/exchange_20210417/COINBASE.products.gz",
        f"  {tmp_path}/kraken/v2_crossbook/kraken_btcusd_sample.cbcap.gz",
    ]


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"hello\n"))
    with pytest.raises(ConfigError, match="no CBCAP1 file"):
        list(recordings.cbcap(path))
    with pytest.raises(ConfigError, match="holds no REST answer"):
        recordings.cryptofeed_rest(path)


def binance(speed: float) -> World:
    return World(BinanceVenue(open_market("binance", FOLDER, speed)))


STREAMS = "btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker"


@needs_recordings
def test_binance_leaves_as_recorded_and_syncs_from_the_recorded_snapshot() -> None:
    world = binance(1000)
    client = world.connect("/stream", streams=STREAMS)
    snapshot = world.get("/api/v3/depth", symbol="BTCUSDT", limit="1000").body
    files = recordings.paths(FOLDER, "binance")[:2]
    recorded = [frame.raw for frame in recordings.hftbacktest(files)]
    assert snapshot in recorded
    book, tops, sent = BinanceBook(orjson.loads(snapshot)), 0, []
    ticker: dict[str, Any] = {}
    while not world.venue.market.status()["ended"]:
        world.run(0.01)
        for raw in client.raw():
            sent.append(raw)
            frame = orjson.loads(raw)
            if frame["stream"].endswith("@bookTicker"):
                ticker = frame["data"]
            elif frame["stream"].endswith("@depth@100ms"):
                book.apply(frame["data"])
            if ticker and ticker["u"] == book.id:
                tops += 1
                assert book.bids[ticker["b"]] == ticker["B"]
                assert book.asks[ticker["a"]] == ticker["A"]
                assert max(book.bids, key=float) == ticker["b"]
                assert min(book.asks, key=float) == ticker["a"]
                ticker = {}
    assert sent == [raw for raw in recorded if raw != snapshot]
    assert tops > 500
    mine = world.venue.market.book_json("BTCUSDT")
    assert (book.id, book.bids, book.asks) == (mine["update_id"], dict(mine["bids"]), dict(mine["asks"]))


@needs_recordings
def test_who_comes_later_syncs_with_binance_too() -> None:
    world = binance(20)
    world.connect("/ws/btcusdt@trade")
    world.run(2)
    client = world.connect("/stream", streams="btcusdt@depth/btcusdt@trade", timeUnit="microsecond")
    world.run(0.1)
    book = BinanceBook(orjson.loads(world.get("/api/v3/depth", symbol="BTCUSDT", limit="5000").body))
    world.run(2)
    for frame in client.frames():
        assert len(str(frame["data"]["E"])) == 16
        if frame["stream"] == "btcusdt@depth":
            book.apply(frame["data"])
    assert not book.first
    listed = orjson.loads(world.get("/api/v3/exchangeInfo", symbol="BTCUSDT").body)["symbols"]
    assert [listing["symbol"] for listing in listed] == ["BTCUSDT"]


def coinbase_book(client: Client, product: str) -> tuple[dict[str, str], dict[str, str], list[str]]:
    sides: dict[str, dict[str, str]] = {"buy": {}, "sell": {}}
    kinds = []
    for frame in client.frames():
        kinds.append(frame["type"])
        if frame.get("product_id") != product:
            continue
        if frame["type"] == "snapshot":
            sides = {"buy": dict(frame["bids"]), "sell": dict(frame["asks"])}
        elif frame["type"] == "l2update":
            for side, price, size in frame["changes"]:
                if float(size):
                    sides[side][price] = size
                else:
                    sides[side].pop(price, None)
    return sides["buy"], sides["sell"], kinds


@needs_recordings
def test_coinbase_books_are_the_same_for_who_comes_first_and_later() -> None:
    world = World(CoinbaseVenue(open_market("coinbase", FOLDER, 20)))
    products = ["BAND-GBP", "NMR-EUR", "SKL-BTC", "SKL-USD", "YFI-BTC"]
    assert world.venue.market.tickers == products
    message = {
        **{"type": "subscribe", "product_ids": products},
        "channels": ["level2_batch", "matches", "ticker", "heartbeat"],
    }
    first, later = world.connect("/"), world.connect("/")
    first.say(message)
    world.run(0.8)
    later.say(message)
    world.run(1)
    assert world.venue.market.status()["ended"]
    whole, part = first.raw(), later.raw()
    recorded = {frame.raw for frame in recordings.cryptofeed(recordings.paths(FOLDER, "coinbase")[0])}
    kinds = re.compile(rb'\{"type":"(snapshot|l2update|match|last_match|ticker)"')
    assert {raw for raw in whole if kinds.match(raw)} == recorded
    assert sum(b'"heartbeat"' in raw for raw in whole) >= 5
    for product in products:
        first.session.out, later.session.out = list(whole), list(part)
        bids, asks, seen = coinbase_book(first, product)
        mine = world.venue.market.book_json(product)
        assert (bids, asks) == (dict(mine["bids"]), dict(mine["asks"]))
        assert coinbase_book(later, product)[:2] == (bids, asks)
    assert (seen.count("snapshot"), seen.count("last_match")) == (5, 5)
    assert orjson.loads(world.get("/products/SKL-USD").body)["id"] == "SKL-USD"
    assert len(orjson.loads(world.get("/products").body)) > 50


@needs_recordings
@pytest.mark.parametrize("depth", [10, 25, 100])
def test_kraken_checksums_verify_at_every_depth(depth: int) -> None:
    world = World(KrakenVenue(open_market("kraken", FOLDER, 50)))
    client = world.connect("/v2")
    client.say(subscribe("book", "BTC/USD", depth=depth))
    world.run(1.2)
    assert world.venue.market.status()["ended"]
    frames = [raw for raw in client.raw() if raw.startswith(b'{"channel":"book"')]
    book = KrakenBook(depth)
    for raw in frames:
        book.apply(raw)
    mine = world.venue.market.book_json("BTC/USD")
    assert (book.bids, book.asks) == (dict(mine["bids"][:depth]), dict(mine["asks"][:depth]))
    if depth == 25:
        path = recordings.paths(FOLDER, "kraken")[0]
        assert frames == [f.raw for f in recordings.cbcap(path) if f.raw.startswith(b'{"channel":"book"')]


@needs_recordings
def test_who_comes_later_gets_krakens_book_as_it_is_and_its_instruments() -> None:
    world = World(KrakenVenue(open_market("kraken", FOLDER, 20)))
    world.connect("/v2").say(subscribe("book", "BTC/USD", depth=25))
    world.run(1)
    for depth in (25, 10):
        client = world.connect("/v2")
        client.say(subscribe("book", "BTC/USD", depth=depth))
        client.say(subscribe("instrument"))
        world.run(0.5)
        book = KrakenBook(depth)
        raw = client.raw()
        for frame in raw:
            if frame.startswith(b'{"channel":"book"'):
                book.apply(frame)
        assert book.checked > 100
        (instruments,) = (frame for frame in raw if b'"instrument","type":"snapshot"' in frame)
        pairs = {pair["symbol"]: pair for pair in orjson.loads(instruments)["data"]["pairs"]}
        assert (pairs["BTC/USD"]["price_precision"], pairs["BTC/USD"]["qty_precision"]) == (1, 8)


@needs_recordings
def test_silence_stops_recorded_time() -> None:
    world = World(KrakenVenue(open_market("kraken", FOLDER, 1)))
    client = world.connect("/v2")
    client.say(subscribe("book", "BTC/USD", depth=25))
    world.run(2)
    world.post("silence", seconds="10")
    client.raw()
    world.run(9.9)
    assert client.raw() == []
    assert world.venue.market.status()["recorded_seconds"] <= 2
    world.run(1)
    assert len(client.raw()) > 5
    assert world.now > START_NS + 12 * SECOND_NS
