"""Sessions on real recordings: no false gap, every checksum, books equal to the venue's own tops.

Each book is checked three ways: the session's own state, a subscriber that rebuilds it from what is published alone,
and the slow book fed with the raw frames.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from services.connector.binance import BinanceSession
from services.connector.coinbase import CoinbaseSession
from services.connector.kraken import KrakenSession
from services.connector.replay import (
    Event,
    Replay,
    read_cbcap,
    read_cryptofeed,
    read_hftbacktest,
    split_products,
)
from tapewire.feed.actions import BookDelta, BookSnapshot, FeedChanged, Quote, Trade, Update
from tapewire.feed.book import BUY, LIVE, SELL
from tapewire.feed.instrument import LIVE_STATE, RESYNC_STATE
from tests.oracle.naive_venue_book import NaiveBook, Subscriber
from tests.venue_frames import binance_depth, kraken_book, kraken_checksum

NKN = ("NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR")
US = ("CRVUSDT", "COMPUSDT", "OMGBUSD", "ZRXUSDT")
PRODUCTS = ("SKL-USD", "SKL-BTC", "NMR-EUR", "YFI-BTC", "BAND-GBP")


def spot(recordings: Path) -> list[Event]:
    folder = recordings / "binance" / "hftbacktest"
    return [
        event
        for day in ("20240808", "20240809")
        for event in read_hftbacktest(folder / f"spot_btcusdt_{day}.gz", "BTCUSDT")
    ]


def cryptofeed(folder: Path, name: str) -> list[Event]:
    return list(read_cryptofeed(folder / f"{name}.0.gz", folder / f"{name}.http.0.0.gz", folder / f"{name}.ws.1.0.gz"))


def coinbase(recordings: Path) -> list[Event]:
    folder = recordings / "coinbase" / "exchange_20210417"
    products = [p for event in read_cryptofeed(folder / "COINBASE.products.gz") for p in split_products(event)]
    return products + list(read_cryptofeed(folder / "COINBASE.ws.messages.gz"))


def rebuilt(updates: Iterable[Update]) -> Subscriber:
    """What a subscriber knows at the end; raises if the sequence does not hold on the way."""
    subscriber = Subscriber()
    for update in updates:
        if isinstance(update, BookSnapshot):
            subscriber.snapshot(update.instrument, update.book_seq, update.levels)
        elif isinstance(update, BookDelta):
            subscriber.delta(update.instrument, update.book_seq, update.levels)
    return subscriber


def matches_window(replay: Replay, subscriber: Subscriber) -> None:
    """The subscriber's book is the session's book inside the published window, and holds nothing else."""
    for instrument in replay.session.instruments:
        book, seen = instrument.book, subscriber.books[instrument.index]
        bids = [price for side, price in seen if side == BUY]
        asks = [price for side, price in seen if side == SELL]
        expected = {(BUY, p): q for p, q in book.bids.levels.items() if p >= min(bids)}
        expected |= {(SELL, p): q for p, q in book.asks.levels.items() if p <= max(asks)}
        assert seen == expected
        assert (max(bids), min(asks)) == (book.top()[0], book.top()[2])


class TopsCompared:
    """Compares the session's book with bookTicker wherever both stand at the same update id."""

    def __init__(self, session: BinanceSession) -> None:
        self.session = session
        self.tops: dict[tuple[str, int], tuple[str, ...]] = {}
        self.compared: set[tuple[str, int]] = set()
        self.equal: set[tuple[str, int]] = set()

    def after(self, event: Event) -> None:
        if event.kind != "frame":
            return
        data = json.loads(event.data)["data"]
        if "B" in data:
            self.tops[data["s"], data["u"]] = (data["b"], data["B"], data["a"], data["A"])
        instrument = self.session.by_ticker[data["s"]]
        at = (data["s"], instrument.last_id)
        top = self.tops.get(at)
        if top is None:
            return
        exponents = (instrument.price_exponent, instrument.qty_exponent) * 2
        ours = tuple(
            Decimal(value).scaleb(exponent) for value, exponent in zip(instrument.book.top(), exponents, strict=True)
        )
        self.compared.add(at)
        if ours == tuple(Decimal(value) for value in top):
            self.equal.add(at)


