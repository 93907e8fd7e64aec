from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from tapewire import messages as m
from tapewire.cli import cli
from tapewire.folders import Folders
from tapewire.plot import braille, market, timing
from tapewire.plot.chart import Axis, Chart, Heat, Panel, Series, Style
from tapewire.plot.records import Stretch
from tapewire.tape import TapeWriter

SECOND = 10**9
BEGIN = 1_795_290_000 * SECOND
BUY, SELL = m.Side.buy, m.Side.sell


def quiet(done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A feed's tape of ten seconds: a book, a change and a trade each second; queue 1 to 10 ms, edge 5 ms."""
    folders = Folders(tmp_path / "data")
    folders.prepare(tmp_path / "rings")
    common = {"ticker": "ACME", "price_exponent": -2, "qty_exponent": 0, "quality": m.BookQuality.live}
    with TapeWriter(folders.md_tape("x"), durability="memory") as tape:
        for second in range(10):
            ts = BEGIN + second * SECOND
            when = {"ts": ts, "ts_recv": ts - (second + 1) * 1_000_000, "ts_event": ts - (second + 6) * 1_000_000}
            if second == 2:
                levels = [m.BookLevel(9990, 5, 1, BUY), m.BookLevel(9980, 7, 1, BUY), m.BookLevel(10010, 4, 1, SELL)]
                tape.append(bytes(m.BookSnapshot(seq=tape.next_seq, levels=levels, **common, **when)))
            if second in (1, 5):  # the first is of a book that is not known yet
                level = m.BookLevel(9990, 0, 0, BUY) if second == 5 else m.BookLevel(1, 99, 1, BUY)
                tape.append(bytes(m.BookDelta(seq=tape.next_seq, levels=[level], **common, **when)))
            side = BUY if second % 2 else SELL
            trade = {**common, "price": 10000 + second, "qty": second + 1, "aggressor": side, "trade_id": second + 1}
            tape.append(bytes(m.Trade(seq=tape.next_seq, **trade, **when)))
        tape.commit()
    return folders.data


def stretch(data: Path, start: int | None = None, end: int | None = None) -> Stretch:
    return Stretch(Folders(data).md_tape("x"), start, end)


def test_latency_by_interval_and_whole(data: Path) -> None:
    found = timing.intervals(stretch(data), SECOND, quiet)
    assert [(one.end - one.start, one.histograms["queue"].count) for one in found] == [
        (SECOND, 2 if second in (1, 2, 5) else 1) for second in range(10)
    ]
    whole = timing.merged(found)
    assert list(whole) == ["edge", "queue"]
    assert (whole["queue"].count, whole["queue"].max, whole["edge"].max) == (13, 10_000_000, 5_000_000)


def test_a_stretch_begins_and_ends_where_it_was_told_to(data: Path) -> None:
    part = stretch(data, BEGIN + 3 * SECOND, BEGIN + 6 * SECOND)
    assert [(one.ts - BEGIN) // SECOND for one in part.messages()] == [3, 4, 5, 5]


def test_a_book_is_shown_from_its_first_snapshot_on(data: Path) -> None:
    chart = market.book(stretch(data), "ACME", quiet)
    heat = chart.panels[0]
    assert isinstance(heat, Heat)
    assert [(x - BEGIN) / SECOND for x in heat.x] == [2, 5]
    bid = next(line for line in heat.lines if line.name == "best bid")
    assert bid.y == [99.9, 99.8]
    sums = [sum(row[column] for row in heat.cells) for column in (0, 1)]
    assert sums == [5 + 7 - 4, 7 - 4]
    assert (heat.low, chart.subtitle.partition(";")[0]) == (99.8, "10 trades")


def test_lag_and_rates(data: Path) -> None:
    (panel,) = timing.lag(stretch(data), SECOND, quiet).panels
    assert isinstance(panel, Panel)
    assert [(one.name, len(one.x)) for one in panel.series] == [("ACME", 10)]
    assert all(abs(y - 5e6) < 5e6 / 128 for y in panel.series[0].y)
    (panel,) = timing.rates(stretch(data), 2 * SECOND, quiet).panels
    assert isinstance(panel, Panel)
    assert {one.name: one.y for one in panel.series}["Trade"] == [1.0] * 5


def test_dots_of_a_line_lie_where_its_values_are() -> None:
    series = Series("up", [0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0])
    drawn = braille.draw(Chart("t", "s", [Panel("p", [series], Axis.plain)]), 32, 5, coloured=False)
    lines = drawn.splitlines()
    assert lines[0] == "t  (s)"
    canvas = [line[13:] for line in lines if "│" in line or "┤" in line]
    columns = [min(i for i, c in enumerate(line) if c != " ") for line in canvas]
    assert columns == sorted(columns, reverse=True)
    assert canvas[0].rstrip()[-1] != " "
    assert "\x1b" not in drawn


def test_a_flat_line_and_a_single_point_and_nothing_at_all_are_drawn() -> None:
    for series in (
        Series("flat", [0.0, 1.0], [5.0, 5.0]),
        Series("one", [3.0], [2.0], Style.points),
        Series("none", [], []),
    ):
        for log in (False, True):
            panel = Panel("p", [series], Axis.plain, log=log)
            assert braille.draw(Chart("t", "s", [panel]), 60, 4, coloured=True)


@pytest.mark.parametrize("kind", ["latency", "lag", "rates"])
def test_pictures_are_written(data: Path, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    out = tmp_path / f"{kind}.png"
    result = CliRunner().invoke(cli, ["plot", kind, "md.x", "--data", str(data), "-o", str(out)])
    assert result.exit_code == 0, result.output
    raw = out.read_bytes()
    assert raw.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", raw[16:24])
    assert width > 1000
    assert height > 300


@pytest.mark.parametrize("arguments", [["trades", "ACME"], ["book", "ACME", "--tape", "md.x"]])
def test_markets_are_drawn_to_a_file_the_terminal_and_as_numbers(
    data: Path, tmp_path: Path, arguments: list[str]
) -> None:
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    at = [*arguments, "--data", str(data)]
    result = CliRunner().invoke(cli, ["plot", *at])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("ACME: ")
    told = json.loads(CliRunner().invoke(cli, ["plot", *at, "--json"]).output)
    assert {"title", "subtitle", "panels"} == set(told)
    assert CliRunner().invoke(cli, ["plot", *at, "-o", str(tmp_path / "a.svg")]).exit_code == 0
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_what_cannot_be_drawn_is_refused_before_anything_is_read(data: Path) -> None:
    runner = CliRunner()
    result = runner.invoke(cli, ["plot", "latency", "md.x", "--data", str(data), "-o", "x.doc"])
    assert (result.exit_code, ".png, .svg, .pdf" in result.output) == (2, True)
    result = runner.invoke(cli, ["plot", "book", "NONE", "--tape", "md.x", "--data", str(data)])
    assert (result.exit_code, "no book of NONE" in result.output) == (1, True)
    result = runner.invoke(cli, ["plot", "trades", "NONE", "--data", str(data)])
    assert (result.exit_code, "NONE" in result.output) == (1, True)


def test_a_tapes_latency_goes_to_hdrhistograms_log(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "x.hlog"
    result = CliRunner().invoke(cli, ["tape", "latency", "md.x", "--data", str(data), "--hlog", str(log)])
    assert result.exit_code == 0, result.output
    reader = HistogramLogReader(str(log), HdrHistogram(1, (1 << 40) - 1, 2))
    counts: dict[str, int] = {}
    while (one := reader.get_next_interval_histogram()) is not None:
        counts[one.get_tag()] = counts.get(one.get_tag(), 0) + one.get_total_count()
    reader.close()
    assert counts == {"edge": 13, "queue": 13}
    told = json.loads(CliRunner().invoke(cli, ["tape", "latency", "md.x", "--data", str(data), "--json"]).output)
    assert told["spans"]["queue"]["max_ns"] == 10_000_000


def test_drawing_in_the_terminal_imports_no_matplotlib(data: Path) -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom tapewire.cli import cli\n"
        f"CliRunner().invoke(cli, ['plot', 'latency', 'md.x', '--data', {str(data)!r}])\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_times_in_the_future_show_nothing_and_say_so(data: Path) -> None:
    ahead = str((time.time_ns() // SECOND + 3600) * SECOND)
    result = CliRunner().invoke(cli, ["plot", "latency", "md.x", "--data", str(data), "--from", ahead])
    assert result.exit_code == 0, result.output
    assert "nothing" in result.output
