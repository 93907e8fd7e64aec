from __future__ import annotations

import orjson

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
    assert renderer.fields(executed) == "order_executed match_id=9 price=6400010 qty=150 aggressor=sell"
    renderer.fields(m.InstrumentDefinition(instrument=1, price_exponent=-2, qty_exponent=-5))
    assert renderer.fields(executed) == "order_executed match_id=9 price=64000.10 qty=0.00150 aggressor=sell"


def test_json_holds_every_field_as_on_the_wire() -> None:
    trade = m.Trade(ts=TS, ticker="BTC/USD", price=1, price_exponent=-2, origin_seq=(1 << 64) - 1)
    assert orjson.loads(as_json("demo.kraken.trade.BTC=2FUSD", trade)) == {
        "subject": "demo.kraken.trade.BTC=2FUSD",
        **trade.to_dict(),
    }
