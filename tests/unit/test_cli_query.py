"""`tapewire query`: what is printed, to the character."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.flusher.archiver import Archiver, Limits
from tapewire import messages as m
from tapewire.cli.query import command
from tapewire.errors import StoreError, TimeError
from tapewire.store import layout
from tapewire.tape import TapeWriter
from tests.oracle.market import NOON

SECOND = 10**9


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three trades of one feed: two archived, the last on the tape only."""
    with TapeWriter(layout.tape(tmp_path, "md.kraken"), name="md.kraken", segment_bytes=1 << 16) as writer:
        for n in (1, 2, 3):
            trade = m.Trade(
                seq=n,
                ts=NOON + n * SECOND + 7,
                ts_recv=NOON + n * SECOND,
                ticker="BTC/USD",
                price=6_400_000 + 10 * n,
                price_exponent=-2,
                qty=n,
                qty_exponent=-8,
                trade_id=n,
                aggressor=m.Side.buy,
                quality=m.BookQuality.live,
            )
            writer.append(bytes(trade))
        writer.commit()
    archiver = Archiver(tmp_path, "md.kraken", Limits(records=2, wait_ns=0))
    archiver.do_work(0)
    archiver.close()
    return tmp_path


def ask(data: Path, *args: str) -> Result:
    return CliRunner().invoke(command, [*args, "--data", str(data)])


def test_a_table_is_aligned_and_shows_every_digit(data: Path) -> None:
    assert ask(data, "trades", "BTC/USD").stdout.splitlines() == [
        "time                            feed    ticker   seq  trade_id     price         qty  aggressor  quality",
        "2026-11-21T12:00:01.000000007Z  kraken  BTC/USD    1         1  64000.10  0.00000001  buy        live",
        "2026-11-21T12:00:02.000000007Z  kraken  BTC/USD    2         2  64000.20  0.00000002  buy        live",
        "2026-11-21T12:00:03.000000007Z  kraken  BTC/USD    3         3  64000.30  0.00000003  buy        live",
    ]


def test_csv_has_every_column_of_the_time_asked_for(data: Path) -> None:
    result = ask(data, "trades", "BTC/USD", "--csv", "--from", "2026-11-21T12:00:02", "--to", "2026-11-21T12:00:03")
    assert result.stdout.splitlines() == [
        "time,feed,ticker,seq,ts,ts_event,recv_delay,origin_seq,trade_id,price,qty,aggressor,quality",
        f"2026-11-21T12:00:02.000000007Z,kraken,BTC/USD,2,{NOON + 2 * SECOND + 7},0,7,0,2,64000.20,0.00000002,buy,live",
    ]


def test_json_has_one_object_a_line_and_decimals_as_text(data: Path) -> None:
    lines = ask(data, "trades", "BTC/USD", "--json", "--last", "1", "--feed", "kraken").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "time": "2026-11-21T12:00:03.000000007Z",
            "feed": "kraken",
            "ticker": "BTC/USD",
            "seq": 3,
            "ts": NOON + 3 * SECOND + 7,
            "ts_event": 0,
            "recv_delay": 7,
            "origin_seq": 0,
            "trade_id": 3,
            "price": "64000.30",
            "qty": "0.00000003",
            "aggressor": "buy",
            "quality": "live",
        }
    ]


def test_sql_shows_exact_numbers_without_idle_zeros(data: Path) -> None:
    statement = "SELECT feed, max(time) AS at, sum(qty) AS qty, sum(price) AS price FROM trades GROUP BY feed"
    assert ask(data, "sql", statement, "--csv").stdout.splitlines() == [
        "feed,at,qty,price",
        "kraken,2026-11-21T12:00:03.000000007Z,0.00000006,192000.6",
    ]


def test_when_nothing_falls_in_the_time_it_says_when_there_is_something(data: Path) -> None:
    result = ask(data, "trades", "BTC/USD", "--from", "2030-01-01", "--csv")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert result.stderr.splitlines() == [
        "no trades of BTC/USD in that time; there are some from 2026-11-21T12:00:01.000000007Z "
        "to 2026-11-21T12:00:03.000000007Z"
    ]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("trades", "BTCUSDT"), StoreError),
        (("trade", "BTC/USD"), StoreError),
        (("trades", "BTC/USD", "--from", "noon"), TimeError),
        (("sql", "DELETE FROM trades"), StoreError),
    ],
)
def test_what_cannot_be_answered_is_an_error_of_ours(data: Path, args: tuple[str, ...], error: type) -> None:
    assert isinstance(ask(data, *args).exception, error)


@pytest.mark.parametrize(
    "args", [("sql", "SELECT 1", "--from", "now"), ("trades", "X", "--limit", "1", "--last", "1"), ("trades",)]
)
def test_what_is_asked_the_wrong_way_is_a_usage_error(data: Path, args: tuple[str, ...]) -> None:
    assert ask(data, *args).exit_code == 2
