"""What venues may send, damaged in every way: a session never raises and never emits an impossible price."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.connector._decimal import MAX_MANTISSA, levels, mantissa, rfc3339_ns
from tapewire import messages as m
from tapewire.clock import SystemClock
from tapewire.feed.actions import (
    Action,
    BookDelta,
    BookSnapshot,
    Close,
    Connect,
    FeedChanged,
    FetchRest,
    InstrumentDefined,
    Quote,
    Replace,
    Send,
    Trade,
    Wait,
)
from tapewire.feed.book import BUY, SELL, Book
from tapewire.feed.limits import SECOND, Limits
from tapewire.feed.publisher import Publisher
from tests.oracle.naive_venue_book import NaiveBook, Subscriber
from tests.unit.services.connector.driving import Driver, coinbase, kraken, live_binance
from tests.unit.tapewire.feed.test_publisher import FakeBus, FakeRing
from tests.venue_frames import (
    binance_depth,
    binance_info,
    binance_snapshot,
    binance_top,
    binance_trade,
    coinbase_heartbeat,
    coinbase_match,
    coinbase_snapshot,
    coinbase_update,
    kraken_book,
    kraken_checksum,
    kraken_trade,
)

FRAMES_PER_SEED = 1_500
LENIENT = Limits(malformed=1 << 30, recovery_most=2 * SECOND, reconnect_most=2 * SECOND)
"""So that the connection lasts, and there is always something to damage."""
MUTATIONS = (
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"-",
    b"0",
    b"9",
    b"e",
    b"E",
    b".",
    b"null",
    b"\\ud800",
    b"\xff",
    b"1e99",
)


def damaged(frame: bytes, random: Random) -> bytes:
    """The frame cut, flipped, stuffed or mixed; now and then left whole."""
    data = bytearray(frame)
    for _ in range(random.choice((0, 1, 1, 1, 2, 5))):
        if not data:
            break
        at = random.randrange(len(data))
        match random.randrange(6):
            case 0:
                data[at] ^= 1 << random.randrange(8)
            case 1:
                del data[at:]
            case 2:
                data[at:at] = random.choice(MUTATIONS)
            case 3:
                del data[at : at + random.randrange(1, 20)]
            case 4:
                data[at:at] = data[at : at + random.randrange(1, 40)]
            case _:
                data[at : at + 1] = bytes([random.choice(b"0123456789")])
    return bytes(data)


class BinanceVenue:
    """A venue in miniature, so that what is not damaged fits together."""

    ticker = "BTCUSDT"

    def __init__(self, random: Random) -> None:
        self.random, self.update, self.trade = random, 100, 0
        self.driver = live_binance(limits=LENIENT)

    def frame(self) -> bytes:
        random = self.random
        price, qty = f"{100 + random.randrange(99) / 100:.2f}", f"{random.randrange(1, 10_000) / 1000:.5f}"
        self.update += 1
        self.trade += 1
        self.driver.answers["/api/v3/depth"] = binance_snapshot(self.update)
        match random.randrange(10):
            case 0:
                return binance_info()
            case 1:
                return random.choice((b'{"result":null,"id":1}', b'{"error":{"code":2,"msg":"x"},"id":1}'))
            case 2 | 3:
                return binance_trade(self.ticker, self.trade, price, qty)
            case 4 | 5:
                return binance_top(self.ticker, self.update, price, qty, "105.00", "1")
            case _:
                return binance_depth(self.ticker, self.update, self.update, [(price, qty)], [("106.00", qty)])


class CoinbaseVenue:
    ticker = "BTC-USD"

    def __init__(self, random: Random) -> None:
        self.random, self.trade = random, 0
        self.driver = coinbase(limits=LENIENT)

    def frame(self) -> bytes:
        random = self.random
        price, size = f"{100 + random.randrange(99) / 100:.2f}", f"{random.randrange(1, 10_000) / 1000:.8f}"
        self.trade += 1
        match random.randrange(10):
            case 0:
                return coinbase_snapshot()
            case 1:
                return coinbase_heartbeat(self.trade)
            case 2:
                return coinbase_match(self.trade, "buy", price, size, kind="last_match")
            case 3 | 4:
                return coinbase_match(self.trade, random.choice(("buy", "sell")), price, size)
            case _:
                return coinbase_update(("buy", price, size), ("sell", f"{101 + random.random():.2f}", size))


class KrakenVenue:
    ticker = "BTC/USD"

    def __init__(self, random: Random) -> None:
        self.random, self.trade = random, 0
        self.bids: dict[str, str] = {"100.0": "1.00000000"}
        self.asks: dict[str, str] = {"101.0": "0.50000000"}
        self.driver = kraken(depth=10, limits=LENIENT)

    def frame(self) -> bytes:
        random = self.random
        self.trade += 1
        match random.randrange(10):
            case 0 | 1:
                sides = tuple(self.bids.items()), tuple(self.asks.items())
                return kraken_book("snapshot", kraken_checksum(*sides), *sides)
            case 2:
                return b'{"channel":"heartbeat"}'
            case 3:
                return b'{"method":"subscribe","success":false,"error":"x","symbol":"BTC/USD"}'
            case 4 | 5:
                kind = random.choice(("update", "update", "snapshot"))
                return kraken_trade((self.trade, random.choice(("buy", "sell")), "100.5", "0.50000000"), kind=kind)
            case _:
                price, qty = f"{99.5 + random.randrange(9) / 10:.1f}", f"{random.randrange(1, 99)}.00000000"
                self.bids[price] = qty
                return kraken_book("update", kraken_checksum(self.bids.items(), self.asks.items()), [(price, qty)])


def check(action: Action) -> None:
    """Nothing impossible leaves a session."""
    if isinstance(action, Trade):
        assert 0 < action.price <= MAX_MANTISSA
        assert 0 < action.qty <= MAX_MANTISSA
        assert action.aggressor in (BUY, SELL)
        assert 0 <= action.ts_event < 1 << 63
    elif isinstance(action, Quote):
        for price, qty in ((action.bid_price, action.bid_qty), (action.ask_price, action.ask_qty)):
            assert (price == qty == 0) or (0 < price <= MAX_MANTISSA and 0 < qty <= MAX_MANTISSA)
    elif isinstance(action, BookDelta | BookSnapshot):
        for price, qty, orders, side in action.levels:
            assert 0 < price <= MAX_MANTISSA
            assert (0 if isinstance(action, BookDelta) else 1) <= qty <= MAX_MANTISSA
            assert (orders, side in (BUY, SELL)) == (0, True)
    else:
        assert isinstance(action, FeedChanged | InstrumentDefined | Send | FetchRest | Close | Connect | Replace | Wait)


class Published(Driver):
    """A driver whose updates are also encoded, and whose books are rebuilt by a subscriber."""

    def attach(self, ticker: str) -> Published:
        self.ring, self.seen = FakeRing(), Subscriber()
        self.publisher = Publisher(
            env="t", feed="f", source=1, tickers=[ticker], ring=self.ring, bus=FakeBus(), next_seq=1,
            clock=SystemClock(), snapshot=self.session.snapshot,
        )  # fmt: skip
        self.checked = 0
        return self

    def check(self) -> None:
        for at, update in self.updates[self.checked :]:
            check(update)
            self.publisher.publish(update, at)
            if isinstance(update, BookSnapshot):
                self.seen.snapshot(update.instrument, update.book_seq, update.levels)
            elif isinstance(update, BookDelta):
                self.seen.delta(update.instrument, update.book_seq, update.levels)
        self.checked = len(self.updates)


def published(driver: Driver, ticker: str) -> Published:
    driver.__class__ = Published
    assert isinstance(driver, Published)
    return driver.attach(ticker)


VENUES = (BinanceVenue, CoinbaseVenue, KrakenVenue)


@pytest.mark.parametrize("make", VENUES)
@pytest.mark.parametrize("seed", range(10))
def test_damaged_frames_never_raise_and_never_emit_an_impossible_price(
    make: type[BinanceVenue | CoinbaseVenue | KrakenVenue], seed: int
) -> None:
    random = Random(seed)
    venue = make(random)
    driver = published(venue.driver, venue.ticker)
    for _ in range(FRAMES_PER_SEED):
        frame = venue.frame()
        driver.frame(damaged(frame, random) if random.randrange(3) == 0 else frame)
        driver.wait(random.choice((0.0, 0.05, 1.0)))
        driver.check()
    kinds = {type(update) for _, update in driver.updates}
    assert driver.session.counters.malformed > FRAMES_PER_SEED // 20
    assert kinds >= {Trade, BookSnapshot, BookDelta, Quote}
    assert len(driver.updates) > FRAMES_PER_SEED // 2
    for raw in driver.ring.records[-200:]:
        m.decode(raw)


@pytest.mark.parametrize("make", [BinanceVenue, CoinbaseVenue])
def test_damaged_rest_answers_never_raise(make: type[BinanceVenue | CoinbaseVenue]) -> None:
    random = Random(7)
    venue = make(random)
    driver = published(venue.driver, venue.ticker)
    whole = dict(driver.answers)
    for _ in range(300):
        driver.answers = {key: damaged(body, random) for key, body in whole.items()}
        for instrument in driver.session.instruments:
            instrument.definition = None if random.randrange(2) else instrument.definition
        driver.disconnect("test")
        driver.wait(5)
        driver.check()
    assert driver.session.counters.malformed > 50


def test_the_checker_of_this_test_finds_what_is_impossible() -> None:
    for bad in (
        Trade(1, 1, 0, 1, BUY, 1, 0, 0),
        Trade(1, 1, 1, 1, 0, 1, 0, 0),
        Quote(1, 1, 0, 2, 1, 1, 1, 0, 0),
        BookDelta(1, [(-1, 1, 0, BUY)], 1, 1, 0, 0),
        BookSnapshot(1, [(1, 0, 0, BUY)], 1, 1, 0, 0),
    ):
        with pytest.raises(AssertionError):
            check(bad)


@given(st.binary(max_size=60), st.integers(-18, 18), st.integers(-18, 18))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_levels_or_refused(raw: bytes, price_exponent: int, qty_exponent: int) -> None:
    found = levels(raw, price_exponent, qty_exponent)
    assert found is None or all(price > 0 and qty >= 0 for price, qty in found)


@given(st.decimals(min_value=0, max_value=10**18, allow_nan=False, places=8), st.integers(-8, 3))
def test_any_decimal_becomes_exactly_its_integer_or_is_refused(value: Decimal, exponent: int) -> None:
    scaled = value.scaleb(-exponent)
    exact = scaled == scaled.to_integral_value() and scaled <= MAX_MANTISSA
    assert mantissa(f"{value:f}", exponent) == (int(scaled) if exact else -1)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2261, 1, 1)))
def test_any_time_is_read_exactly(when: datetime) -> None:
    since = when.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    ns = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    assert rfc3339_ns(when.isoformat(timespec="microseconds") + "Z") == ns


CHANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=6)


@given(
    st.lists(st.tuples(CHANGES, CHANGES, st.booleans()), max_size=40),
    st.integers(1, 8),
    st.sampled_from((0, 3, 10)),
)
@settings(deadline=None)
def test_what_is_published_rebuilds_the_window_of_the_slow_book(
    steps: list[tuple[list[tuple[int, int]], list[tuple[int, int]], bool]], window: int, depth: int
) -> None:
    book, naive, subscriber = Book(0 if depth else window, depth), NaiveBook(), Subscriber()
    seq = 0
    for bids, asks, reload in steps:
        changes = book.apply(bids, asks)
        naive.apply(bids, asks, depth)
        if reload:
            book.needs_snapshot = True
        if book.needs_snapshot:
            seq += 1
            subscriber.snapshot(1, seq, book.snapshot())
        elif changes:
            seq += 1
            subscriber.delta(1, seq, changes)
        assert book.top() == naive.top()
        assert (book.bids.levels, book.asks.levels) == (naive.bids, naive.asks)
        seen = subscriber.books.get(1, {})
        floor, ceiling = book._bounds
        expected = {(BUY, price): qty for price, qty in naive.bids.items() if price >= floor}
        expected |= {(SELL, price): qty for price, qty in naive.asks.items() if price <= ceiling}
        assert seen == expected
        for keys, count in ((sorted(naive.bids, reverse=True), BUY), (sorted(naive.asks), SELL)):
            shown = [price for side, price in seen if side == count]
            assert len(shown) >= min(len(keys), window // 2 or 1) or depth
