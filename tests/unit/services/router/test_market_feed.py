"""What of the markets goes on the router's tape, and when."""

from __future__ import annotations

from typing import Any

from services.router.market_feed import TRADES_MAX, MarketFeed, Source
from tapewire import messages as m

MS = 1_000_000
LIVE, STALE = m.BookQuality.live, m.BookQuality.stale
BUY, SELL = m.Side.buy, m.Side.sell


def feed(depth: int = 2) -> MarketFeed:
    return MarketFeed({("binance", "ACMEUSD"): Source(3, 7)}, 10 * MS, depth)


def hear(one: MarketFeed, record: m.Message) -> bool:
    return one.hear("binance", "ACMEUSD", record)


def book(kind: Any, seq: int, *levels: tuple[m.Side, int, int], quality: m.BookQuality = LIVE) -> m.Message:
    told = [m.BookLevel(price=price, qty=qty, orders=1, side=side) for side, price, qty in levels]
    made: m.Message = kind(
        ticker="ACMEUSD", book_seq=seq, quality=quality, price_exponent=-2, qty_exponent=-3, levels=told, instrument=1
    )
    return made


def told(records: list[m.Message]) -> list[tuple[m.BookQuality, list[tuple[str, int, int]]]]:
    return [
        (r.quality, [(level.side.name, level.price, level.qty) for level in r.levels])
        for r in records
        if isinstance(r, m.BookSnapshot)
    ]


def test_a_book_is_told_once_in_an_interval_as_it_stands_then() -> None:
    one = feed()
    assert hear(one, book(m.BookSnapshot, 1, (BUY, 99, 5), (SELL, 101, 6), (SELL, 102, 1), (SELL, 103, 1)))
    first = one.drain(1_000 * MS, ())
    assert told(first) == [(LIVE, [("buy", 99, 5), ("sell", 101, 6), ("sell", 102, 1)])]
    assert (first[0].source, first[0].instrument) == (3, 7)
    hear(one, book(m.BookDelta, 2, (BUY, 100, 1)))
    hear(one, book(m.BookDelta, 3, (BUY, 99, 0), (SELL, 101, 4)))
    assert one.drain(1_009 * MS, ()) == []
    assert told(one.drain(1_010 * MS, ())) == [(LIVE, [("buy", 100, 1), ("sell", 101, 4), ("sell", 102, 1)])]
    assert one.drain(2_000 * MS, ()) == []


def test_a_missed_change_makes_it_stale_until_the_next_snapshot() -> None:
    one = feed()
    hear(one, book(m.BookSnapshot, 1, (BUY, 99, 5)))
    one.drain(0, ())
    hear(one, book(m.BookDelta, 3, (BUY, 98, 5)))
    assert one.wants_snapshot("binance", "ACMEUSD")
    assert told(one.drain(100 * MS, ())) == [(STALE, [])]
    hear(one, book(m.BookSnapshot, 4, (BUY, 98, 5)))
    assert told(one.drain(200 * MS, ())) == [(LIVE, [("buy", 98, 5)])]


def test_a_quote_is_no_picture_of_the_book() -> None:
    """Heard first, it shows the best of each side; the levels behind are still to be asked for."""
    one = feed()
    quote = m.Quote(ticker="ACMEUSD", book_seq=2, quality=LIVE, bid_price=99, bid_qty=5, ask_price=101, ask_qty=6)
    assert hear(one, quote)
    assert told(one.drain(100 * MS, ())) == [(LIVE, [("buy", 99, 5), ("sell", 101, 6)])]
    assert one.wants_snapshot("binance", "ACMEUSD")
    hear(one, book(m.BookSnapshot, 3, (BUY, 99, 5), (BUY, 98, 1), (SELL, 101, 6)))
    assert not one.wants_snapshot("binance", "ACMEUSD")


def test_a_lost_feed_is_told_at_once() -> None:
    one = feed()
    hear(one, book(m.BookSnapshot, 1, (BUY, 99, 5)))
    one.drain(100 * MS, ())
    one.lose("kraken")
    assert one.drain(101 * MS, ()) == []
    one.lose("binance")
    one.lose("binance")
    assert told(one.drain(101 * MS, ())) == [(STALE, [])]
    hear(one, m.FeedStatus(quality=STALE))
    assert one.drain(300 * MS, ()) == []


def test_a_quote_alone_is_a_book_of_one_level() -> None:
    one = feed()
    hear(one, m.Quote(ticker="ACMEUSD", bid_price=99, bid_qty=1, ask_price=101, ask_qty=2, quality=LIVE))
    assert told(one.drain(100 * MS, ())) == [(LIVE, [("buy", 99, 1), ("sell", 101, 2)])]


def test_trades_are_told_whole_while_a_parent_lives_there() -> None:
    one = feed()
    trade = m.Trade(seq=9, instrument=1, ticker="ACMEUSD", price=100, qty=3)
    assert not hear(one, trade)
    assert one.drain(0, (7,)) == []
    assert hear(one, trade)
    hear(one, trade.replace(seq=10, qty=4))
    found = one.drain(0, ())
    assert [(t.origin_seq, t.source, t.instrument) for t in found] == [(9, 3, 7), (10, 3, 7)]
    assert not hear(one, trade)


def test_trades_beyond_the_bound_are_dropped_and_counted() -> None:
    one = feed()
    one.drain(0, (7,))
    for _ in range(TRADES_MAX + 3):
        hear(one, m.Trade(ticker="ACMEUSD", price=1, qty=1))
    assert one.dropped == 3
    assert len(one.drain(0, ())) == TRADES_MAX


def test_what_nobody_asked_for_is_left_aside() -> None:
    assert not feed().hear("binance", "OTHER", m.Trade(price=1, qty=1))
