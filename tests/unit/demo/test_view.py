"""The demo's view on terminals of any width: a figure is shown whole or not at all."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from tapewire import messages as m
from tapewire.demo.fitting import Block, Column, Fitted, Widths, left_out
from tapewire.demo.hints import Head, Hints
from tapewire.demo.observe import Latency, Sample, TapeState
from tapewire.demo.view import Market, View

HINTS = {
    "tapewire sub 'demo.house.*.BTCUSDT'": "decoded messages, one per line (--json for machines)",
    "http://127.0.0.1:8800/": "the dashboard: user demo, password GTc4ZJ_mZGeX",
}
PRICES = {"binance": 61_836_251, "coinbase": 61_839_517, "house": 64_999_753, "kraken": 61_842_613}
STAGES = ("binance.decode", "coinbase.exchange_to_edge", "queue", "decide", "commit", "answer")
FIGURE = re.compile(r"-?[\d,]*\.?\d+")
WIDEST = 160
BOOKS = "feed ticker bid bid qty ask ask qty book"


def market() -> Market:
    shown = Market()
    for feed, price in PRICES.items():
        common = {"ticker": "BTCUSDT", "price_exponent": -3, "qty_exponent": -8}
        sides = {"bid_price": price, "ask_price": price + 1, "bid_qty": 12_345_678, "ask_qty": 136_034_812_345}
        shown.take(feed, m.Quote(**common, **sides, quality=m.BookQuality.live))
        shown.take(feed, m.Trade(**common, price=price + 2, qty=12_345_678, aggressor=m.Side.buy, ts=10**18))
    status = {"status": m.InstrumentStatus.opening_auction, "price_exponent": -3, "qty_exponent": -8}
    shown.take("house", m.InstrumentStatusChanged(ticker="BTCUSDT", **status))
    indicated = {"price": 64_999_999, "qty": 123_456_789, "imbalance_side": m.Side.sell, "imbalance_qty": 987_654_321}
    shown.take("house", m.AuctionIndicated(ticker="BTCUSDT", **indicated))
    return shown


def sample() -> Sample:
    counters = {"messages": 1, "published": 1, "gaps": 12, "resyncs": 345, "dropped": 6_789}
    return Sample(
        feeds=dict.fromkeys(("binance", "coinbase", "kraken"), counters),
        house=dict.fromkeys(("orders", "trades", "rejects"), 0),
        tapes={"md.coinbase": TapeState(12_345_678, 987_654_321, 987_600_000)},
        latency=dict.fromkeys(STAGES, Latency(949_000, 103_000_000, 1_210_000_000, 9)),
        lag={"flusher.coinbase": 123_456},
        lag_records={"journal orders.0": 12_345_678},
    )


def drawn(width: int, height: int = 44) -> str:
    out = io.StringIO()
    view = View("nats://127.0.0.1:4222", ".tapewire/demo", HINTS)
    Console(file=out, width=width, height=height, color_system=None).print(view.render(sample(), market(), 6.0, width))
    return out.getvalue()


@pytest.mark.parametrize("width", [*range(34, 80, 9), *range(80, WIDEST, 7), 100, 120, WIDEST, 200])
def test_nothing_is_cut_at_any_width(width: int) -> None:
    """Every word and figure of a narrow terminal is one of the widest's."""
    text = drawn(width)
    assert "…" not in text, text
    assert max(map(len, text.splitlines())) <= width, text
    assert set(FIGURE.findall(text)) - set(FIGURE.findall(drawn(WIDEST))) == set(), text


@pytest.mark.parametrize(
    ("width", "top", "bottom"),
    [
        (
            160,
            "feed ticker bid bid qty ask ask qty book time feed ticker price qty",
            "feed in/s out/s gaps resync drop",
        ),
        (
            120,
            "feed ticker bid bid qty ask ask qty book feed ticker price qty",
            "feed in/s out/s gaps drop stage p50 p99 tape",
        ),
        (100, "feed ticker bid ask book feed ticker price qty", "feed out/s drop stage p50 tape"),
        (80, "feed ticker bid ask book ticker price", "feed in/s out/s gaps drop stage p50 p99"),
    ],
)
def test_columns_leave_whole_and_in_order(width: int, top: str, bottom: str) -> None:
    lines = [" ".join(line.replace("│", " ").split()) for line in drawn(width).splitlines()]
    assert top in lines
    assert [line for line in lines if line.startswith(bottom)] != [], "\n".join(lines)


def test_prices_and_the_password_are_to_be_seen_on_80_columns() -> None:
    text = drawn(80)
    for price in PRICES.values():
        assert f"{price / 1000:.3f}" in text, text
    assert "user demo, password GTc4ZJ_mZGeX" in text, text
    assert "Ctrl-C ends" in text, text


def test_a_terminal_too_narrow_for_one_table_says_so() -> None:
    assert "too narrow" in drawn(20)


def test_the_highest_number_leaves_first_and_only_where_it_helps() -> None:
    wide = Fitted("wide", [Column("name"), Column("second", leaves=1), Column("first", leaves=2)])
    narrow = Fitted("narrow", [Column("n"), Column("kept", leaves=9)])
    beside = Fitted("beside", [Column("all", leaves=0)])
    blocks, widths = [Block("a", [wide, narrow]), Block("b", [beside])], Widths()
    for table in (wide, narrow, beside):
        widths.learn(table)
    gone: list[tuple[list[str], list[tuple[str, str]]]] = []
    for room in range(40, 0, -1):
        kept, without = left_out(blocks, widths, room)
        state = ([block.title for block in kept], sorted(without))
        if not gone or gone[-1] != state:
            gone.append(state)
    assert gone == [
        (["a", "b"], []),
        (["a", "b"], [("wide", "first")]),
        (["a", "b"], [("wide", "first"), ("wide", "second")]),
        (["a", "b"], [("narrow", "kept"), ("wide", "first"), ("wide", "second")]),
        (["a"], [("wide", "first")]),
        (["a"], [("wide", "first"), ("wide", "second")]),
        (["a"], [("narrow", "kept"), ("wide", "first"), ("wide", "second")]),
        ([], []),
    ]


def test_a_column_keeps_its_room_when_a_price_gets_shorter() -> None:
    widths, table = Widths(), Fitted("t", [Column("price")])
    table.add("61836.25")
    widths.learn(table)
    table.rows.clear()
    widths.learn(table)
    assert widths.of(table, set()) == len("61836.25") + 2 + 4


def test_a_long_command_is_folded_not_cut() -> None:
    command = "tapewire tape tail orders.0 --data /a/long/folder/of/somebody/elsewhere"
    out = io.StringIO()
    hints = Hints({command: "the house tape"}, 40)
    Console(file=out, width=40, color_system=None).print(hints)
    lines = out.getvalue().splitlines()
    assert len(lines) == hints.lines
    assert "".join(line.strip("│ ") if at else "" for at, line in enumerate(lines)).startswith(command[:30])
    assert command.split("/")[-1] in out.getvalue()


def test_the_head_keeps_how_to_end() -> None:
    out = io.StringIO()
    Console(file=out, width=44, color_system=None).print(Head("tapewire demo", ["6 s", "bus nats://host:4222"], "ends"))
    assert out.getvalue().split() == ["tapewire", "demo", "6", "s", "ends"]
