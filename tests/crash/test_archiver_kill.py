"""The archiver killed before every single step, and the power with it: archive and tail are always the tape's rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest

from services.flusher.archiver import Archiver, Limits
from tapewire.store import layout
from tapewire.store.query import Store
from tapewire.tape import TapeFrames, TapeWriter
from tests.crash.failing_disk import FailingDisk, Killed
from tests.oracle.market import NOON, house, market_data
from tests.oracle.slow_rows import Row, rows_of

LIMITS = Limits(records=70, wait_ns=0)


def make_tape(data: Path, name: str, records: list[bytes]) -> None:
    with TapeWriter(layout.tape(data, name), name=name, segment_bytes=1 << 16) as writer:
        for record in records:
            writer.append(record)
        writer.commit()


def everything(data: Path, expected: dict[tuple[str, str], list[Row]], feed: str) -> dict[tuple[str, str], list[Row]]:
    """What a fresh Store answers for each kind and ticker there should be."""
    store = Store(data)
    found: dict[tuple[str, str], list[Row]] = {}
    for kind, ticker in expected:
        rows: list[dict[str, Any]] = store.query(kind, ticker, feed, raw=True).to_pylist()
        assert {(row.pop("feed"), row.pop("ticker")) for row in rows} == {(feed, ticker)}
        found[kind, ticker] = rows
    store.close()
    return found


def kill_at_every_step(data: Path, tape: str, power: Random | None) -> Iterator[int]:
    """Archives the whole tape; each stretch is killed before its first step, then its second, until it gets through.

    Yields after each kill how many there were.
    """
    steps = kills = archived = 0
    while True:
        archiver = Archiver(data, tape, LIMITS, FailingDisk(steps, power))
        try:
            while archiver.do_work(0):
                pass
            return
        except Killed:
            kills += 1
        finally:
            archiver.close()
        # What was checked off stays checked off: begin with the next stretch.
        now = Archiver(data, tape, LIMITS).checkpoint.archived
        assert now >= archived
        steps, archived = (0 if now > archived else steps + 1), now
        yield kills


@pytest.mark.parametrize("power", [None, Random(1)], ids=["killed", "power cut"])
def test_killed_before_every_step_in_turn_the_archive_and_the_tail_hold_each_row_once(
    tmp_path: Path, power: Random | None
) -> None:
    # Around midnight, so that stretches fall into two days.
    records = market_data(seed=1, count=160, start=NOON + 12 * 3600 * 10**9 - 100 * 30 * 10**9)
    make_tape(tmp_path, "md.kraken", records)
    expected, kills = rows_of(records, "kraken"), 0
    for kills in kill_at_every_step(tmp_path, "md.kraken", power):
        if kills % 12 == 0:
            assert everything(tmp_path, expected, "kraken") == expected
    assert kills > 100
    assert everything(tmp_path, expected, "kraken") == expected
    assert Archiver(tmp_path, "md.kraken", LIMITS).checkpoint.archived == 140


def test_files_alone_never_hold_a_row_twice_however_often_the_archiver_was_killed(tmp_path: Path) -> None:
    records = market_data(seed=2, count=80)
    make_tape(tmp_path, "md.kraken", records)
    for kills in kill_at_every_step(tmp_path, "md.kraken", None):
        if kills % 4:
            continue
        for kind in ("trades", "quotes"):
            seqs = [seq for p in layout.pieces(tmp_path, kind) for seq in pq.read_table(p.path)["seq"].to_pylist()]
            assert len(seqs) == len(set(seqs))


def test_an_orders_tape_survives_kills_with_its_instruments(tmp_path: Path) -> None:
    records = house(seed=3, count=250)
    make_tape(tmp_path, "orders.0", records)
    expected = rows_of(records, "house")
    for kills in kill_at_every_step(tmp_path, "orders.0", Random(3)):
        if kills % 12 == 0:
            assert everything(tmp_path, expected, "house") == expected
    assert everything(tmp_path, expected, "house") == expected


def test_what_other_hosts_do_not_hold_yet_is_not_archived(tmp_path: Path) -> None:
    """A former writer's own tail is cut from its tape: nobody may have it in an archive."""
    records = market_data(1, 200)
    path = layout.tape(tmp_path, "md.kraken")
    with TapeWriter(path, name="md.kraken", segment_bytes=1 << 16, durability="replicated") as writer:
        for record in records[:80]:
            writer.append(record)
        writer.commit()
        at = writer.position
        for record in records[80:]:
            writer.append(record)
        writer.commit()
        frames = TapeFrames(path)
        frames.release(at, 80)
        frames.close()
    archiver = Archiver(tmp_path, "md.kraken", LIMITS)
    while archiver.do_work(0):
        pass
    assert archiver.checkpoint.archived == LIMITS.records  # ten more are released, and less than a stretch
    archiver.close()
