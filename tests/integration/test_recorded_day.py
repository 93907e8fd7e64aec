"""A whole recorded day of SPY: taped, archived, asked for; every price and quantity as the file has them."""

from __future__ import annotations

import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from services.flusher.archiver import Archiver, Limits
from tapewire.store import layout
from tapewire.store.query import Store
from tapewire.store.sql import sql
from tapewire.tape import TapeWriter
from tapewire.testing import recordings
from tapewire.times import parse, show

DAY = "20131007"
SOURCE = recordings.folder() / f"ticks_us_equity/lean/spy/{DAY}_trade.zip"
pytestmark = pytest.mark.skipif(not SOURCE.exists(), reason=f"no recordings: {SOURCE} is not there")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The day on a tape, four fifths of it archived."""
    data = tmp_path_factory.mktemp("spy")
    with TapeWriter(layout.tape(data, "md.lean"), name="md.lean", durability="disk") as writer:
        for at, raw in enumerate(recordings.spy_trades(DAY)):
            writer.append(raw)
            if at % 10_000 == 0:
                writer.commit()
        writer.commit()
    archiver = Archiver(data, "md.lean", Limits(records=50_000, wait_ns=0))
    while archiver.do_work(0):
        pass
    assert 0 < archiver.behind() < 50_000
    archiver.close()
    return data


@pytest.fixture(scope="module")
def lines() -> list[list[str]]:
    with zipfile.ZipFile(SOURCE) as archive:
        return [line.split(",") for line in archive.read(f"{DAY}_spy_Trade_Tick.csv").decode().splitlines()]


def test_the_day_comes_back_row_by_row(data: Path, lines: list[list[str]]) -> None:
    table = Store(data).query("trades", "SPY")
    assert len(lines) > 250_000
    assert table["seq"].to_pylist() == list(range(1, len(lines) + 1))
    assert table["price"].to_pylist() == [Decimal(line[1]).scaleb(-4) for line in lines]
    assert table["qty"].to_pylist() == [Decimal(line[2]) for line in lines]


def test_one_minute_is_that_minute(data: Path) -> None:
    start, end = parse("2013-10-07T14:30", 0), parse("2013-10-07T14:31", 0)
    store = Store(data)
    everything = store.query("trades", "SPY", raw=True)["ts"].to_pylist()
    minute = store.query("trades", "SPY", start=start, end=end)["ts"].to_pylist()
    assert minute == [ts for ts in everything if start <= ts < end]
    assert show(minute[0]).startswith("2013-10-07T14:30:")


def test_sql_sums_what_the_file_holds(data: Path, lines: list[list[str]]) -> None:
    rows = sql(data, "SELECT count(*) n, sum(price * qty_mantissa) notional, sum(qty) qty FROM trades").to_pylist()
    assert rows == [
        {
            "n": len(lines),
            "notional": sum(Decimal(line[1]).scaleb(-4) * int(line[2]) for line in lines),
            "qty": sum(int(line[2]) for line in lines),
        }
    ]