def test_binance_spot_has_no_false_gap_and_its_book_equals_every_shared_top(recordings: Path) -> None:
    events = spot(recordings)
    session = BinanceSession(["BTCUSDT"], 1000, Random(1))
    replay, tops = Replay(session), TopsCompared(session)
    replay.begin(events)
    for event in events:
        replay.feed(event)
        tops.after(event)
    counters = session.counters
    assert (counters.messages, counters.gaps, counters.resyncs) == (99_573, 0, 0)
    assert (counters.malformed, counters.impossible, counters.unknown, counters.duplicates) == (0, 0, 0, 0)
    assert counters.missed_trades == 0
    assert tops.compared == tops.equal
    assert len(tops.equal) == 1_072
    assert (len(replay.of(Trade)), len(replay.of(Quote))) == (9_757 + 10_147, 28_040 + 45_134)
    matches_window(replay, rebuilt(update for _, update in replay.updates))
    naive = naive_spot(events)
    book = session.instruments[0].book
    assert (book.bids.levels, book.asks.levels) == (naive.bids, naive.asks)


def mantissas(levels: list[list[str]], price_scale: int = 10**8) -> list[tuple[int, int]]:
    return [(int(Decimal(price) * price_scale), int(Decimal(qty) * 10**8)) for price, qty in levels]


def naive_spot(events: list[Event]) -> NaiveBook:
    """The snapshot, then every frame that is not older."""
    (snapshot,) = [json.loads(event.data) for event in events if event.kind == "rest"]
    book = NaiveBook()
    book.apply(mantissas(snapshot["bids"]), mantissas(snapshot["asks"]))
    for event in events:
        data = json.loads(event.data).get("data", {})
        if data.get("e") == "depthUpdate" and data["u"] > snapshot["lastUpdateId"]:
            book.apply(mantissas(data["b"]), mantissas(data["a"]))
    return book


@pytest.mark.parametrize(
    ("folder", "name", "symbols", "updates"),
    [
        ("binance/cryptofeed_20211011", "BINANCE", NKN, 177),
        ("binance_us/cryptofeed_20211011", "BINANCE_US", US, 336),
    ],
)
def test_four_symbols_come_into_step_without_a_gap(
    recordings: Path, folder: str, name: str, symbols: tuple[str, ...], updates: int
) -> None:
    session = BinanceSession(symbols, 1000, Random(1))
    replay, tops = Replay(session), TopsCompared(session)
    replay.run(cryptofeed(recordings / folder, name))
    counters = session.counters
    assert (counters.gaps, counters.resyncs, counters.malformed, counters.impossible) == (0, 0, 0, 0)
    assert [instrument.state for instrument in session.instruments] == [LIVE_STATE] * 4
    assert all(instrument.definition is not None for instrument in session.instruments)
    assert updates - len(replay.of(BookDelta)) - counters.duplicates < 40  # those before the snapshots
    matches_window(replay, rebuilt(update for _, update in replay.updates))
    again = Replay(BinanceSession(symbols, 1000, Random(1)))
    events = cryptofeed(recordings / folder, name)
    again.begin(events)
    tops.session = again.session  # type: ignore[assignment]
    for event in events:
        again.feed(event)
        if b"@depth" in event.data[:60] or b"@bookTicker" in event.data[:60]:
            tops.after(event)
    assert tops.compared == tops.equal != set()
    assert again.updates == replay.updates  # the same recording and seed give the same updates, to the last


def test_coinbase_books_build_and_never_cross(recordings: Path) -> None:
    session = CoinbaseSession(PRODUCTS, 1000, Random(1))
    replay = Replay(session).run(coinbase(recordings))
    counters = session.counters
    assert (counters.messages, counters.gaps, counters.resyncs) == (5_913, 0, 0)
    assert (counters.malformed, counters.impossible, counters.unknown, counters.missed_trades) == (0, 0, 0, 0)
    assert {update.quality for update in replay.of(BookDelta, BookSnapshot, Quote)} == {LIVE}
    assert not any(0 < quote.ask_price <= quote.bid_price for quote in replay.of(Quote))
    matches_window(replay, rebuilt(update for _, update in replay.updates))


