"""One question over archive and tape: bounds, limits, several feeds, exact decimals, words for what is not there."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.flusher.archiver import Archiver, Limits
from tapewire import messages as m
from tapewire import snapshots
from tapewire.errors import StoreError
from tapewire.store import checkpoint, layout
from tapewire.store.query import Store
from tapewire.store.sql import sql
from tapewire.tape import TapeWriter, inspect, retention
from tapewire.tape.cutting import cut_tape
from tests.oracle.market import DAY, NOON, house, market_data
from tests.oracle.slow_rows import exact, rows_of
from tests.unit.services.engine.conftest import Market

SECOND = 10**9


def append(data: Path, name: str, records: list[bytes]) -> None:
    with TapeWriter(layout.tape(data, name), name=name, segment_bytes=1 << 16) as writer:
        for record in records:
            writer.append(record)
        writer.commit()


def archive(data: Path, name: str, records: int) -> None:
    archiver = Archiver(data, name, Limits(records=records, wait_ns=0))
    assert archiver.do_work(0) == records
    archiver.close()


def trades(count: int, first: int = 1, **fields: Any) -> list[bytes]:
    """Trades a second apart from noon, of prices 100.01, 100.02, …"""
    given = {"ticker": "BTCUSDT", "price_exponent": -2, "qty_exponent": -3, "qty": 1500} | fields
    return [bytes(m.Trade(seq=n, ts=NOON + n * SECOND, price=10_000 + n, **given)) for n in range(first, first + count)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Seconds 1 to 6 archived, 7 to 10 on the tape only."""
    append(tmp_path, "md.binance", trades(10))
    archive(tmp_path, "md.binance", 6)
    return Store(tmp_path)


def seconds(table: Any) -> list[int]:
    return [(ts - NOON) // SECOND for ts in table["ts"].to_pylist()]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (3, 9, [3, 4, 5, 6, 7, 8]),
        (3, 5, [3, 4]),
        (7, 8, [7]),
        (6, 7, [6]),
        (10, None, [10]),
        (None, 2, [1]),
        (4, 4, []),
        (11, None, []),
        (-100, -50, []),
    ],
)
def test_from_is_included_and_to_is_not(store: Store, start: int | None, end: int | None, expected: list[int]) -> None:
    low, high = (None if bound is None else NOON + bound * SECOND for bound in (start, end))
    assert seconds(store.query("trades", "BTCUSDT", start=low, end=high)) == expected


@pytest.mark.parametrize(
    ("limit", "expected"), [(2, [1, 2]), (-2, [9, 10]), (7, [1, 2, 3, 4, 5, 6, 7]), (-5, [6, 7, 8, 9, 10])]
)
def test_a_limit_gives_the_first_rows_and_a_negative_one_the_last(
    store: Store, limit: int, expected: list[int]
) -> None:
    assert seconds(store.query("trades", "BTCUSDT", limit=limit)) == expected


def test_a_row_shows_its_decimals_exactly(store: Store) -> None:
    row = store.query("trades", "BTCUSDT", limit=1).to_pylist()[0]
    assert (str(row["price"]), str(row["qty"]), row["feed"], row["ticker"]) == ("100.01", "1.500", "binance", "BTCUSDT")


def test_a_store_that_is_kept_sees_what_is_appended_and_archived_meanwhile(store: Store) -> None:
    assert seconds(store.query("trades", "BTCUSDT", limit=-1)) == [10]
    append(store.data, "md.binance", trades(3, first=11))
    assert seconds(store.query("trades", "BTCUSDT", start=NOON + 9 * SECOND)) == [9, 10, 11, 12, 13]
    archive(store.data, "md.binance", 6)
    assert seconds(store.query("trades", "BTCUSDT")) == list(range(1, 14))


