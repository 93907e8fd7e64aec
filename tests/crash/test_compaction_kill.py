"""A compaction killed before every single step, and the power with it: each row stays, and is told once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from random import Random

import pytest

from services.flusher.archiver import Archiver
from tapewire.errors import StoreError
from tapewire.store import layout
from tapewire.store.compact import Compacted, compact
from tapewire.store.query import Store
from tapewire.store.schema import KINDS
from tapewire.store.sql import sql
from tests.crash.failing_disk import FailingDisk, Killed
from tests.crash.test_archiver_kill import LIMITS, everything, make_tape
from tests.oracle.market import NOON, market_data
from tests.oracle.slow_rows import rows_of

NEXT_YEAR = date(2100, 1, 1)


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total


def archived(data: Path, count: int = 700) -> list[bytes]:
    """A tape of two days, archived in stretches of LIMITS."""
    records = market_data(seed=1, count=count, start=NOON + 12 * 3600 * 10**9 - 100 * 30 * 10**9)
    make_tape(data, "md.kraken", records)
    archiver = Archiver(data, "md.kraken", LIMITS)
    while archiver.do_work(0):
        pass
    archiver.close()
    return records


def files(data: Path) -> list[layout.Piece]:
    return [piece for kind in KINDS for piece in layout.pieces(data, kind)]


def test_the_rows_are_the_same_and_each_folder_has_one_file(tmp_path: Path) -> None:
    records = archived(tmp_path)
    expected, before = rows_of(records, "kraken"), files(tmp_path)
    done = compact(tmp_path, NEXT_YEAR, quiet)
    after = files(tmp_path)
    assert len(before) > 3 * len(after)
    assert len({piece.path.parent for piece in after}) == len(after) == len({piece.path.parent for piece in before})
    assert done.files_before - done.files_after == len(before) - len(after)
    assert everything(tmp_path, expected, "kraken") == expected
    assert compact(tmp_path, NEXT_YEAR, quiet) == Compacted()
    assert sql(tmp_path, "SELECT count(*) n FROM trades").to_pylist() == [{"n": len(expected_trades(expected))}]


def expected_trades(expected: object) -> list[object]:
    assert isinstance(expected, dict)
    return [row for (kind, _), rows in expected.items() if kind == "trades" for row in rows]


def test_a_file_holds_no_more_than_so_many_rows_and_today_is_left_alone(tmp_path: Path) -> None:
    records = archived(tmp_path)
    days = sorted({piece.partition.day for piece in files(tmp_path)})
    assert len(days) == 2
    compact(tmp_path, days[1], quiet, max_rows=100)
    by_day = {day: [piece for piece in files(tmp_path) if piece.partition.day == day] for day in days}
    assert len({piece.path.parent for piece in by_day[days[1]]}) < len(by_day[days[1]]), "today"
    store = Store(tmp_path)
    for piece in by_day[days[0]]:
        assert store.footers.get(piece.path).metadata.num_rows <= 100
    expected = rows_of(records, "kraken")
    assert everything(tmp_path, expected, "kraken") == expected


@pytest.mark.parametrize("power", [None, Random(1)], ids=["killed", "power cut"])
def test_killed_before_every_step_in_turn_each_row_is_told_once(tmp_path: Path, power: Random | None) -> None:
    expected = rows_of(archived(tmp_path, 350), "kraken")
    store = Store(tmp_path)  # one that has listed the folders before
    for kind, ticker in expected:
        store.query(kind, ticker, "kraken")
    kills = 0
    while True:
        try:
            done = compact(tmp_path, NEXT_YEAR, quiet, FailingDisk(kills % 9, power))
        except Killed:
            kills += 1
        else:
            break
        if kills % 5 == 0:
            assert everything(tmp_path, expected, "kraken") == expected
        assert kills < 2_000
    assert kills > 20
    assert done.files_before < 20, "it went on where it was killed"
    assert everything(tmp_path, expected, "kraken") == expected
    for (kind, ticker), rows in expected.items():
        assert store.query(kind, ticker, "kraken", raw=True).num_rows == len(rows)
    assert compact(tmp_path, NEXT_YEAR, quiet) == Compacted()


def test_what_an_archiver_has_planned_and_not_checked_off_is_left_alone(tmp_path: Path) -> None:
    records = archived(tmp_path, 140)
    more = market_data(seed=1, count=700, start=NOON + 12 * 3600 * 10**9 - 100 * 30 * 10**9)
    make_tape(tmp_path, "md.kraken", more[len(records) :])
    before = {piece.path for piece in files(tmp_path)}
    with pytest.raises(Killed):
        Archiver(tmp_path, "md.kraken", LIMITS, FailingDisk(20)).do_work(0)
    begun = {piece.path for piece in files(tmp_path)} - before
    assert begun
    compact(tmp_path, NEXT_YEAR, quiet)
    assert begun <= {piece.path for piece in files(tmp_path)}
    compact(tmp_path, NEXT_YEAR, quiet)
    archiver = Archiver(tmp_path, "md.kraken", LIMITS)
    while archiver.do_work(0):
        pass
    archiver.close()
    expected = rows_of(more, "kraken")
    assert everything(tmp_path, expected, "kraken") == expected


def test_there_is_one_compaction_at_a_time_and_an_archive_is_needed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no archive"):
        compact(tmp_path, NEXT_YEAR, quiet)
    archived(tmp_path, 140)

    def meanwhile(what: str, done: int, total: int) -> None:
        with pytest.raises(StoreError, match="another compaction or retention is under way"):
            compact(tmp_path, NEXT_YEAR, quiet)

    compact(tmp_path, NEXT_YEAR, meanwhile)