def test_coinbase_match_sides_are_turned_into_aggressors(recordings: Path) -> None:
    events = coinbase(recordings)
    replay = Replay(CoinbaseSession(PRODUCTS, 1000, Random(1))).run(events)
    matches = [json.loads(e.data) for e in events if e.data.startswith(b'{"type":"match"')]
    expected = [(m["trade_id"], BUY if m["side"] == "sell" else SELL, m["sequence"]) for m in matches]
    assert [(t.trade_id, t.aggressor, t.origin_seq) for t in replay.of(Trade)] == expected
    assert len(expected) == 72


@pytest.mark.parametrize(("name", "depth", "checked"), [("sample", 25, 2_052), ("l2", 10, 301)])
def test_every_kraken_checksum_verifies(recordings: Path, name: str, depth: int, checked: int) -> None:
    events = list(read_cbcap(recordings / "kraken" / "v2_crossbook" / f"kraken_btcusd_{name}.cbcap.gz"))
    session = KrakenSession(["BTC/USD"], depth, Random(1))
    replay = Replay(session).run(events)
    counters = session.counters
    assert (counters.gaps, counters.resyncs, counters.malformed, counters.unknown) == (0, 0, 0, 0)
    assert sum(b'"checksum":' in event.data for event in events) == checked
    naive = NaiveBook()
    for event in events:
        frame = json.loads(event.data, parse_float=Decimal)
        if frame.get("channel") == "book":
            if frame["type"] == "snapshot":
                naive = NaiveBook()
            data = frame["data"][0]
            bids, asks = ([[v["price"], v["qty"]] for v in data[side]] for side in ("bids", "asks"))
            naive.apply(mantissas(bids, 10), mantissas(asks, 10), depth)
    book = session.instruments[0].book
    assert (book.bids.levels, book.asks.levels) == (naive.bids, naive.asks)
    matches_window(replay, rebuilt(update for _, update in replay.updates))


def kraken_sdk(recordings: Path) -> list[Event]:
    """The recording that went through a JSON parser, its numbers padded again as the venue had written them."""
    path = recordings / "kraken" / "v2_python_kraken_sdk" / "orderbook-v2.json.gz"
    with gzip.open(path) as file:
        recorded = json.load(file)
    events = []
    for n, frame in enumerate((recorded["init"], *recorded["updates"])):
        (data,) = frame["data"]
        bids, asks = ([(f"{v['price']:.1f}", f"{v['qty']:.8f}") for v in data[side]] for side in ("bids", "asks"))
        events.append(Event(n, kraken_book(frame["type"], data["checksum"], bids, asks)))
    return events


def test_the_older_kraken_recording_verifies_too(recordings: Path) -> None:
    session = KrakenSession(["BTC/USD"], 10, Random(1))
    replay = Replay(session).run(kraken_sdk(recordings))
    assert (session.counters.messages, session.counters.gaps) == (510, 0)
    matches_window(replay, rebuilt(update for _, update in replay.updates))


# ── recordings cut in the middle ─────────────────────────────────────────────────────────────────────────────────


class Venue:
    """The venue behind a recording: knows every symbol's whole book at each moment, and answers depth requests."""

    def __init__(self, events: list[Event]) -> None:
        self.books: dict[str, tuple[int, dict[str, str], dict[str, str]]] = {}
        self.recorded = {e.key: json.loads(e.data) for e in events if e.kind == "rest" and "/depth" in e.key}

    def sees(self, event: Event) -> None:
        """A frame as the venue sent it, whether or not it arrives."""
        data = json.loads(event.data).get("data", {}) if event.kind == "frame" else {}
        if data.get("e") != "depthUpdate":
            return
        symbol = data["s"]
        if symbol not in self.books:
            first = self.recorded[f"/api/v3/depth?symbol={symbol}&"]
            self.books[symbol] = (first["lastUpdateId"], dict(first["bids"]), dict(first["asks"]))
        last, bids, asks = self.books[symbol]
        if data["u"] > last:
            for side, changes in ((bids, data["b"]), (asks, data["a"])):
                side.update(dict(changes))
            self.books[symbol] = (data["u"], bids, asks)

    def answer(self, path: str, now: int) -> tuple[int, bytes] | None:
        symbol = path.partition("symbol=")[2].partition("&")[0]
        if "/depth" not in path or symbol not in self.books:
            return None
        last, bids, asks = self.books[symbol]
        sides = ([level for level in side.items() if Decimal(level[1])] for side in (bids, asks))
        return 200, json.dumps(dict(zip(("lastUpdateId", "bids", "asks"), (last, *sides), strict=True))).encode()


