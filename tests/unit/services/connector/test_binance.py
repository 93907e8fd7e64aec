"""The rules of Binance: how a book gets into step, what a gap does, what is said about it."""

from __future__ import annotations

import itertools
import json
from random import Random

from services.connector.binance import CONNECTION_LIFE, MAX_UPDATE_SPAN, BinanceSession
from tapewire.feed.actions import BookDelta, BookSnapshot, FeedChanged, FetchRest, InstrumentDefined, Quote, Trade
from tapewire.feed.book import BUY, CROSSED, LIVE, RESYNC, SELL
from tapewire.feed.instrument import DOWN, LIVE_STATE, RESYNC_STATE
from tapewire.feed.limits import SECOND
from tapewire.feed.standing import MAX_REPEATS
from tests.unit.services.connector.driving import START, Driver, binance, live_binance
from tests.venue_frames import (
    binance_depth,
    binance_info,
    binance_snapshot,
    binance_top,
    binance_trade,
    text,
)

MS = 1_000_000


def states(updates: list[object]) -> list[tuple[int, int, int]]:
    return [(u.instrument, u.state, u.quality) for u in updates if isinstance(u, FeedChanged)]


def session_of(driver: Driver) -> BinanceSession:
    assert isinstance(driver.session, BinanceSession)
    return driver.session


def test_the_address_names_every_stream_whether_or_not_the_url_ends_in_stream() -> None:
    session = session_of(binance("BTCUSDT", "ETHUSDT"))
    streams = "/".join(f"{s}@{kind}" for s in ("btcusdt", "ethusdt") for kind in ("trade", "depth@100ms", "bookTicker"))
    assert session.address("wss://host:9443/stream") == f"wss://host:9443/stream?streams={streams}"
    assert session.address("ws://127.0.0.1:1/") == f"ws://127.0.0.1:1/stream?streams={streams}"


def test_a_session_begins_with_definitions_then_snapshots() -> None:
    driver = live_binance()
    assert [path for _, path in driver.requests] == [
        "/api/v3/exchangeInfo?symbol=BTCUSDT",
        "/api/v3/depth?symbol=BTCUSDT&limit=100",
    ]
    (defined,) = driver.of(InstrumentDefined)
    assert defined == InstrumentDefined(
        instrument=1,
        ticker="BTCUSDT",
        price_exponent=-2,
        qty_exponent=-5,
        tick_size=1,
        lot_size=1,
        max_qty=900_000_000,
        min_price=1,
        max_price=100_000_000,
        status=1,
    )
    (snapshot,) = driver.of(BookSnapshot)
    assert snapshot == BookSnapshot(1, [(10000, 100000, 0, BUY), (10100, 100000, 0, SELL)], 1, LIVE, 0, 100)
    assert driver.session.state == LIVE_STATE


def test_a_trade_carries_the_aggressors_side_and_the_books_quality() -> None:
    driver = live_binance()
    bought = driver.frame(binance_trade("BTCUSDT", 7, "100.50000000", "0.25000000"))
    sold = driver.frame(binance_trade("BTCUSDT", 8, "100.50000000", "0.25000000", maker_buys=True))
    when = 1_700_000_000_001 * MS
    assert bought == [Trade(1, 7, 10050, 25000, BUY, LIVE, when, 7)]
    assert sold == [Trade(1, 8, 10050, 25000, SELL, LIVE, when, 8)]


def test_the_best_bid_and_ask_become_a_quote_and_an_empty_side_is_zero() -> None:
    driver = live_binance()
    assert driver.frame(binance_top("BTCUSDT", 101, "100.00", "1", "101.00", "2")) == [
        Quote(1, 10000, 100000, 10100, 200000, 1, LIVE, 0, 101)
    ]
    assert driver.frame(binance_top("BTCUSDT", 102, "0.00", "0.0", "101.00", "2")) == [
        Quote(1, 0, 0, 10100, 200000, 1, LIVE, 0, 102)
    ]
    (crossed,) = driver.frame(binance_top("BTCUSDT", 103, "101.00", "1", "101.00", "2"))
    assert crossed.quality == CROSSED


def test_frames_that_came_before_the_snapshot_are_kept_and_joined_where_they_straddle() -> None:
    driver = binance(snapshot=None)
    driver.frame(
        binance_depth("BTCUSDT", 90, 95, [("99.00", "9")]),  # whole before the snapshot: dropped
        binance_depth("BTCUSDT", 96, 102, [("99.50", "2")]),  # straddles 100
        binance_depth("BTCUSDT", 103, 103, [], [("101.00", "0"), ("102.00", "3")]),
    )
    driver.answers["/api/v3/depth"] = binance_snapshot(100)
    updates = driver.wait(3)
    assert [u for u in updates if not isinstance(u, FeedChanged)] == [
        BookSnapshot(1, [(10000, 100000, 0, BUY), (10100, 100000, 0, SELL)], 1, LIVE, 0, 100),
        BookDelta(1, [(9950, 200000, 0, BUY)], 2, LIVE, 1_700_000_000_000 * MS, 102),
        BookDelta(1, [(10100, 0, 0, SELL), (10200, 300000, 0, SELL)], 3, LIVE, 1_700_000_000_000 * MS, 103),
    ]
    assert session_of(driver).instruments[0].last_id == 103


