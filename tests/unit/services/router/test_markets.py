"""Markets from what venues publish: exact exponents, books that were lost, volume with busts taken out."""

from __future__ import annotations

from typing import Any

import pytest

from services.router.markets import MarketChange, Markets
from tapewire import messages as m

LIVE, STALE, CROSSED = m.BookQuality.live, m.BookQuality.stale, m.BookQuality.crossed
BUY, SELL = m.Side.buy, m.Side.sell
X = 4


@pytest.fixture
def markets() -> Markets:
    """Instrument 4 at prices of 0.01 and quantities of 0.001, at the venues 1 and 2, both ready."""
    found = Markets()
    define = m.InstrumentDefinition(
        instrument=X, ticker="X", tick_size=5, lot_size=10, price_exponent=-2, qty_exponent=-3
    )
    found.fold(define)
    for venue in (1, 2):
        found.fold(m.VenueChanged(venue=venue, state=m.VenueState.ready))
        found.fold(m.MarketDefinition(instrument=X, venue=venue, name=f"v{venue}", ticker="X"))
    return found


def head(given: dict[str, Any]) -> dict[str, Any]:
    return {"instrument": X, "source": 1, "price_exponent": -2, "qty_exponent": -3, "quality": LIVE} | given


def quote(bid: tuple[int, int], ask: tuple[int, int], **given: Any) -> m.Quote:
    return m.Quote(bid_price=bid[0], bid_qty=bid[1], ask_price=ask[0], ask_qty=ask[1], **head(given))


def levels(*sides: tuple[m.Side, int, int]) -> list[m.BookLevel]:
    return [m.BookLevel(price, qty, 1, side) for side, price, qty in sides]


def books(markets: Markets) -> list[tuple[int, m.BookQuality, list[Any], list[Any]]]:
    return [(b.venue, b.quality, list(b.bids), list(b.asks)) for b in markets.view(X).books]


def test_a_quote_makes_a_book_of_one_level(markets: Markets) -> None:
    assert markets.fold(quote((10_000, 7), (10_005, 8), ts=5)) == MarketChange(X, 1)
    assert books(markets) == [(1, LIVE, [(10_000, 7)], [(10_005, 8)]), (2, STALE, [], [])]
    assert markets.view(X).books[0].seen == 5
    assert (markets.view(X).best_bid, markets.view(X).best_ask) == (10_000, 10_005)
    assert (markets.view(X).tick, markets.view(X).lot) == (5, 10)


def test_the_best_prices_are_those_of_live_books_alone(markets: Markets) -> None:
    markets.fold(quote((10_000, 1), (10_010, 1)))
    markets.fold(quote((10_005, 1), (10_006, 1), source=2))
    assert (markets.view(X).best_bid, markets.view(X).best_ask) == (10_005, 10_006)
    markets.fold(quote((10_005, 1), (10_006, 1), source=2, quality=STALE))
    assert (markets.view(X).best_bid, markets.view(X).best_ask) == (10_000, 10_010)


@pytest.mark.parametrize("ask", [10_000, 9_995])
def test_a_locked_or_crossed_book_says_so(markets: Markets, ask: int) -> None:
    markets.fold(quote((10_000, 1), (ask, 1)))
    assert books(markets)[0][1] == CROSSED


@pytest.mark.parametrize(
    ("exponents", "bid", "expected"),
    [
        ((-2, -3), (10_000, 7), (10_000, 7)),
        ((0, 0), (100, 7), (10_000, 7_000)),
        ((-4, -8), (1_000_000, 700_000), (10_000, 7)),
    ],
)
def test_a_feed_of_other_exponents_is_rescaled(
    markets: Markets, exponents: tuple[int, int], bid: tuple[int, int], expected: tuple[int, int]
) -> None:
    change = markets.fold(quote(bid, (0, 0), price_exponent=exponents[0], qty_exponent=exponents[1]))
    assert change == MarketChange(X, 1)
    assert books(markets)[0] == (1, LIVE, [expected], [])


@pytest.mark.parametrize(
    ("exponents", "bid", "why"),
    [
        ((-4, -3), (1_000_050, 7), "price 1000050 at exponent -4 has more digits than the router's -2 keeps"),
        ((-2, -8), (10_000, 70_001), "quantity 70001 at exponent -8 has more digits than the router's -3 keeps"),
        ((10, -3), (10**8, 7), "price 100000000 at exponent 10 does not fit 64 bits at the router's -2"),
    ],
)
def test_what_cannot_be_held_exactly_is_refused_and_the_book_is_stale(
    markets: Markets, exponents: tuple[int, int], bid: tuple[int, int], why: str
) -> None:
    markets.fold(quote((10_000, 7), (10_005, 8)))
    change = markets.fold(quote(bid, (0, 0), ticker="X", price_exponent=exponents[0], qty_exponent=exponents[1]))
    assert change == MarketChange(X, 1, refused=f"X of venue 1: {why}; its book is stale until the next snapshot")
    assert books(markets)[0] == (1, STALE, [], [])