@pytest.mark.parametrize("cut", [40, 120, 200])
def test_one_lost_diff_is_one_gap_and_one_resync_of_that_symbol_only(recordings: Path, cut: int) -> None:
    events = cryptofeed(recordings / "binance_us" / "cryptofeed_20211011", "BINANCE_US")
    diffs = [n for n, event in enumerate(events) if b"@depth" in event.data[:60]]
    lost = diffs[cut]
    symbol = json.loads(events[lost].data)["data"]["s"]
    venue = Venue(events)
    whole = Replay(BinanceSession(US, 1000, Random(1))).run(events)
    replay = Replay(BinanceSession(US, 1000, Random(1)), venue.answer)
    replay.begin(events)
    for n, event in enumerate(events):
        venue.sees(event)
        if n != lost:
            replay.feed(event)
    session = replay.session
    instrument = session.by_ticker[symbol]
    assert (session.counters.gaps, session.counters.resyncs) == (1, 1)
    assert [(i.gaps, i.resyncs) for i in session.instruments] == [
        (int(i is instrument),) * 2 for i in session.instruments
    ]
    gone = {u.instrument for u in replay.of(FeedChanged) if u.state == RESYNC_STATE and "missing" in u.reason}
    assert gone == {0, instrument.index}
    assert [i.state for i in session.instruments] == [LIVE_STATE] * 4
    for ours, theirs in zip(session.instruments, whole.session.instruments, strict=True):
        assert ours.book.top() == theirs.book.top()
    matches_window(replay, rebuilt(update for _, update in replay.updates))


def test_one_lost_kraken_update_is_found_by_the_next_checksum_and_repaired(recordings: Path) -> None:
    events = list(read_cbcap(recordings / "kraken" / "v2_crossbook" / "kraken_btcusd_sample.cbcap.gz"))
    books = [
        n for n, event in enumerate(events) if b'"type":"update"' in event.data[:40] and b"book" in event.data[:20]
    ]
    for lost in (books[0], books[700], books[1500]):
        session = KrakenSession(["BTC/USD"], 25, Random(1))
        replay = Replay(session)
        replay.start(events[0].at)
        for n, event in enumerate(events[: lost + 400]):
            if n != lost:
                replay.feed(event)
        if session.counters.gaps == 0:
            continue  # What was lost lay below the ten best levels and was changed again before it mattered.
        assert (session.counters.gaps, session.counters.resyncs) == (1, 1)
        assert [json.loads(m)["method"] for _, m in replay.sent[3:5]] == ["unsubscribe", "subscribe"]
        bids, asks = (("60000.0", "1.00000000"),), (("60000.1", "1.00000000"),)
        replay.feed(Event(replay.now, kraken_book("snapshot", kraken_checksum(bids, asks), bids, asks)))
        assert session.instruments[0].state == LIVE_STATE


def test_a_lost_coinbase_match_is_seen_and_touches_no_book(recordings: Path) -> None:
    events = coinbase(recordings)
    matches = [n for n, event in enumerate(events) if event.data.startswith(b'{"type":"match"')]
    del events[matches[20]]
    session = CoinbaseSession(PRODUCTS, 1000, Random(1))
    Replay(session).run(events)
    assert (session.counters.missed_trades, session.counters.gaps, session.counters.resyncs) == (1, 0, 0)


def test_the_helper_that_makes_frames_writes_them_as_the_venue_does(recordings: Path) -> None:
    event = next(e for e in spot(recordings) if b"depthUpdate" in e.data)
    data = json.loads(event.data)["data"]
    made = json.loads(binance_depth("BTCUSDT", data["U"], data["u"], data["b"], data["a"]))["data"]
    assert made == {**data, "E": made["E"]}
