"""The rules of Kraken's WebSocket v2: acks, the checksum, truncation."""

from __future__ import annotations

import json

import pytest

from services.connector._decimal import checksum_digits, lexeme_mantissa
from services.connector.kraken import KrakenBook
from tapewire.feed.actions import BookDelta, BookSnapshot, InstrumentDefined, Trade
from tapewire.feed.book import BUY, LIVE, SELL
from tapewire.feed.instrument import DOWN, LIVE_STATE, RESYNC_STATE
from tests.unit.services.connector.driving import Driver, kraken
from tests.venue_frames import Pairs, kraken_book, kraken_checksum, kraken_trade, text

BIDS = (("100.0", "1.00000000"), ("99.9", "2.00000000"))
ASKS = (("100.1", "0.50000000"), ("100.2", "0.00005100"))
AT = 1_785_641_751_302_928_000


def snapshot(bids: Pairs = BIDS, asks: Pairs = ASKS, symbol: str = "BTC/USD") -> bytes:
    return kraken_book("snapshot", kraken_checksum(bids, asks), bids, asks, symbol)


def live(*symbols: str) -> Driver:
    driver = kraken(*symbols)
    for symbol in symbols or ("BTC/USD",):
        driver.frame(snapshot(symbol=symbol))
    return driver


def test_it_subscribes_to_instrument_book_and_trade_with_pauses() -> None:
    driver = kraken("BTC/USD", "ETH/USD", depth=20)
    driver.wait(1)
    sent = [json.loads(message) for _, message in driver.sent]
    symbols = ["BTC/USD", "ETH/USD"]
    assert [(m["method"], m["params"]) for m in sent] == [
        ("subscribe", {"channel": "instrument"}),
        ("subscribe", {"channel": "book", "symbol": symbols, "depth": 25}),
        ("subscribe", {"channel": "trade", "symbol": symbols, "snapshot": True}),
    ]
    assert len({m["req_id"] for m in sent}) == 3


def test_the_published_example_of_the_checksum_holds() -> None:
    book = KrakenBook(10)
    asks = [f"0.{5005 + 5 * i:05d}".encode() for i in range(10)]
    bids = [b"0.05000", *(f"0.{4995 - 5 * i:05d}".encode() for i in range(9))]
    bids[1:] = [
        b"0.04995",
        b"0.04990",
        b"0.04980",
        b"0.04975",
        b"0.04970",
        b"0.04965",
        b"0.04960",
        b"0.04955",
        b"0.04950",
    ]
    qty = b"0.00000500"
    for digits, prices in zip(book.digits, (bids, asks), strict=True):
        digits.update({lexeme_mantissa(price, -5): checksum_digits(price, qty) for price in prices})
    book.load([(price, 500) for price in book.digits[0]], [(price, 500) for price in book.digits[1]])
    assert book.checksum() == 974947235


def test_a_snapshot_defines_the_instrument_by_the_precision_it_is_written_in() -> None:
    driver = live()
    assert driver.of(InstrumentDefined) == [
        InstrumentDefined(instrument=1, ticker="BTC/USD", price_exponent=-1, qty_exponent=-8)
    ]
    (published,) = driver.of(BookSnapshot)
    assert published.levels == [
        (1000, 100_000_000, 0, BUY),
        (999, 200_000_000, 0, BUY),
        (1001, 50_000_000, 0, SELL),
        (1002, 5_100, 0, SELL),
    ]
    assert (published.ts_event, published.quality) == (AT, LIVE)


def test_the_instrument_channel_defines_tick_lot_and_status() -> None:
    driver = kraken()
    pair = '"price_precision":1,"qty_precision":8,"price_increment":0.1,"qty_increment":0.00000001'
    pairs = f'[{{"symbol":"BTC/USD","status":"online",{pair}}}]'
    frame = f'{{"channel":"instrument","type":"snapshot","data":{{"assets":[],"pairs":{pairs}}}}}'
    (defined,) = driver.frame(frame.encode())
    assert (defined.price_exponent, defined.qty_exponent, defined.tick_size, defined.lot_size) == (-1, -8, 1, 1)
    assert driver.frame(frame.encode()) == []


