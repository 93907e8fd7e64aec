"""The rules of the Coinbase Exchange feed."""

from __future__ import annotations

import json

from tapewire.feed.actions import BookDelta, BookSnapshot, FeedChanged, InstrumentDefined, Quote, Trade
from tapewire.feed.book import BUY, CROSSED, LIVE, RESYNC, SELL
from tapewire.feed.instrument import DOWN, LIVE_STATE, RESYNC_STATE, STALE_STATE
from tapewire.feed.limits import SECOND
from tests.unit.services.connector.driving import START, Driver, coinbase
from tests.venue_frames import (
    coinbase_heartbeat,
    coinbase_match,
    coinbase_snapshot,
    coinbase_update,
    text,
)

AT = 1_795_255_200_000_001_000
"""2026-11-21T10:00:00.000001Z."""


def live(*products: str) -> Driver:
    driver = coinbase(*products)
    for product in products or ("BTC-USD",):
        driver.frame(coinbase_snapshot(product))
    return driver


def test_it_subscribes_at_once_to_book_trades_and_heartbeat() -> None:
    driver = coinbase("BTC-USD", "ETH-USD")
    ((at, message),) = driver.sent
    assert at == START
    assert json.loads(message) == {
        "type": "subscribe",
        "product_ids": ["BTC-USD", "ETH-USD"],
        "channels": ["level2_batch", "matches", "heartbeat"],
    }


def test_a_snapshot_makes_the_book_live_and_gives_a_quote() -> None:
    driver = live()
    (defined,) = driver.of(InstrumentDefined)
    assert (defined.price_exponent, defined.qty_exponent, defined.tick_size) == (-2, -8, 1)
    levels = [(10000, 100_000_000, 0, BUY), (10100, 100_000_000, 0, SELL)]
    assert driver.of(BookSnapshot) == [BookSnapshot(1, levels, 1, LIVE, 0, 0)]
    assert driver.of(Quote) == [Quote(1, 10000, 100_000_000, 10100, 100_000_000, 1, LIVE, 0, 0)]


def test_an_update_is_a_delta_and_a_quote_only_where_the_top_moved() -> None:
    driver = live()
    assert driver.frame(coinbase_update(("buy", "99.00", "2"))) == [
        BookDelta(1, [(9900, 200_000_000, 0, BUY)], 2, LIVE, AT, 0)
    ]
    assert driver.frame(coinbase_update(("sell", "101.00", "0"), ("sell", "100.50", "3"))) == [
        BookDelta(1, [(10100, 0, 0, SELL), (10050, 300_000_000, 0, SELL)], 3, LIVE, AT, 0),
        Quote(1, 10000, 100_000_000, 10050, 300_000_000, 3, LIVE, AT, 0),
    ]


def test_the_aggressor_is_on_the_other_side_than_the_maker() -> None:
    driver = live()
    (bought,) = driver.frame(coinbase_match(7, "sell"))
    (sold,) = driver.frame(coinbase_match(8, "buy"))
    assert bought == Trade(1, 7, 10050, 25_000_000, BUY, LIVE, 1_795_255_200_500_000_000, 70)
    assert sold.aggressor == SELL


def test_the_last_match_says_where_counting_starts_and_fills_a_hole_after_a_reconnection() -> None:
    driver = live()
    assert driver.frame(coinbase_match(6, kind="last_match")) == []
    assert driver.frame(coinbase_match(6)) == []
    assert [u.trade_id for u in driver.frame(coinbase_match(7))] == [7]
    driver.disconnect("test")
    driver.wait(3)
    assert [u.trade_id for u in driver.frame(coinbase_match(8, kind="last_match"))] == [8]
    assert driver.frame(coinbase_match(8, kind="last_match")) == []


def test_missed_matches_show_by_the_next_id_or_by_two_heartbeats() -> None:
    driver = live()
    driver.frame(coinbase_match(7))
    assert [type(u) for u in driver.frame(coinbase_match(9))] == [FeedChanged, Trade]
    assert driver.session.counters.missed_trades == 1
    assert driver.frame(coinbase_heartbeat(11)) == []
    driver.wait(1.1)
    (said,) = driver.frame(coinbase_heartbeat(11))
    assert said.reason == "2 trades missed"
    assert driver.session.counters.missed_trades == 3
    assert driver.frame(coinbase_heartbeat(11)) == []


def test_a_match_that_is_only_behind_its_heartbeat_is_not_missed() -> None:
    driver = live()
    driver.frame(coinbase_match(7), coinbase_heartbeat(8), coinbase_match(8), coinbase_heartbeat(8))
    assert driver.session.counters.missed_trades == 0


def test_year_one_is_replaced_by_the_last_good_time() -> None:
    driver = live()
    driver.frame(coinbase_update(("buy", "99.00", "2")))
    (delta,) = driver.frame(coinbase_update(("buy", "98.00", "2"), time="0001-01-01T00:00:00.000000Z"))
    assert delta.ts_event == AT


