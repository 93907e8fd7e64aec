"""Recorded files onto a tape: exactly once, whatever ended the import before; as the feed would have been then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.connector.importing import import_recording
from services.connector.recordings import Recording
from tapewire import messages as m
from tapewire.cli import cli
from tapewire.errors import StoreError, TapeFenced
from tapewire.folders import Folders
from tapewire.store.query import Store
from tapewire.tape import TapeReader, TapeWriter
from tests.recorded_captures import FOLDER, needs_recordings
from tests.venue_frames import binance_depth, binance_snapshot, binance_top, binance_trade

NOON = 1_723_118_400_000_000_000
MS = 1_000_000


class Ended(BaseException):
    """The process is gone."""


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total


def tape_of(data: Path, feed: str) -> list[bytes]:
    with TapeReader(Folders(data).md_tape(feed), None, limit="written") as reader:
        return list(reader)


def capture(folder: Path, name: str = "capture.txt", frames: int = 9_000, start: int = NOON) -> Recording:
    """A session of Binance: the answer with the book, then depth, trades and tops."""
    lines = [f"{start} {binance_snapshot(last=100).decode()}"]
    update = 101
    for at in range(frames):
        match at % 3:
            case 0:
                frame = binance_depth("BTCUSDT", update, update, bids=(("99.00", str(at + 1)),))
                update += 1
            case 1:
                frame = binance_trade("BTCUSDT", at + 1, "100.00", "1")
            case _:
                frame = binance_top("BTCUSDT", update - 1, "100.00", "1", "101.00", "1")
        lines.append(f"{start + (at + 1) * MS} {frame.decode()}")
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return Recording("hftbacktest", (str(path),), "binance", ("BTCUSDT",))


def trades(folder: Path, name: str, rows: list[str]) -> Recording:
    path = folder / name
    path.write_text("\n".join(["ts,price,qty,side", *rows]) + "\n")
    return Recording("csv", (str(path),), tickers=("SPY",), price_exponent=-2, qty_exponent=0)


def test_a_capture_becomes_the_feed_it_was_with_the_times_of_the_recording(tmp_path: Path) -> None:
    done = import_recording(tmp_path, "binance", capture(tmp_path, frames=300), quiet)
    records = [m.decode(raw) for raw in tape_of(tmp_path, "binance")]
    assert [one.seq for one in records] == list(range(1, done.last_seq + 1))
    assert [one.ts for one in records] == sorted(one.ts for one in records)
    kinds = [type(one) for one in records]
    assert (kinds.count(m.Trade), kinds.count(m.BookSnapshot)) == (100, 1)
    assert kinds.count(m.BookDelta) == 100
    trade = next(one for one in records if isinstance(one, m.Trade))
    assert (trade.ts, trade.ts_recv, trade.quality) == (NOON + 2 * MS, NOON + 2 * MS, m.BookQuality.live)
    ended = records[-1]
    assert isinstance(ended, m.FeedStatus)
    assert ended.state == m.FeedState.down
    assert ended.reason.startswith("the recording ends here")


def test_an_import_that_is_repeated_changes_nothing_and_one_that_was_ended_goes_on(tmp_path: Path) -> None:
    recording, whole, killed = capture(tmp_path), tmp_path / "whole", tmp_path / "killed"
    done = import_recording(whole, "binance", recording, quiet)
    expected = tape_of(whole, "binance")
    again = import_recording(whole, "binance", recording, quiet)
    assert (again.repeated, again.last_seq) == (True, done.last_seq)
    assert tape_of(whole, "binance") == expected

    def end(what: str, at: int, total: int) -> None:
        if at > 6_000:
            raise Ended

    with pytest.raises(Ended):
        import_recording(killed, "binance", recording, end)
    assert 0 < len(tape_of(killed, "binance")) < len(expected)
    other = trades(tmp_path, "other.csv", [f"{NOON},1.00,1,buy"])
    with pytest.raises(StoreError, match=r"the import of capture.txt was ended too early; run it again first"):
        import_recording(killed, "binance", other, quiet)
    assert import_recording(killed, "binance", recording, quiet).repeated is False
    assert tape_of(killed, "binance") == expected


def test_what_somebody_else_wrote_in_between_is_found(tmp_path: Path) -> None:
    recording = trades(tmp_path, "a.csv", [f"{NOON + at},1.{at:02},1,buy" for at in range(50)])
    with pytest.raises(Ended):
        import_recording(tmp_path, "spy", recording, lambda *_: (_ for _ in ()).throw(Ended()))
    tape = Folders(tmp_path).md_tape("spy")
    with TapeWriter(tape, "md.spy", durability="memory") as writer:
        writer.append(bytes(m.Trade(seq=writer.next_seq, ts=NOON, ticker="SPY")))
        writer.commit()
        with pytest.raises(TapeFenced):
            import_recording(tmp_path, "spy", recording, quiet)
    with pytest.raises(StoreError, match="record 1 is not what this recording gives there"):
        import_recording(tmp_path, "spy", recording, quiet)


def test_recordings_follow_each_other_in_time(tmp_path: Path) -> None:
    first = trades(tmp_path, "1.csv", [f"{NOON},10.00,5,buy", f"{NOON + 1},10.01,6,"])
    second = trades(tmp_path, "2.csv", [f"{NOON + 2},10.02,7,sell"])
    earlier = trades(tmp_path, "0.csv", [f"{NOON - 1},9.99,1,sell"])
    import_recording(tmp_path, "spy", first, quiet)
    with pytest.raises(StoreError, match="begins before that"):
        import_recording(tmp_path, "spy", earlier, quiet)
    done = import_recording(tmp_path, "spy", second, quiet)
    assert (done.first_seq, done.last_seq) == (3, 3)
    rows = Store(tmp_path).query("trades", "SPY", "spy").to_pylist()
    assert [(row["ts"], str(row["price"]), str(row["qty"]), row["aggressor"]) for row in rows] == [
        (NOON, "10.00", "5", int(m.Side.buy)),
        (NOON + 1, "10.01", "6", int(m.Side.unspecified)),
        (NOON + 2, "10.02", "7", int(m.Side.sell)),
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1795251600000,1.005,1,buy", "row 1: '1.005' has more digits than exponent -2 keeps"),
        ("then,1,1,buy", "row 1: time 'then'"),
        ("1795251600000,1,1,both", "row 1: side 'both'"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, row: str, why: str) -> None:
    with pytest.raises(StoreError, match=why):
        import_recording(tmp_path, "spy", trades(tmp_path, "a.csv", [row]), quiet)


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    name = trades(tmp_path, "a.csv", [f"{NOON},10.00,5,buy", f"{NOON + 1},10.01,6,sell"]).files[0]
    given = ["import", "csv", name, "--feed", "spy", "--ticker", "SPY", "--data", str(tmp_path), "--archive"]
    first = CliRunner().invoke(cli, given)
    assert (first.exit_code, first.output) == (0, "a.csv are on the tape: md.spy, records 1 to 2\n")
    second = CliRunner().invoke(cli, [*given, "--json"])
    assert {**json.loads(second.output), "digest": ""} == {
        "digest": "", "files": ["a.csv"], "first_seq": 1, "last_seq": 2, "repeated": True,
    }  # fmt: skip
    assert len(list((tmp_path / "archive" / "trades").rglob("*.parquet"))) == 1
    (tmp_path / "none.txt").write_text("nothing of that kind\n")
    wrong = CliRunner().invoke(
        cli,
        [
            *("import", "hftbacktest", str(tmp_path / "none.txt"), "--feed", "x", "--venue", "binance"),
            *("--ticker", "BTCUSDT", "--data", str(tmp_path)),
        ],
    )
    assert wrong.exit_code == 1
    assert "no recording of the format hftbacktest" in wrong.output
    assert CliRunner().invoke(cli, ["import", "cbcap", name, "--feed", "x"]).exit_code == 2


@needs_recordings
def test_a_recorded_book_is_live_to_its_end(tmp_path: Path) -> None:
    path = FOLDER / "kraken" / "v2_crossbook" / "kraken_btcusd_sample.cbcap.gz"
    recording = Recording("cbcap", (str(path),), "kraken", ("BTC/USD",), depth=25)
    import_recording(tmp_path, "kraken", recording, quiet)
    records = [m.decode(raw) for raw in tape_of(tmp_path, "kraken")]
    deltas = [one for one in records if isinstance(one, m.BookDelta)]
    assert len(deltas) == 2_051
    assert {one.quality for one in deltas} == {m.BookQuality.live}