def test_an_update_whose_checksum_holds_is_published() -> None:
    driver = live()
    bids = (("100.0", "0.00000000"), ("99.8", "3.00000000"))
    after = (("99.9", "2.00000000"), ("99.8", "3.00000000"))
    delta, quote = driver.frame(kraken_book("update", kraken_checksum(after, ASKS), bids))
    assert delta == BookDelta(1, [(1000, 0, 0, BUY), (998, 300_000_000, 0, BUY)], 2, LIVE, AT, 0)
    assert (quote.bid_price, quote.book_seq) == (999, 2)


def test_levels_beyond_the_depth_fall_out_before_the_checksum() -> None:
    bids = [(f"{100 - i}.0", "1.00000000") for i in range(10)]
    driver = kraken()
    asks = (("101.0", "1.00000000"),)
    driver.frame(snapshot(bids, asks))
    after = [("100.5", "1.00000000"), *bids[:9]]
    delta, _ = driver.frame(kraken_book("update", kraken_checksum(after, asks), [("100.5", "1.00000000")]))
    assert delta.levels == [(1005, 100_000_000, 0, BUY), (910, 0, 0, BUY)]
    assert len(driver.session.instruments[0].kraken_book.digits[0]) == 10


def test_a_wrong_checksum_rebuilds_that_symbol_alone() -> None:
    driver = live("BTC/USD", "ETH/USD")
    driver.wait(1)
    driver.sent.clear()
    updates = driver.frame(kraken_book("update", 1, [("99.8", "3.00000000")]))
    assert [(u.instrument, u.state) for u in updates] == [(1, RESYNC_STATE), (0, RESYNC_STATE)]
    assert "instead of 1" in updates[0].reason
    assert driver.frame(kraken_book("update", 1, [("99.8", "3.00000000")])) == []
    driver.wait(0.5)
    asked = [json.loads(message) for _, message in driver.sent]
    assert [(m["method"], m["params"]) for m in asked] == [
        (method, {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}) for method in ("unsubscribe", "subscribe")
    ]
    driver.frame(snapshot())
    assert [(i.gaps, i.resyncs, i.state) for i in driver.session.instruments] == [
        (1, 1, LIVE_STATE),
        (0, 0, LIVE_STATE),
    ]
    assert driver.session.counters.gaps == 1


def test_a_snapshot_whose_checksum_fails_is_asked_for_again() -> None:
    driver = kraken()
    driver.frame(kraken_book("snapshot", 1, BIDS, ASKS))
    driver.wait(1)
    assert [json.loads(m)["method"] for _, m in driver.sent][-2:] == ["unsubscribe", "subscribe"]
    assert not driver.of(BookSnapshot)


@pytest.mark.parametrize(
    "level", [("-99.8", "1.00000000"), ("0.0", "1.0"), ("99.85", "1.0"), ("99.8", "-1.0"), ('"x"', "1")]
)
def test_an_impossible_level_rebuilds_the_book(level: tuple[str, str]) -> None:
    driver = live()
    updates = driver.frame(kraken_book("update", 1, [level]))
    assert (updates[0].state, updates[0].reason) == (RESYNC_STATE, "impossible level")
    assert driver.session.counters.impossible == 1


def test_what_is_left_over_of_a_book_that_was_dropped_is_no_second_gap() -> None:
    driver = live()
    crossed = (("100.1", "1.00000000"), *BIDS)
    driver.frame(kraken_book("update", kraken_checksum(crossed, ASKS), [("100.1", "1.00000000")]))
    for _ in range(6):
        driver.wait(1)
        driver.frame(b'{"channel":"heartbeat"}')
    assert driver.session.counters.gaps == 1
    assert driver.frame(kraken_book("update", 1, [("99.8", "3.00000000")])) == []
    assert (driver.session.counters.gaps, driver.session.counters.resyncs) == (1, 1)


