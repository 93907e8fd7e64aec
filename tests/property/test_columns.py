"""Columns cut out of whole blocks of messages equal the rows read off one decoded message at a time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire import messages as m
from tapewire.store.columns import Instrument, Part, convert
from tests.oracle.market import house, market_data
from tests.oracle.slow_rows import Row, rows_of


def _rows(parts: list[Part]) -> dict[tuple[str, str], list[Row]]:
    return {(part.kind.name, part.ticker): part.table.to_pylist() for part in parts}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32), count=st.integers(0, 300))
def test_columns_of_a_feed_equal_its_rows_one_by_one(seed: int, count: int) -> None:
    records = market_data(seed, count)
    assert _rows(convert(records, {})) == rows_of(records, "binance")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 32), count=st.integers(0, 300))
def test_columns_of_an_orders_tape_equal_its_rows_one_by_one(seed: int, count: int) -> None:
    records = house(seed, count)
    assert _rows(convert(records, {})) == rows_of(records, "house")


@pytest.mark.parametrize("cut", [1, 39, 41, 150])
def test_an_orders_tape_converted_in_two_halves_keeps_what_its_definitions_said(cut: int) -> None:
    records = house(5, 200)
    instruments: dict[int, Instrument] = {}
    halves = [_rows(convert(half, instruments)) for half in (records[:cut], records[cut:])]
    joined = {key: halves[0].get(key, []) + halves[1].get(key, []) for key in {*halves[0], *halves[1]}}
    assert joined == rows_of(records, "house")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_asking_for_one_ticker_and_kind_gives_those_rows_and_no_others(seed: int) -> None:
    records = market_data(seed, 200)
    expected = rows_of(records, "binance")
    for key, rows in expected.items():
        assert _rows(convert(records, {}, kinds=(key[0],), ticker=key[1])) == {key: rows}


def older(trade: m.Trade) -> bytes:
    """The trade as a build wrote it that did not know the fields of the last word: exponents, aggressor and quality."""
    raw = bytearray(bytes(trade))
    words = int.from_bytes(raw[12:14], "little")
    at = 72 + 8 * (words - 1)
    del raw[at : at + 8]
    raw[4:8] = (len(raw) // 8 - 1).to_bytes(4, "little")
    raw[12:14] = (words - 1).to_bytes(2, "little")
    # The first pointer stands there now. It leads back to the header, which is one word nearer.
    back = int.from_bytes(raw[at : at + 4], "little", signed=True) >> 2
    raw[at : at + 4] = ((back + 1) << 2).to_bytes(4, "little", signed=True)
    return bytes(raw)


@pytest.mark.parametrize("ticker", [None, "BTCUSDT"])
def test_what_was_written_before_a_field_was_added_is_found_with_the_rest(ticker: str | None) -> None:
    trades = [m.Trade(seq=seq, ts=seq, ticker="BTCUSDT", price=seq * 10, qty=1) for seq in (1, 2, 3)]
    records = [older(trades[0]), bytes(trades[1]), older(trades[2])]
    assert [m.decode(raw) for raw in records] == trades
    assert _rows(convert(records, {}, ticker=ticker)) == rows_of([bytes(trade) for trade in trades], "x")
