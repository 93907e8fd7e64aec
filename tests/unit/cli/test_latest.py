"""`tapewire latest` as a person sees it: a row for each instrument, within 80 columns; the same as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tapewire import messages as m
from tapewire.cli import cli
from tapewire.folders import Folders
from tapewire.latest import LatestWriter

LIVE = m.BookQuality.live


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A venue's page while its connector runs: an instrument with everything, one with a book alone, one just named."""
    Folders(tmp_path).rings.mkdir()
    now = time.time_ns()
    with LatestWriter(Folders(tmp_path).latest("binance"), instruments=8) as page:
        terms = {"instrument": 1, "ticker": "BTCUSDT", "price_exponent": -2, "qty_exponent": -5, "ts": now}
        bid = m.BookLevel(price=6_183_764, qty=3, side=m.Side.buy)
        for message in (
            m.InstrumentDefinition(seq=1, tick_size=1, lot_size=1, status=m.InstrumentStatus.trading, **terms),
            m.Quote(seq=2, bid_price=6_183_764, bid_qty=5, ask_price=0, ask_qty=0, quality=LIVE, **terms),
            m.Trade(seq=3, price=6_183_765, qty=1, quality=LIVE, **terms),
            m.BookSnapshot(
                seq=4, ticker="ETHUSDT", instrument=2, quality=LIVE, levels=[bid], price_exponent=-2, ts=now
            ),
            m.FeedStatus(seq=5, ticker="XRPUSDT", instrument=3, state=m.FeedState.resync, ts=now),
            m.FeedStatus(seq=6, state=m.FeedState.live, gaps=1, resyncs=2, dropped=3, ts=now),
        ):
            page.put(bytes(message))
        yield tmp_path


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["latest", "--feed", "binance", *arguments, "--data", str(data)])


def test_a_row_for_each_instrument_and_a_line_for_the_feed(data: Path) -> None:
    result = run(data)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[:6] for line in lines[:4]] == [
        ["ticker", "bid", "ask", "last", "quality", "status"],
        ["BTCUSDT", "61837.64", "-", "61837.65", "live", "trading"],
        ["ETHUSDT", "61837.64", "-", "-", "live", "-"],
        ["XRPUSDT", "-", "-", "-", "unspecified", "-"],
    ]
    assert lines[4] == "feed binance: live, 1 gaps, 2 resyncs, 3 messages dropped"
    assert all(line.endswith(" s") for line in lines[1:4])


def test_the_tickers_that_are_named_and_no_others(data: Path) -> None:
    assert [line.split()[0] for line in run(data, "ETHUSDT").output.splitlines()] == ["ticker", "ETHUSDT"]
    unknown = run(data, "DOGE")
    assert unknown.exit_code == 1
    assert "nothing was told of a ticker 'DOGE'; known here: BTCUSDT, ETHUSDT, XRPUSDT" in " ".join(
        unknown.output.split()
    )


def test_json_has_every_field_and_names_of_enums(data: Path) -> None:
    told = json.loads(run(data, "BTCUSDT", "--json").output)
    (row,) = told["values"]
    assert (told["feed"], told["alive"]) == ("binance", True)
    assert told["feed_status"]["feed_state"] == "live"
    assert (row["bid_price"], row["quote_price_exponent"], row["status"], row["quote_quality"]) == (
        6_183_764,
        -2,
        "trading",
        "live",
    )
    assert 0 <= row["age_ns"] < 60e9


def test_a_feed_that_is_not_there_and_one_whose_sequencer_ended(data: Path) -> None:
    missing = CliRunner().invoke(cli, ["latest", "--data", str(data)])
    assert missing.exit_code == 1
    assert "Pages here: binance" in " ".join(missing.output.split())
    with LatestWriter(Folders(data).latest("house"), instruments=2) as page:
        page.put(bytes(m.Trade(seq=1, ticker="X", price=1, qty=1, ts=time.time_ns())))
    ended = CliRunner().invoke(cli, ["latest", "--data", str(data)])
    assert "house: its sequencer does not run: what stands here is the last it said" in ended.stderr
    assert ended.stdout.splitlines()[1].split()[0] == "X"
