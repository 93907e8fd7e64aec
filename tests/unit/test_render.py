from __future__ import annotations

import orjson
import pytest

from tapewire import messages as m
from tapewire.render import Renderer, as_json

TS = 1_795_250_891_123_456_789


def test_a_trade_is_one_line_with_time_subject_and_real_decimals() -> None:
    trade = m.Trade(
        ts=TS,
        seq=7,
        instrument=1,
        ticker="BTCUSDT",
        price=6_400_010,
        qty=150,
        price_exponent=-2,
        qty_exponent=-5,
        aggressor=m.Side.buy,
        quality=m.BookQuality.live,
    )
    assert Renderer().line("demo.binance.trade.BTCUSDT", trade) == (
        "08:48:11.123456789 demo.binance.trade.BTCUSDT  "
        "trade seq=7 price=64000.10 qty=0.00150 aggressor=buy quality=live"
    )


def test_a_book_shows_its_first_levels_and_how_many_more() -> None:
    levels = [(100 - n, 5 + n, 1, m.Side.buy) for n in range(5)] + [(101, 0, 0, m.Side.sell)]
    book = m.BookDelta(book_seq=3, price_exponent=-1, levels=levels)
    assert Renderer().fields(book) == "book_delta book_seq=3 bid 10.0x5 bid 9.9x6 bid 9.8x7 bid 9.7x8 (+2 levels)"


def test_messages_without_exponents_use_those_of_the_definition_seen_before() -> None:
    renderer = Renderer()
    executed = m.OrderExecuted(instrument=1, match_id=9, price=6_400_010, qty=150, aggressor=m.Side.sell)
    assert renderer.fields(executed) == "order_executed instrument=1 match_id=9 price=6400010 qty=150 aggressor=sell"
    renderer.fields(m.InstrumentDefinition(instrument=1, ticker="BTCUSDT", price_exponent=-2, qty_exponent=-5))
    assert renderer.fields(executed) == (
        "order_executed instrument=BTCUSDT match_id=9 price=64000.10 qty=0.00150 aggressor=sell"
    )


def test_the_instrument_is_told_where_the_subject_does_not_tell_it() -> None:
    renderer, quote = Renderer(), m.Quote(ts=TS, instrument=1, ticker="BTC/USD", bid_price=1)
    for place, told in (("x.house.quote.BTC=2FUSD", ""), ("orders.0", " instrument=BTC/USD")):
        assert renderer.line(place, quote) == f"08:48:11.123456789 {place}  quote{told} bid_price=1"


def test_a_status_or_indication_on_a_tape_is_shown_by_the_terms_of_its_instrument_and_leaves_them_as_they_are() -> None:
    renderer, on_tape = Renderer(), m.AuctionIndicated(instrument=1, price=6_400_010, qty=150, imbalance_side=1)
    renderer.fields(m.InstrumentDefinition(instrument=1, ticker="X", price_exponent=-2, qty_exponent=-3))
    shown = "auction_indicated instrument=X price=64000.10 qty=0.150 imbalance_side=buy"
    assert [renderer.fields(on_tape), renderer.fields(on_tape)] == [shown, shown]
    assert renderer.fields(
        m.InstrumentStatusChanged(
            **{"instrument": 1, "auction_price": 100, "auction_qty": 2000, "resume_time": TS},
            **{"status": m.InstrumentStatus.halted, "old_status": m.InstrumentStatus.trading},
        )
    ) == (
        "instrument_status_changed instrument=X auction_price=1.00 auction_qty=2.000 "
        "resume_time=2026-11-21T08:48:11.123456789Z status=halted old_status=trading"
    )


def test_why_a_venue_got_what_it_got_is_shown_with_its_places() -> None:
    renderer = Renderer()
    renderer.fields(m.InstrumentDefinition(instrument=1, ticker="X", price_exponent=-2, qty_exponent=-3))
    scores = [
        m.VenueScore(venue=1, price=1000, size=5000, qty=2000, state=m.VenueState.ready),
        m.VenueScore(venue=2, state=m.VenueState.down, unusable=m.Unusable.down),
    ]
    assert renderer.fields(m.RouteDecided(instrument=1, parent_id=7, qty=2500, unrouted=500, venues=scores)) == (
        "route_decided instrument=X parent_id=7 qty=2.500 unrouted=0.500 "
        "(price=10.00 size=5.000 venue=1 state=ready qty=2.000) (venue=2 state=down unusable=down)"
    )


@pytest.mark.parametrize("cls", [cls for cls in vars(m).values() if isinstance(cls, type) and hasattr(cls, "FIELDS")])
def test_every_price_and_quantity_of_every_message_is_shown_with_its_places(cls: type[m.Message]) -> None:
    """A field added to a schema must not be shown as a bare mantissa."""
    if cls is m.Message:
        return
    numbers = [name for name in cls.FIELDS if name.endswith(("price", "_px", "qty", "tick_size", "lot_size"))]
    renderer = Renderer()
    renderer.fields(m.InstrumentDefinition(instrument=1, ticker="X", price_exponent=-2, qty_exponent=-2))
    terms = {"ticker": "X", "price_exponent": -2, "qty_exponent": -2}
    given = {name: value for name, value in terms.items() if name in cls.FIELDS}
    text = renderer.fields(cls(instrument=1, **given, **dict.fromkeys(numbers, 1234)))
    limits = {"max_order_qty"}  # of an account: it spans instruments
    assert [name for name in numbers if name not in limits and f"{name}=12.34" not in text] == []


def test_json_holds_every_field_as_on_the_wire() -> None:
    trade = m.Trade(ts=TS, ticker="BTC/USD", price=1, price_exponent=-2, origin_seq=(1 << 64) - 1)
    assert orjson.loads(as_json("demo.kraken.trade.BTC=2FUSD", trade)) == {
        "subject": "demo.kraken.trade.BTC=2FUSD",
        **trade.to_dict(),
    }


def test_the_trace_of_a_command_is_one_word_and_only_where_it_says_one() -> None:
    cancel = m.CancelOrder(order_id=3, trace_low=0x1F, trace_flags=1, span_is_ts_event=True)
    assert Renderer().fields(cancel) == f"cancel_order order_id=3 trace_id={'0' * 30}1f"
    assert Renderer().fields(m.CancelOrder(order_id=3)) == "cancel_order order_id=3"