def test_refusals_of_symbols_nobody_asked_for_leave_nothing_behind() -> None:
    driver = live()
    for n in range(50):
        driver.frame(text({"method": "subscribe", "success": False, "error": "no", "symbol": f"X{n}/USD"}))
        driver.wait(1.1)
        driver.frame(b'{"channel":"heartbeat"}')
    assert driver.session.counters.errors == 50
    assert len(driver.session._said) == 1


def test_trades_carry_the_takers_side() -> None:
    driver = live()
    when = 1_785_641_751_000_001_000
    assert driver.frame(kraken_trade((7, "buy", "100.1", "0.50000000"), (8, "sell", "100.0", "0.1"))) == [
        Trade(1, 7, 1001, 50_000_000, BUY, LIVE, when, 7),
        Trade(1, 8, 1000, 10_000_000, SELL, LIVE, when, 8),
    ]


def test_the_trade_snapshot_starts_the_count_and_fills_the_hole_of_a_reconnection() -> None:
    driver = live()
    assert driver.frame(kraken_trade((6, "buy", "100.1", "1"), (5, "buy", "100.1", "1"), kind="snapshot")) == []
    driver.frame(kraken_trade((7, "buy", "100.1", "1")))
    driver.disconnect("test")
    driver.wait(6)
    again = kraken_trade((9, "sell", "100.0", "1"), (8, "buy", "100.1", "1"), (7, "buy", "100.1", "1"), kind="snapshot")
    assert [u.trade_id for u in driver.frame(again)] == [8, 9]
    assert driver.session.counters.missed_trades == 0


def test_trades_before_the_definition_wait_for_it() -> None:
    driver = kraken()
    assert driver.frame(kraken_trade((7, "buy", "100.1", "0.50000000"))) == []
    assert [u.price for u in driver.frame(snapshot()) if isinstance(u, Trade)] == [1001]


def test_a_refused_symbol_is_down_and_the_others_live() -> None:
    driver = live("BTC/USD", "NO/PE")
    ack = {"method": "subscribe", "success": False, "error": "Currency pair not supported NO/PE", "symbol": "NO/PE"}
    driver.frame(text(ack))
    assert [i.state for i in driver.session.instruments] == [LIVE_STATE, DOWN]
    assert driver.session.counters.errors == 1


def test_silence_is_answered_with_a_ping_then_staleness_then_a_new_connection() -> None:
    driver = live()
    driver.wait(1)
    driver.sent.clear()
    driver.wait(3.5)
    assert json.loads(driver.sent[0][1])["method"] == "ping"
    assert driver.session.instruments[0].state == LIVE_STATE
    driver.wait(1)
    assert driver.session.instruments[0].book.quality == 3
    back = driver.frame(b'{"channel":"heartbeat"}')
    assert [(u.instrument, u.state) for u in back] == [(1, LIVE_STATE), (0, LIVE_STATE)]
    driver.wait(16)
    assert [why for _, why in driver.closed] == ["nothing heard for 15.2 s"]


def test_pretty_printed_frames_in_another_order_of_keys_are_read_the_same() -> None:
    driver = live()
    frame = json.loads(kraken_trade((7, "buy", "100.1", "1")))
    (trade,) = driver.frame(
        json.dumps({"type": frame["type"], "data": frame["data"], "channel": "trade"}, indent=1).encode()
    )
    assert trade.trade_id == 7


def test_the_venues_status_is_said_once() -> None:
    driver = live()
    status = text({"channel": "status", "type": "update", "data": [{"system": "cancel_only", "version": "2"}]})
    (said,) = driver.frame(status)
    assert said.reason == "the venue's matching is cancel_only"
    assert driver.frame(status) == []
