"""What all venues' sessions share: silence, malformed frames, reconnection, snapshots for latecomers."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from tapewire.feed.actions import BookDelta, BookSnapshot, Connect, FeedChanged, Quote, Trade, Wait
from tapewire.feed.book import LIVE, RESYNC, STALE
from tapewire.feed.instrument import DOWN, LIVE_STATE
from tapewire.feed.limits import SECOND, Backoff, Limits, jittered
from tests.unit.services.connector.driving import START, Driver, binance, coinbase, kraken, live_binance
from tests.venue_frames import binance_depth, binance_snapshot, binance_top, binance_trade


@pytest.fixture(params=[live_binance, coinbase, kraken])
def driver(request: pytest.FixtureRequest) -> Driver:
    made: Driver = request.param()
    return made


def test_silence_makes_every_book_stale_and_the_next_frame_brings_it_back() -> None:
    driver = live_binance("BTCUSDT", "ETHUSDT")
    updates = driver.wait(10.5)
    assert [(u.instrument, u.quality) for u in updates if isinstance(u, FeedChanged)] == [
        (1, STALE),
        (0, STALE),
        (2, STALE),
    ]
    updates = driver.frame(binance_trade("BTCUSDT", 1, "100.00", "1"))
    assert [(u.instrument, u.quality) for u in updates if isinstance(u, FeedChanged)] == [
        (1, LIVE),
        (2, LIVE),
        (0, LIVE),
    ]
    assert driver.session.counters.gaps == 0


def test_longer_silence_closes_the_connection(driver: Driver) -> None:
    driver.wait(31)
    assert driver.closed[0][1].startswith("nothing heard for")
    assert driver.session.counters.reconnects >= 1


def test_malformed_frames_are_counted_and_too_many_of_them_close_the_connection(driver: Driver) -> None:
    bad = [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"nonsense",
        b'{"a":' * 5_000,
        b"[" * 100_000,
        b"\x00" * 50,
        b"7",
    ]
    for n, data in enumerate(bad, 1):
        assert driver.closed == []
        driver.frame(data)
        assert driver.session.counters.malformed == n
    assert len(driver.closed) == 1
    assert "10 malformed frames" in driver.closed[0][1]


def test_a_malformed_frame_now_and_then_is_reported_and_nothing_more(driver: Driver) -> None:
    for n in range(1, 31):
        updates = driver.frame(b"{nonsense")
        assert "malformed frame, " in updates[-1].reason
        driver.wait(1.5)
        driver.frame(b'{"channel":"heartbeat"}')
        assert driver.session.counters.malformed == n
    assert not any("malformed" in why for _, why in driver.closed)


def test_reports_of_one_kind_are_at_most_one_a_second() -> None:
    driver = live_binance()
    said = [u for n in range(100) for u in driver.frame(binance_trade("BTCUSDT", n + 1, "0", "1"))]
    assert len(said) == 1
    assert driver.session.counters.impossible == 100


def test_a_malformed_frame_touches_no_book() -> None:
    driver = live_binance()
    driver.frame(b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"')
    (delta,) = driver.frame(binance_depth("BTCUSDT", 101, 101, [("99.00", "1")]))
    assert delta.quality == LIVE


def test_a_lost_connection_puts_everything_down_and_connects_later_each_time(driver: Driver) -> None:
    waits = []
    for _ in range(10):
        now = driver.now
        out = driver.session.on_closed(now, "refused")
        (connect,) = [action for action in out if isinstance(action, Connect)]
        waits.append(connect.at - now)
    limits = driver.session.limits
    assert all(i.state == DOWN and i.book.quality == RESYNC for i in driver.session.instruments)
    assert all(
        min(limits.reconnect_most, limits.reconnect_first << n) // 2
        <= wait
        <= min(limits.reconnect_most, limits.reconnect_first << n)
        for n, wait in enumerate(waits)
    )
    assert driver.session.state == DOWN


def test_the_same_seed_gives_the_same_waits_and_another_seed_others() -> None:
    def waits(seed: int) -> list[int]:
        backoff = Backoff(SECOND, 60 * SECOND, Random(seed))
        return [backoff.next() for _ in range(12)]

    assert waits(1) == waits(1) != waits(2)
    assert all(30 * SECOND <= jittered(SECOND, 60 * SECOND, n, Random(n)) <= 60 * SECOND for n in range(6, 1_000))


def test_a_connection_that_lasted_starts_the_waits_anew() -> None:
    driver = live_binance()
    for _ in range(8):
        driver.session.on_closed(driver.now, "refused")
    driver.take(driver.session.on_connected(driver.now))
    for update in range(101, 171):
        driver.frame(binance_depth("BTCUSDT", update, update))
        driver.wait(1)
    (connect,) = [a for a in driver.session.on_closed(driver.now, "x") if isinstance(a, Connect)]
    assert connect.at - driver.now <= SECOND


def test_an_answer_of_a_connection_that_is_gone_is_ignored() -> None:
    driver = live_binance()
    driver.disconnect("x")
    assert driver.session.on_rest(1, 200, b"{}", driver.now) == []
    assert driver.session.on_rest(999, 200, b"{}", driver.now) == []


def test_an_answer_that_is_not_what_was_expected_is_reported_and_asked_for_again() -> None:
    driver = binance(snapshot=b'{"lastUpdateId":0,"bids":[],"asks":[]}')
    assert driver.session.counters.malformed == 1
    driver.answers["/api/v3/depth"] = b"<html>"
    driver.wait(5)
    assert driver.session.counters.malformed > 2
    assert len(driver.requests) < 8


def test_live_books_are_published_whole_now_and_then() -> None:
    driver = live_binance()
    for update in range(101, 161):
        driver.frame(binance_depth("BTCUSDT", update, update, [("99.00", str(update))]))
        driver.wait(1)
    snapshots = [(at, u) for at, u in driver.updates if isinstance(u, BookSnapshot)]
    assert all(14 * SECOND <= b[0] - a[0] <= 16 * SECOND for a, b in pairwise(snapshots))
    assert len(snapshots) == 5
    # It takes no number of its own: it stands at the delta before it, and the next delta joins on.
    assert [(u.book_seq, u.origin_seq) for _, u in snapshots[1:]] == [(16, 115), (31, 130), (46, 145), (61, 160)]
    assert driver.session.instruments[0].book.seq == 61


def test_a_snapshot_on_demand_is_what_was_published_last_or_nothing() -> None:
    driver = live_binance()
    snapshot = driver.session.snapshot(1)
    assert snapshot is not None
    assert (snapshot.book_seq, snapshot.levels) == (1, driver.of(BookSnapshot)[0].levels)
    driver.disconnect("x")
    assert driver.session.snapshot(1) is None


def test_a_timer_that_fires_early_or_twice_does_no_harm() -> None:
    driver = live_binance()
    for _ in range(10):
        driver.take(driver.session.on_timer(driver.now))
    assert driver.session.instruments[0].state == LIVE_STATE
    early = driver.session.on_timer(START - SECOND)
    assert [type(action) for action in early] == [Wait]


def test_before_the_connection_a_timer_does_nothing() -> None:
    driver = live_binance()
    driver.disconnect("x")
    assert driver.session.on_timer(driver.now) == []


def test_the_feed_is_live_only_when_every_instrument_is() -> None:
    driver = binance("BTCUSDT", "ETHUSDT", snapshot=None)
    states = [u.state for u in driver.of(FeedChanged) if u.instrument == 0]
    assert LIVE_STATE not in states


def test_limits_are_the_venues_own_unless_given() -> None:
    assert kraken().session.limits.reconnect_first == 5 * SECOND
    assert kraken(limits=Limits(reconnect_first=1)).session.limits.reconnect_first == 1


def test_quotes_keep_coming_while_a_book_is_built_anew_and_say_so() -> None:
    driver = live_binance()
    driver.answers["/api/v3/depth"] = b"{}"
    driver.frame(binance_depth("BTCUSDT", 200, 200))
    (quote,) = driver.frame(binance_top("BTCUSDT", 300, "100.00", "1", "101.00", "1"))
    assert quote.quality == RESYNC


def test_a_venue_that_began_anew_with_lower_ids_is_followed_at_once() -> None:
    driver = live_binance()
    driver.frame(
        binance_trade("BTCUSDT", 5_000, "100.00", "1"), binance_top("BTCUSDT", 9_000, "99.00", "1", "101.00", "1")
    )
    driver.disconnect("restarted")
    driver.answers["/api/v3/depth"] = binance_snapshot(10)
    driver.wait(2)
    updates = driver.frame(
        binance_trade("BTCUSDT", 1, "100.00", "1"),
        binance_trade("BTCUSDT", 2, "100.00", "1"),
        binance_top("BTCUSDT", 11, "99.00", "1", "101.00", "1"),
        binance_depth("BTCUSDT", 11, 11, [("99.00", "1")]),
    )
    assert [(type(u), u.quality) for u in updates] == [(Trade, LIVE), (Trade, LIVE), (Quote, LIVE), (BookDelta, LIVE)]