def test_every_kind_and_ticker_of_a_lively_feed_comes_back_row_by_row(tmp_path: Path) -> None:
    records = market_data(seed=7, count=400)
    append(tmp_path, "md.kraken", records)
    archive(tmp_path, "md.kraken", 250)
    store = Store(tmp_path)
    for (kind, ticker), expected in rows_of(records, "kraken").items():
        rows = [{"feed": "kraken", "ticker": ticker, **row} for row in expected]
        assert store.query(kind, ticker, raw=True).to_pylist() == [
            {k: row[k] for k in store.query(kind, ticker, raw=True).column_names} for row in rows
        ]
        between = [row for row in rows if NOON + 1000 * SECOND <= row["ts"] < NOON + 9000 * SECOND]
        found = store.query(kind, ticker, start=NOON + 1000 * SECOND, end=NOON + 9000 * SECOND, raw=True)
        assert found["seq"].to_pylist() == [row["seq"] for row in between]


def test_decimals_of_mixed_exponents_are_exact(tmp_path: Path) -> None:
    records = market_data(seed=8, count=300)
    append(tmp_path, "md.kraken", records)
    archive(tmp_path, "md.kraken", 200)
    for (kind, ticker), expected in rows_of(records, "kraken").items():
        if kind != "trades":
            continue
        found = Store(tmp_path).query(kind, ticker).select(["price", "qty"]).to_pylist()
        assert found == [
            {
                "price": exact(row["price"], row["price_exponent"]),
                "qty": exact(row["qty"], row["qty_exponent"]),
            }
            for row in expected
        ]


def test_rows_of_several_feeds_come_by_time(tmp_path: Path) -> None:
    append(tmp_path, "md.binance", trades(4))
    append(tmp_path, "md.kraken", trades(3, price_exponent=-3))
    archive(tmp_path, "md.kraken", 2)
    store = Store(tmp_path)
    found = store.query("trades", "BTCUSDT")
    assert list(zip(seconds(found), found["feed"].to_pylist(), strict=True)) == [
        *((1, "binance"), (1, "kraken"), (2, "binance"), (2, "kraken"), (3, "binance"), (3, "kraken"), (4, "binance")),
    ]
    assert found["price"].to_pylist()[:2] == [Decimal("100.010"), Decimal("10.001")]
    assert seconds(store.query("trades", "BTCUSDT", feed="kraken")) == [1, 2, 3]
    assert seconds(store.query("trades", "BTCUSDT", limit=-3)) == [3, 3, 4]


def test_executions_of_the_house_are_trades_of_feed_house(tmp_path: Path) -> None:
    append(tmp_path, "orders.0", house(seed=4, count=120))
    archive(tmp_path, "orders.0", 60)
    store = Store(tmp_path)
    trades_ = store.query("trades", "BTC/USD", feed="house")
    executions = store.query("executions", "BTC/USD")
    assert trades_.select(["seq", "price", "qty"]).to_pylist() == executions.select(["seq", "price", "qty"]).to_pylist()
    assert trades_.num_rows > 20


def test_history_is_answered_when_its_tape_has_been_taken_away(store: Store) -> None:
    shutil.rmtree(layout.tape(store.data, "md.binance"))
    assert seconds(Store(store.data).query("trades", "BTCUSDT")) == [1, 2, 3, 4, 5, 6]


def test_files_of_a_plan_that_was_never_checked_off_are_not_looked_at(store: Store, tmp_path: Path) -> None:
    before = checkpoint.read(tmp_path, "md.binance")
    archive(tmp_path, "md.binance", 4)
    from tapewire.store.disk import Disk

    checkpoint.write(tmp_path, before, Disk())
    assert seconds(Store(tmp_path).query("trades", "BTCUSDT")) == list(range(1, 11))