def test_an_impossible_level_rebuilds_that_product_alone() -> None:
    driver = live("BTC-USD", "ETH-USD")
    for change in (("buy", "0", "1"), ("buy", "1.001", "1"), ("sell", "1", "-1"), ("bid", "1.00", "1")):
        driver.sent.clear()
        assert driver.frame(coinbase_update(change))[0].state == RESYNC_STATE
        assert driver.frame(coinbase_update(("buy", "99.00", "1"))) == []  # of the book that was dropped
        driver.wait(1)
        asked = [json.loads(message) for _, message in driver.sent]
        channels = {"product_ids": ["BTC-USD"], "channels": ["level2_batch"]}
        assert asked == [{"type": "unsubscribe", **channels}, {"type": "subscribe", **channels}]
        assert driver.sent[1][0] - driver.sent[0][0] >= 300_000_000
        driver.frame(coinbase_snapshot(), coinbase_heartbeat(0), coinbase_heartbeat(0, "ETH-USD"))
        for _ in range(70):
            driver.wait(1)
            driver.frame(coinbase_heartbeat(0), coinbase_heartbeat(0, "ETH-USD"))
    assert [(i.gaps, i.resyncs) for i in driver.session.instruments] == [(0, 4), (0, 0)]
    assert driver.session.counters.impossible == 4


def test_a_crossed_book_says_so_and_is_rebuilt_if_it_stays() -> None:
    driver = live()
    updates = driver.frame(coinbase_update(("buy", "101.00", "1")))
    assert [(type(u), u.quality) for u in updates] == [(FeedChanged, CROSSED), (BookDelta, CROSSED), (Quote, CROSSED)]
    updates = driver.frame(coinbase_update(("buy", "101.00", "0")))
    assert updates[-1].quality == LIVE
    driver.frame(coinbase_update(("buy", "101.00", "1")))
    updates = driver.wait(6)
    assert updates[0].reason == "the book stayed crossed"
    assert driver.session.counters.gaps == 1


def test_a_product_without_heartbeats_is_stale_and_back_with_the_next() -> None:
    driver = live("BTC-USD", "ETH-USD")
    driver.frame(coinbase_heartbeat(0), coinbase_heartbeat(0, "ETH-USD"))
    for _ in range(11):
        driver.wait(1)
        driver.frame(coinbase_heartbeat(0, "ETH-USD"))
    assert [i.state for i in driver.session.instruments] == [STALE_STATE, LIVE_STATE]
    back = driver.frame(coinbase_heartbeat(0))
    assert [(u.instrument, u.state) for u in back] == [(1, LIVE_STATE), (0, LIVE_STATE)]


def test_an_error_is_counted_said_and_puts_the_product_it_names_down() -> None:
    driver = coinbase("BTC-USD", "NO-PE")
    error = {"type": "error", "message": "Failed to subscribe", "reason": "NO-PE is not a valid product"}
    updates = driver.frame(text(error))
    assert [(u.instrument, u.state) for u in updates] == [(0, RESYNC_STATE), (2, DOWN)]
    assert driver.session.counters.errors == 1


def test_when_one_product_is_refused_the_others_are_asked_for_again_with_their_trades() -> None:
    driver = coinbase("BTC-USD", "BTC-USDX", "ETH-USD")
    driver.sent.clear()
    error = {"type": "error", "message": "Failed to subscribe", "reason": "BTC-USDX is not a valid product"}
    driver.frame(text(error))
    driver.wait(1)
    # A ticker that only begins like the one refused is not refused with it.
    assert [i.state for i in driver.session.instruments] == [RESYNC_STATE, DOWN, RESYNC_STATE]
    assert [json.loads(message) for _, message in driver.sent] == [
        {
            "type": "subscribe",
            "product_ids": ["BTC-USD", "ETH-USD"],
            "channels": ["level2_batch", "matches", "heartbeat"],
        }
    ]


def test_products_not_asked_for_and_unknown_types_are_counted() -> None:
    driver = live()
    driver.frame(coinbase_update(("buy", "1.00", "1"), product="DOGE-USD"), text({"type": "received"}))
    assert driver.session.counters.unknown == 2
    assert driver.frame(text({"type": "ticker", "price": "1"}), text({"type": "subscriptions"})) == []


def test_a_snapshot_before_the_definition_waits_for_it() -> None:
    driver = coinbase()
    driver.disconnect("test")
    driver.session.instruments[0].definition = None
    driver.down = True
    driver.wait(2)
    assert driver.frame(coinbase_snapshot(), coinbase_update(("buy", "99.00", "1"))) == []
    driver.down = False
    updates = driver.wait(10)
    assert [type(u) for u in updates if isinstance(u, BookSnapshot | BookDelta)] == [BookSnapshot, BookDelta]
    assert driver.session.instruments[0].book.quality == LIVE


def test_books_are_rebuilt_on_a_new_connection() -> None:
    driver = live()
    driver.disconnect("the line broke")
    assert driver.session.instruments[0].book.quality == RESYNC
    driver.wait(2)
    assert len([m for _, m in driver.sent if '"subscribe"' in m]) == 2
    updates = driver.frame(coinbase_snapshot())
    (snapshot,) = [u for u in updates if isinstance(u, BookSnapshot)]
    assert snapshot.book_seq == 2
    assert driver.now - START < 4 * SECOND
