"""The compiled rows of the PostgreSQL sink against what the records plainly say."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.flusher.sinks.postgres._copy import TABLES, Rows, numeric
from services.flusher.sinks.postgres.tables import COLUMNS
from tapewire import messages as m
from tapewire.errors import SinkError, WireError
from tests.oracle import copy_rows
from tests.oracle.naive_market import NaiveMarket
from tests.oracle.naive_sink_rows import rows_of, scaled

SEEDS = st.integers(0, 1 << 32)
YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


def played(seed: int, steps: int) -> list[bytes]:
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    return market.records


def as_value(field: bytes | None, expected: Any) -> Any:
    """A field as the type that is expected there."""
    if field is None or expected is None:
        return field
    if isinstance(expected, bool):
        return bool(field[0])
    if isinstance(expected, Decimal):
        return copy_rows.numeric(field)
    if isinstance(expected, datetime):
        return YEAR_2000 + timedelta(microseconds=struct.unpack(">q", field)[0])
    if isinstance(expected, int):
        return int.from_bytes(field, "big", signed=True)
    return field.decode()


def assert_rows(out: dict[str, tuple[int, bytes]], expected: dict[str, list[dict[str, Any]]]) -> None:
    assert {table: count for table, (count, _) in out.items()} == {table: len(rows) for table, rows in expected.items()}
    for table, (_, copy) in out.items():
        for fields, row in zip(copy_rows.rows(copy), expected[table], strict=True):
            found = {column: as_value(field, row[column]) for column, field in zip(COLUMNS[table], fields, strict=True)}
            assert found == row, table
            scales = {name: value.as_tuple().exponent for name, value in row.items() if isinstance(value, Decimal)}
            assert {name: found[name].as_tuple().exponent for name in scales} == scales


@given(SEEDS, st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_rows_are_what_the_records_say(seed: int, steps: int) -> None:
    records = played(seed, steps)
    out, days = Rows(1, "house").put(records)
    expected = rows_of(records)
    assert_rows(out, expected)
    of_days = {
        row["ts_ns"] // 86_400_000_000_000 for name, rows in expected.items() if name != "instruments" for row in rows
    }
    assert days == sorted(of_days)


@given(SEEDS, st.integers(5, 150), st.data())
@settings(max_examples=40, deadline=None)
def test_a_restart_anywhere_gives_the_same_rows(seed: int, steps: int, data: st.DataObject) -> None:
    records = played(seed, steps)
    kept = data.draw(st.integers(0, len(records)), label="state after")
    cut = data.draw(st.integers(kept, len(records)), label="taken")
    whole, first, second = (Rows(1, "house") for _ in range(3))
    first.fold(records[:kept])
    second.restore(first.state())
    second.fold(records[kept:cut])
    whole.fold(records[:cut])
    assert second.state() == whole.state()
    assert second.put(records[cut:]) == whole.put(records[cut:])
    assert second.state() == whole.state()


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-128, 127))
def test_numbers_are_exact(mantissa: int, exponent: int) -> None:
    (length,) = struct.unpack_from(">i", field := numeric(mantissa, exponent))
    assert length == len(field) - 4
    value = scaled(mantissa, exponent)
    # By digits: a Decimal's arithmetic rounds to its context.
    sign, digits, scale = copy_rows.numeric_digits(field[4:])
    assert (sign, digits, scale) == (int(mantissa < 0), _digits(value), max(0, -exponent))


def _digits(value: Decimal) -> int:
    return abs(int("".join(map(str, value.as_tuple().digits))))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"plain", "plain"),
        ("Grüße €".encode(), "Grüße €"),
        ("𝄞".encode(), "𝄞"),
        (b"caf\xe9", "café"),
        (b"\xed\xa0\x80", "\xed\xa0\x80"),
        (b"\xc0\xaf", "\xc0\xaf"),
        (b"\xf4\x90\x80\x80", "\xf4\x90\x80\x80"),
        (b"a\x00b", "a\ufffdb"),
        (b"\xe2\x82", "\xe2\x82"),
    ],
)
def test_a_text_that_postgresql_would_refuse_becomes_one_it_takes(given: bytes, kept: str) -> None:
    raw = bytes(m.NewOrder(seq=1, ts=1, client_text="x" * len(given)))
    out, _ = Rows(1, "house").put([raw.replace(b"x" * len(given), given)])
    (row,) = copy_rows.rows(out["risk_decisions"][1])
    field = row[COLUMNS["risk_decisions"].index("client_text")]
    assert field is not None
    assert field.decode() == kept


def test_what_is_no_record_or_no_state_is_refused() -> None:
    rows = Rows(1, "house")
    with pytest.raises(WireError, match="not a flat message"):
        rows.put([b"x" * 96])
    state = rows.state()
    for bad in (b"", state[:-1], state + b"\0", b"\1" + state[1:]):
        with pytest.raises(SinkError, match="not the state"):
            Rows(1, "house").restore(bad)


def test_trades_and_quotes_of_a_feed() -> None:
    trade = m.Trade(
        seq=1, ts=1_700_000_000_000_000_123, ticker="BTCUSDT", trade_id=2**64 - 1, price=6_400_050, qty=12345
    )
    trade = trade.replace(price_exponent=-2, qty_exponent=-8, aggressor=m.Side.sell, quality=m.BookQuality.live)
    quote = m.Quote(seq=2, ts=1_700_000_000_000_000_123, ticker="BTCUSDT", bid_price=100, bid_qty=1, price_exponent=3)
    out, days = Rows(7, "binance").put([bytes(trade), bytes(quote)])
    head = {"tape": 7, "ts": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "ts_ns": 1_700_000_000_000_000_123}
    nobody = dict.fromkeys(("maker_account", "taker_account", "maker_order_id", "taker_order_id"))
    market = {"feed": "binance", "ticker": "BTCUSDT", "instrument": 0}
    assert_rows(
        out,
        {
            "trades": [
                {
                    **head,
                    **market,
                    **nobody,
                    "seq": 1,
                    "kind": "trade",
                    "trade_id": Decimal(2**64 - 1),
                    "price": Decimal("64000.50"),
                    "qty": Decimal("0.00012345"),
                    "aggressor": "sell",
                    "auction": False,
                    "quality": "live",
                }
            ],
            "quotes": [
                {
                    **head,
                    **market,
                    "seq": 2,
                    "bid": Decimal(100_000),
                    "bid_qty": Decimal(1),
                    "ask": None,
                    "ask_qty": None,
                    "quality": None,
                    "ts_event_ns": None,
                }
            ],
        },
    )
    assert days == [19675]


def test_every_table_has_its_columns() -> None:
    assert set(TABLES) == set(COLUMNS)