def test_a_snapshot_older_than_the_first_kept_frame_is_asked_for_again() -> None:
    driver = binance(snapshot=None)
    driver.frame(binance_depth("BTCUSDT", 205, 210))
    driver.answers["/api/v3/depth"] = binance_snapshot(200)
    driver.wait(2)
    assert not driver.of(BookSnapshot)
    driver.answers["/api/v3/depth"] = binance_snapshot(204)
    driver.wait(5)
    assert session_of(driver).instruments[0].last_id == 210
    assert driver.session.counters.gaps == 0


def test_a_stale_snapshot_after_a_gap_never_makes_the_book_live() -> None:
    driver = live_binance()
    driver.answers["/api/v3/depth"] = binance_snapshot(1)
    updates = driver.frame(binance_depth("BTCUSDT", 105, 106, [("99.00", "1")]))
    updates += driver.wait(3)
    assert not any(isinstance(u, BookSnapshot) for u in updates)
    driver.answers["/api/v3/depth"] = binance_snapshot(104)
    updates = driver.wait(9)
    assert [u.origin_seq for u in updates if isinstance(u, BookSnapshot | BookDelta)] == [104, 106]
    assert (driver.session.counters.gaps, driver.session.counters.resyncs) == (1, 1)


def test_a_snapshot_older_than_a_quote_seen_before_it_was_asked_for_is_stale() -> None:
    driver = binance(snapshot=None)
    driver.frame(binance_top("BTCUSDT", 500, "100.00", "1", "101.00", "1"))
    driver.answers["/api/v3/depth"] = binance_snapshot(499)
    assert not any(isinstance(u, BookSnapshot) for u in driver.wait(3))
    driver.answers["/api/v3/depth"] = binance_snapshot(500)
    assert any(isinstance(u, BookSnapshot) for u in driver.wait(9))


def test_a_gap_rebuilds_that_symbol_alone() -> None:
    driver = live_binance("BTCUSDT", "ETHUSDT")
    driver.frame(binance_depth("BTCUSDT", 101, 101), binance_depth("ETHUSDT", 101, 101))
    driver.answers["/api/v3/depth"] = binance_snapshot(110)
    requests = len(driver.requests)
    updates = driver.frame(binance_depth("BTCUSDT", 105, 106))
    assert states(updates) == [
        (1, RESYNC_STATE, RESYNC),
        (0, RESYNC_STATE, RESYNC),
        (1, LIVE_STATE, LIVE),
        (0, LIVE_STATE, LIVE),
    ]
    assert updates[0].reason == "updates 102 to 104 are missing"
    assert [path for _, path in driver.requests[requests:]] == ["/api/v3/depth?symbol=BTCUSDT&limit=100"]
    counters = driver.session.counters
    assert (counters.gaps, counters.resyncs) == (1, 1)
    assert [(i.gaps, i.resyncs) for i in driver.session.instruments] == [(1, 1), (0, 0)]
    assert driver.frame(binance_depth("ETHUSDT", 102, 102, [("99.00", "1")]))[0].quality == LIVE


def test_a_symbol_that_keeps_gapping_is_rebuilt_ever_less_often() -> None:
    driver = live_binance()
    for _ in range(100):
        driver.frame(binance_depth("BTCUSDT", 10**6, 10**6))
        driver.wait(0.1)
    asked = sum("depth" in path for _, path in driver.requests)
    assert 3 < asked < 12
    assert driver.session.counters.gaps < asked


def test_a_depth_frame_that_repeats_is_ignored_and_one_that_follows_is_applied() -> None:
    driver = live_binance()
    assert driver.frame(binance_depth("BTCUSDT", 99, 100, [("50.00", "1")])) == []
    assert driver.frame(binance_depth("BTCUSDT", 99, 101, [("99.00", "1")])) == [
        BookDelta(1, [(9900, 100000, 0, BUY)], 2, LIVE, 1_700_000_000_000 * MS, 101)
    ]


def test_removing_an_unknown_level_is_normal_and_publishes_nothing() -> None:
    driver = live_binance()
    assert driver.frame(binance_depth("BTCUSDT", 101, 101, [("42.00", "0.00000")])) == []