@pytest.mark.parametrize(
    ("kind", "ticker", "feed", "said"),
    [
        ("trades", "BTCUSD", None, r"no trades of BTCUSD under .*There are trades of BTCUSDT \(binance\)\."),
        ("trades", "BTCUSDT", "kraken", r"in feed kraken .*There are trades of BTCUSDT \(binance\)\."),
        ("quotes", "BTCUSDT", None, r"there are no quotes at all\. Archived kinds: trades; tapes: md\.binance\."),
        ("trade", "BTCUSDT", None, r"unknown kind 'trade': expected one of trades, quotes, levels"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(
    store: Store, kind: str, ticker: str, feed: str | None, said: str
) -> None:
    with pytest.raises(StoreError, match=said):
        store.query(kind, ticker, feed)


def test_from_after_to_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match=r"from 1970-01-01T00:00:00\.000000005Z is after to 1970-01-01"):
        store.query("trades", "BTCUSDT", start=5, end=4)


def test_a_damaged_checkpoint_is_refused_with_what_to_do(store: Store) -> None:
    checkpoint.path_of(store.data, "md.binance").write_text('{"tape": "md.binance", "archived": 9, "planned": 3}')
    with pytest.raises(StoreError, match="archived 9, planned 3; expected version 1"):
        store.query("trades", "BTCUSDT")
    checkpoint.path_of(store.data, "md.binance").write_text("{")
    with pytest.raises(StoreError, match=r"not a checkpoint .* Restore the file"):
        store.query("trades", "BTCUSDT")


def test_sql_sees_history_and_today_with_exact_decimals_and_names(tmp_path: Path) -> None:
    append(tmp_path, "md.kraken", [*trades(5, ticker="BTC/USD", aggressor=1), bytes(m.FeedStatus(seq=6, ts=NOON))])
    archive(tmp_path, "md.kraken", 3)
    statement = (
        "SELECT feed, ticker, date::VARCHAR d, count(*) n, sum(price) total, sum(price_mantissa) mantissas, "
        "min(time) AS first FROM trades WHERE aggressor = 'buy' GROUP BY ALL"
    )
    rows = sql(tmp_path, statement).to_pylist()
    assert [(r["feed"], r["ticker"], r["d"], r["n"], r["total"], int(r["mantissas"])) for r in rows] == [
        ("kraken", "BTC/USD", "2026-11-21", 5, Decimal("500.15"), 50_015)
    ]
    assert sql(tmp_path, "SELECT count(*) n FROM trades", today=False).to_pylist() == [{"n": 3}]
    assert sql(tmp_path, "SELECT ticker FROM statuses").to_pylist() == [{"ticker": ""}]
    assert sql(tmp_path, "SELECT * FROM quotes").num_rows == 0


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP VIEW trades", "expected one SELECT"),
        ("SELECT 1; SELECT 2", "expected one SELECT, got 2"),
        ("COPY trades TO 'x.csv'", "expected one SELECT"),
        ("SELECT * FROM read_csv('/etc/passwd')", "Permission Error"),
        ("SELECT nope FROM trades", "Tables: trades, quotes, levels"),
    ],
)
def test_sql_reads_the_archive_and_nothing_else(store: Store, statement: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        sql(store.data, statement)


def test_sql_refuses_an_exponent_that_its_decimals_cannot_hold(tmp_path: Path) -> None:
    append(tmp_path, "md.x", trades(1, price_exponent=2))
    with pytest.raises(StoreError, match=r"exponent 2 is not in -18\.\.0: use the _mantissa columns"):
        sql(tmp_path, "SELECT price FROM trades")
    assert Store(tmp_path).query("trades", "BTCUSDT")["price"].to_pylist() == [Decimal(1_000_100)]


def test_a_day_ends_at_midnight_utc(tmp_path: Path) -> None:
    midnight = NOON + DAY // 2
    at = (midnight - 1, midnight, midnight)
    append(tmp_path, "md.b", [bytes(m.Trade(seq=n, ts=ts, ticker="A", price=n)) for n, ts in enumerate(at, 1)])
    archive(tmp_path, "md.b", 3)
    days = [
        (piece.partition.day.isoformat(), piece.first_seq, piece.last_seq)
        for piece in layout.pieces(tmp_path, "trades")
    ]
    assert days == [("2026-11-21", 1, 1), ("2026-11-22", 2, 3)]
    store = Store(tmp_path)
    assert store.query("trades", "A", raw=True)["seq"].to_pylist() == [1, 2, 3]


def test_what_could_not_be_read_once_is_not_left_out_the_next_time(tmp_path: Path) -> None:
    def executed(seq: int, instrument: int) -> bytes:
        return bytes(m.OrderExecuted(seq=seq, ts=NOON, instrument=instrument, price=1, qty=1))

    definition = bytes(m.InstrumentDefinition(seq=1, ts=NOON, instrument=1, ticker="BTCUSDT"))
    append(tmp_path, "orders.0", [definition, executed(2, 1), executed(3, 7)])
    store = Store(tmp_path)
    for seq in (4, 5):
        with pytest.raises(StoreError, match="record 3: an execution of instrument 7"):
            store.query("trades", "BTCUSDT")
        append(tmp_path, "orders.0", [executed(seq, 1)])


def test_what_else_somebody_has_put_into_the_archive_is_none_of_ours(store: Store) -> None:
    (piece,) = layout.pieces(store.data, "trades")
    shutil.copy(piece.path, piece.path.with_name("my copy.parquet"))
    shutil.copy(piece.path, piece.path.with_name("md.binance.backup-of.parquet"))
    (piece.path.parents[1].with_name("date=old") / "ticker=BTCUSDT").mkdir(parents=True)
    assert seconds(Store(store.data).query("trades", "BTCUSDT", raw=True)) == list(range(1, 11))
    again = Archiver(store.data, "md.binance", Limits(records=4, wait_ns=0))
    assert again.do_work(0) == 4
    again.close()


def test_a_tape_that_was_cut_and_has_grown_again_is_not_archived_on(store: Store) -> None:
    """Its numbers go on as if nothing had happened."""
    tape = layout.tape(store.data, "md.binance")
    cut_tape(tape, 5, 7)
    append(store.data, "md.binance", trades(8, first=5, qty=99))
    archiver = Archiver(store.data, "md.binance", Limits(records=4, wait_ns=0))
    with pytest.raises(StoreError, match=r"record 6 is not the one that was archived: the tape was cut or replaced"):
        archiver.do_work(0)
    assert checkpoint.read(store.data, "md.binance").archived == 6


def test_an_archive_goes_on_where_retention_has_removed_what_it_has(tmp_path: Path) -> None:
    records = trades(900)
    append(tmp_path, "md.binance", records)
    archive(tmp_path, "md.binance", 600)
    tape = layout.tape(tmp_path, "md.binance")
    retention.carry_out(retention.plan(tape, retention.Policy(max_bytes=0), 0))
    assert 1 < inspect.segments(tape)[0].first_seq <= 601
    archive(tmp_path, "md.binance", 300)
    assert seconds(Store(tmp_path).query("trades", "BTCUSDT", raw=True)) == list(range(1, 901))


def test_a_pruned_orders_tape_is_asked_and_archived_from_its_first_record_on(tmp_path: Path) -> None:
    """What its instruments are called, the definitions of a snapshot say."""
    folder = tmp_path / "tapes"
    folder.mkdir()
    market = Market(folder)
    market.send(market.account(), market.account(2), market.instrument(ticker="ACME", price_exponent=-2))
    while len(inspect.segments(market.tape)) < 3:
        market.send(market.order(1, 100, 5), market.order(2, 100, 5, account=2))
    snapshots.save(market.tape, market.engine.snapshot())
    whole = Store(tmp_path).query("executions", "ACME", raw=True)["seq"].to_pylist()
    retention.carry_out(retention.plan(market.tape, retention.Policy(max_bytes=0), 0))
    first = inspect.segments(market.tape)[0].first_seq
    left = [seq for seq in whole if seq >= first]
    assert 0 < len(left) < len(whole)
    assert Store(tmp_path).query("executions", "ACME", raw=True)["seq"].to_pylist() == left
    archiver = Archiver(tmp_path, "orders.0", Limits(records=market.engine.next_seq - first, wait_ns=0))
    assert archiver.do_work(0) == market.engine.next_seq - first
    archiver.close()
    assert Store(tmp_path).query("executions", "ACME", raw=True)["seq"].to_pylist() == left
    market.kill()