def test_changes_are_applied_to_a_snapshot_and_a_missed_one_makes_it_stale(markets: Markets) -> None:
    markets.fold(m.BookSnapshot(book_seq=3, levels=levels((BUY, 100, 1), (BUY, 99, 2), (SELL, 105, 3)), **head({})))
    markets.fold(m.BookDelta(book_seq=4, levels=levels((BUY, 100, 0), (BUY, 101, 9), (SELL, 110, 4)), **head({})))
    assert books(markets)[0] == (1, LIVE, [(101, 9), (99, 2)], [(105, 3), (110, 4)])
    markets.fold(m.BookDelta(book_seq=4, levels=levels((BUY, 101, 0)), **head({})))
    assert books(markets)[0][2] == [(101, 9), (99, 2)], "one that is known already changes nothing"
    markets.fold(m.BookDelta(book_seq=6, levels=levels((BUY, 102, 1)), **head({})))
    assert books(markets)[0] == (1, STALE, [], [])
    markets.fold(m.BookDelta(book_seq=7, levels=levels((BUY, 102, 1)), **head({})))
    assert books(markets)[0] == (1, STALE, [], [])
    markets.fold(m.BookSnapshot(book_seq=8, levels=levels((BUY, 102, 1)), **head({})))
    assert books(markets)[0] == (1, LIVE, [(102, 1)], [])


def test_a_quote_cuts_the_depth_to_its_top_unless_it_is_older(markets: Markets) -> None:
    markets.fold(m.BookSnapshot(book_seq=3, levels=levels((BUY, 100, 1), (BUY, 99, 2), (SELL, 105, 3)), **head({})))
    markets.fold(quote((98, 1), (105, 1), book_seq=2))
    assert books(markets)[0] == (1, LIVE, [(100, 1), (99, 2)], [(105, 3)])
    markets.fold(quote((99, 5), (106, 1), book_seq=4))
    assert books(markets)[0] == (1, LIVE, [(99, 5)], [(106, 1)])


def test_a_feed_that_says_it_is_stale_takes_its_books_along(markets: Markets) -> None:
    markets.fold(quote((10_000, 7), (10_005, 8)))
    markets.fold(quote((10_000, 7), (10_005, 8), source=2))
    markets.fold(m.FeedStatus(source=1, state=m.FeedState.stale, quality=STALE))
    assert books(markets) == [(1, STALE, [], []), (2, LIVE, [(10_000, 7)], [(10_005, 8)])]


def test_the_session_of_a_venue_stands_at_its_books(markets: Markets) -> None:
    assert markets.fold(m.VenueChanged(venue=2, state=m.VenueState.down)) == MarketChange(0, 2)
    assert [b.state for b in markets.view(X).books] == [m.VenueState.ready, m.VenueState.down]


def test_volume_counts_trades_of_all_venues_and_takes_busts_out(markets: Markets) -> None:
    markets.fold(m.Trade(price=10_000, qty=50, **head({})))
    change = markets.fold(m.Trade(price=101, qty=2, **head({"source": 2, "price_exponent": 0, "qty_exponent": 0})))
    assert change == MarketChange(X, 2, ((10_100, 2_000),))
    assert (markets.view(X).volume, markets.view(X).last) == (2_050, 10_100)
    bust = markets.fold(m.TradeBusted(instrument=X, source=1, price=10_000, qty=50))
    assert bust == MarketChange(X, 1, ((10_000, -50),))
    corrected = m.TradeCorrected(instrument=X, source=2, old_price=101, old_qty=2, price=100, qty=1)
    assert markets.fold(corrected) == MarketChange(X, 2, ((10_100, -2_000), (10_000, 1_000)))
    assert (markets.view(X).volume, markets.view(X).last) == (1_000, 10_100)


def test_a_trade_that_cannot_be_held_is_not_counted(markets: Markets) -> None:
    change = markets.fold(m.Trade(seq=9, price=1, qty=1, **head({"qty_exponent": -4})))
    assert change is not None
    assert change.refused == (
        "trade 9 of venue 1, instrument 4: quantity 1 at exponent -4 has more digits than the router's -3 keeps; "
        "it is not counted"
    )
    assert markets.view(X).volume == 0


def test_exponents_of_a_known_instrument_stay(markets: Markets) -> None:
    changed = m.InstrumentDefinition(instrument=X, ticker="X", tick_size=1, price_exponent=-4, qty_exponent=-3)
    change = markets.fold(changed)
    assert change is not None
    assert change.refused.startswith("X: its exponents were (-2, -3) and cannot become (-4, -3)")
    assert markets.definition(X).tick_size == 5


def test_a_market_of_an_unknown_instrument_is_refused(markets: Markets) -> None:
    change = markets.fold(m.MarketDefinition(instrument=5, venue=1, ticker="Y", name="v1"))
    assert change is not None
    assert change.refused == ("Y at v1: instrument 5 is not defined; its InstrumentDefinition must come before")
    assert markets.markets(5) == {}


def test_what_is_not_of_a_known_market_says_nothing(markets: Markets) -> None:
    assert markets.fold(m.Trade(instrument=99, source=1, price=1, qty=1)) is None
    assert markets.fold(m.KillSwitch()) is None
    with pytest.raises(KeyError):
        markets.view(99)