def test_an_update_id_far_ahead_cannot_silence_a_symbol() -> None:
    driver = live_binance()
    driver.frame(binance_depth("BTCUSDT", 101, 101 + MAX_UPDATE_SPAN))
    assert driver.session.counters.gaps == 1
    driver = live_binance()
    driver.frame(binance_depth("BTCUSDT", 101, 101 + MAX_UPDATE_SPAN - 1))
    assert driver.session.counters.gaps == 0
    for update in range(102, 102 + MAX_REPEATS + 1):
        driver.frame(binance_depth("BTCUSDT", update, update))
    assert driver.session.counters.gaps == 1


def test_repeated_trades_are_dropped_until_their_number_shows_that_the_last_id_was_wrong() -> None:
    driver = live_binance()
    driver.frame(binance_trade("BTCUSDT", 10**15, "100.00", "1"))
    got = [u for n in range(1, MAX_REPEATS + 5) for u in driver.frame(binance_trade("BTCUSDT", n, "100.00", "1"))]
    assert [u.trade_id for u in got if isinstance(u, Trade)] == [MAX_REPEATS + 1 + n for n in range(4)]


def test_missed_trades_are_counted_and_said() -> None:
    driver = live_binance()
    driver.frame(binance_trade("BTCUSDT", 7, "100.00", "1"))
    said, trade = driver.frame(binance_trade("BTCUSDT", 10, "100.00", "1"))
    assert (said.reason, trade.trade_id, driver.session.counters.missed_trades) == ("2 trades missed", 10, 2)


def test_impossible_trades_and_quotes_are_dropped_counted_and_said() -> None:
    bad = [
        binance_trade("BTCUSDT", 7, "0.00", "1"),
        binance_trade("BTCUSDT", 7, "-1.00", "1"),
        binance_trade("BTCUSDT", 7, "100.00", "0"),
        binance_trade("BTCUSDT", 7, "100.001", "1"),
        binance_trade("BTCUSDT", 7, "1000000.01", "1"),
        binance_trade("BTCUSDT", 7, "1e400", "1"),
        binance_trade("BTCUSDT", 7, "abc", "1"),
        binance_top("BTCUSDT", 101, "-1", "1", "101.00", "1"),
        binance_top("BTCUSDT", 101, "100.00", "0", "101.00", "1"),
    ]
    driver = live_binance()
    for n, data in enumerate(bad, 1):
        (said,) = driver.frame(data)
        assert isinstance(said, FeedChanged)
        assert said.reason.startswith("impossible t")
        assert driver.session.counters.impossible == n
        driver.wait(1.1)
    assert driver.session.counters.gaps == 0


def test_an_impossible_level_rebuilds_the_book() -> None:
    driver = live_binance()
    updates = driver.frame(binance_depth("BTCUSDT", 101, 101, [("-5.00", "1")]))
    assert updates[0].reason == "impossible level in updates 101 to 101"
    assert (driver.session.counters.impossible, driver.session.counters.resyncs) == (1, 1)


def test_levels_finer_than_the_defined_tick_refine_the_definition() -> None:
    driver = live_binance()
    driver.answers["/api/v3/depth"] = binance_snapshot(101, [("100.005", "1")])
    updates = driver.frame(binance_depth("BTCUSDT", 101, 101, [("100.005", "1")]))
    refined = updates[0]
    assert isinstance(refined, InstrumentDefined)
    assert (refined.price_exponent, refined.tick_size, refined.max_price) == (-3, 10, 1_000_000_000)
    (snapshot,) = [u for u in updates if isinstance(u, BookSnapshot)]
    assert snapshot.levels[0] == (100_005, 100_000, 0, BUY)


def test_without_definitions_eight_decimals_are_read() -> None:
    driver = Driver(BinanceSession(["XYZ"], 100, Random(1)), {"/api/v3/depth": binance_snapshot(1)})
    (defined,) = driver.of(InstrumentDefined)
    assert (defined.price_exponent, defined.qty_exponent) == (-8, -8)
    (trade,) = driver.frame(binance_trade("XYZ", 1, "0.00000001", "5"))
    assert (trade.price, trade.qty) == (1, 500_000_000)


def test_frames_that_come_before_the_definition_are_not_lost() -> None:
    session = BinanceSession(["BTCUSDT"], 100, Random(1))
    session.on_start(START)
    (request,) = [a for a in session.on_connected(START) if isinstance(a, FetchRest)]
    assert list(session.on_frame(binance_trade("BTCUSDT", 7, "100.50", "1"), START + 1)) == []
    assert list(session.on_frame(binance_depth("BTCUSDT", 101, 101), START + 2)) == []
    defined, trade, ask = session.on_rest(request.request_id, 200, binance_info(), START + 3)
    assert isinstance(defined, InstrumentDefined)
    assert isinstance(trade, Trade)
    assert isinstance(ask, FetchRest)
    assert (trade.trade_id, trade.quality) == (7, RESYNC)
    session.on_rest(ask.request_id, 200, binance_snapshot(100), START + 4)
    assert session.instruments[0].last_id == 101


def test_a_symbol_the_venue_does_not_know_is_down_and_the_others_live() -> None:
    class Unknown(Driver):
        def _answer(self, path: str, now: int) -> tuple[int, bytes]:
            if "NOPE" in path:
                return 400, text({"code": -1121, "msg": "Invalid symbol."})
            return super()._answer(path, now)

    session = BinanceSession(["NOPE", "BTCUSDT"], 100, Random(1))
    driver = Unknown(
        session,
        {"/api/v3/exchangeInfo?symbol=BTCUSDT": binance_info(), "/api/v3/depth": binance_snapshot(100)},
    )
    assert [i.state for i in session.instruments] == [DOWN, LIVE_STATE]
    for update in range(101, 201):
        driver.frame(binance_depth("BTCUSDT", update, update))
        driver.wait(1)
    assert sum("NOPE" in path for _, path in driver.requests) == 1


def test_rest_that_fails_is_asked_again_with_growing_waits() -> None:
    driver = live_binance()
    driver.down = True
    driver.frame(binance_depth("BTCUSDT", 200, 200))
    for second in range(120):
        driver.wait(1)
        driver.frame(binance_depth("BTCUSDT", 201 + second, 201 + second))
    asked = [at for at, path in driver.requests if "depth" in path][1:]
    waits = [round((b - a) / SECOND) for a, b in itertools.pairwise(asked)]
    assert 4 <= len(waits) <= 9
    assert max(waits) > 4 * waits[0]
    driver.down = False
    driver.answers["/api/v3/depth"] = binance_snapshot(320)
    for update in range(321, 382):
        driver.frame(binance_depth("BTCUSDT", update, update))
        driver.wait(1)
    assert driver.session.instruments[0].state == LIVE_STATE


def test_a_depth_stream_that_stops_while_quotes_flow_is_asked_for_anew() -> None:
    driver = live_binance()
    for second in range(7):
        driver.frame(binance_top("BTCUSDT", 200 + second, "100.00", "1", "101.00", "1"))
        driver.wait(1)
    sent = [json.loads(message) for _, message in driver.sent]
    assert [(m["method"], m["params"]) for m in sent] == [
        ("UNSUBSCRIBE", ["btcusdt@depth@100ms"]),
        ("SUBSCRIBE", ["btcusdt@depth@100ms"]),
    ]
    assert driver.sent[1][0] - driver.sent[0][0] >= 300 * MS
    assert driver.session.counters.gaps == 1


def test_more_streams_than_a_url_carries_are_subscribed_with_pauses() -> None:
    driver = binance(*(f"S{n}USDT" for n in range(340)))
    driver.wait(2)
    sent = [(at, json.loads(message)) for at, message in driver.sent]
    assert [len(message["params"]) for _, message in sent] == [300, 300, 120]
    assert all(b[0] - a[0] >= 300 * MS for a, b in itertools.pairwise(sent))


def test_a_refused_control_message_is_counted_and_said() -> None:
    driver = live_binance()
    (said,) = driver.frame(b'{"error":{"code":2,"msg":"Invalid request"},"id":1}')
    assert "the venue refused" in said.reason
    assert driver.session.counters.errors == 1
    assert driver.frame(b'{"result":null,"id":2}') == []


def test_a_shutdown_or_the_end_of_a_days_connection_asks_for_a_second_one() -> None:
    driver = live_binance()
    replaced: list[int] = []
    original = driver.session.on_replaced
    driver.session.on_replaced = lambda now: replaced.append(now) or original(now)  # type: ignore[method-assign, func-returns-value]
    driver.frame(b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}')
    driver.frame(b'{"e":"serverShutdown","E":1770123456789}')
    assert len(replaced) == 2
    began = replaced[-1]
    while driver.now < began + CONNECTION_LIFE + SECOND:
        driver.frame(binance_top("BTCUSDT", driver.now, "100.00", "1", "101.00", "1"))
        driver.now += 20 * SECOND
        driver.take(driver.session.on_timer(driver.now))
    assert len(replaced) == 3


def test_key_order_does_not_matter() -> None:
    driver = live_binance()
    frame = json.loads(binance_trade("BTCUSDT", 9, "100.00", "1"))
    swapped = text({"data": frame["data"], "stream": frame["stream"]})
    (trade,) = driver.frame(swapped)
    assert trade.trade_id == 9


def test_unknown_events_are_counted_and_harm_nothing() -> None:
    driver = live_binance()
    (said,) = driver.frame(text({"stream": "btcusdt@kline_1m", "data": {"e": "kline"}}))
    assert said.reason == "unknown message, 1 so far: btcusdt@kline_1m"
    assert driver.session.counters.unknown == 1
    assert driver.session.instruments[0].state == LIVE_STATE
