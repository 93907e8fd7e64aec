"""Retention of every store: what goes, what holds back, and what a crash in the middle leaves."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from services.flusher.archiver import archive_all
from tapewire import messages as m
from tapewire import retention
from tapewire.config import Config, Keep, Retention
from tapewire.consumers import ConsumerPosition
from tapewire.errors import RetentionError
from tapewire.retention import Limit, Piece, archive, choose
from tapewire.ring import RingProducer, create_ring
from tapewire.store.query import query
from tapewire.tape import TapeWriter

DAY = 86_400 * 10**9
NOW = 20_000 * DAY
OLD = Retention(**{store: Keep(days=10) for store in ("tapes", "imported", "archive", "cuts", "inputs", "rings")})


def config(data: Path, keep: Retention = OLD) -> Config:
    return Config(data=data, retention=keep)


def trades(first: int, count: int, day: int) -> list[bytes]:
    return [
        bytes(m.Trade(seq=seq, ts=day * DAY + seq, instrument=1, ticker="X", trade_id=seq, price=seq, qty=1))
        for seq in range(first, first + count)
    ]


def made_archive(data: Path) -> None:
    with TapeWriter(data / "tapes" / "md.feed", name="md.feed", segment_bytes=1 << 16, durability="disk") as tape:
        for day in range(4):
            for raw in trades(1 + 100 * day, 100, 19_980 + 5 * day):
                tape.append(raw)
            tape.commit()
    archive_all(data, "md.feed", lambda *_: None)


def rows(data: Path) -> int:
    return int(query(data, "trades", "X", feed="feed").num_rows)


def planned(data: Path, store: str, keep: Retention = OLD) -> retention.Planned:
    return retention.plan(config(data, keep), NOW, [store])[0]


def piece(name: str, age: int, size: int, held: str = "") -> Piece:
    return Piece("s", name, Path(name), size, NOW - age * DAY, lambda: None, held)


def test_age_and_size_let_the_oldest_go_and_never_what_is_held() -> None:
    pieces = [piece("young", 1, 50), piece("held", 30, 40, "somebody"), piece("old", 40, 30), piece("middle", 5, 20)]
    chosen = choose(pieces, Limit(10 * DAY, 100), NOW)
    assert [(one.name, one.goes) for one in chosen] == [
        ("old", True),
        ("held", False),
        ("middle", True),
        ("young", False),
    ]
    assert chosen[1].why


def test_days_of_the_archive_go_and_the_others_are_read_as_before(tmp_path: Path) -> None:
    made_archive(tmp_path)
    plan = planned(tmp_path, "archive")
    assert [one.name.split()[0] for one in plan.going] == ["feed", "feed"], "a dry run names the days"
    assert rows(tmp_path) == 400, "and changes nothing"
    gone, stayed = retention.carry_out(config(tmp_path), [plan])
    assert (len(gone), stayed) == (2, [])
    assert rows(tmp_path) == 200
    assert planned(tmp_path, "archive").going == []


def test_a_day_that_the_archiver_may_write_again_is_held_back(tmp_path: Path) -> None:
    from tapewire.store import checkpoint as checkpoints
    from tapewire.store.disk import Disk

    made_archive(tmp_path)
    plan = planned(tmp_path, "archive")
    point = checkpoints.read(tmp_path, "md.feed")
    checkpoints.write(tmp_path, msgspec.structs.replace(point, archived=50), Disk())
    assert [one.held_by[:20] for one in planned(tmp_path, "archive").held] == ["the flusher: md.feed"] * 2
    gone, stayed = retention.carry_out(config(tmp_path), [plan])  # planned before the archiver was set back
    assert gone == []
    assert len(stayed) == 2


def test_a_crash_between_naming_and_emptying_leaves_the_rest_readable_and_is_finished_later(tmp_path: Path) -> None:
    made_archive(tmp_path)
    day = sorted((tmp_path / "archive" / "trades" / "feed=feed").iterdir())[0]
    os.rename(day, day.with_name(".gone-" + day.name))
    assert rows(tmp_path) == 300
    assert archive.finish(tmp_path) == 1
    assert rows(tmp_path) == 300


def test_a_compaction_under_way_holds_the_archive(tmp_path: Path) -> None:
    from tapewire.store import layout
    from tapewire.store.compact import alone

    made_archive(tmp_path)
    plan = planned(tmp_path, "archive")
    with alone(layout.archive(tmp_path)):
        gone, stayed = retention.carry_out(config(tmp_path), [plan])
    assert gone == []
    assert "under way" in stayed[0]


def test_a_consumer_behind_holds_back_a_tape(tmp_path: Path) -> None:
    path = tmp_path / "tapes" / "md.feed"
    with TapeWriter(path, name="md.feed", segment_bytes=1 << 16, durability="disk") as tape:
        for raw in trades(1, 2_000, 19_000):
            tape.append(raw)
            tape.commit()
    behind = ConsumerPosition(path, "sink")
    behind.store(1)
    assert [one.held_by.split()[1] for one in planned(tmp_path, "imported").held] == ["sink"]
    behind.store(2_000)
    behind.close()
    plan = planned(tmp_path, "imported")
    gone, stayed = retention.carry_out(config(tmp_path), [plan])
    assert (len(gone), stayed) == (1, [])
    assert gone[0].bytes > 0
    assert planned(tmp_path, "tapes").pieces == (), "a feed that is not configured is no tape of the platform's"


def aged(path: Path, days: int) -> None:
    when = NOW - days * DAY
    os.utime(path, ns=(when, when))


def test_cuts_and_inputs_go_by_age(tmp_path: Path) -> None:
    cut = tmp_path / "tapes" / "orders.0" / "cut-1"
    cut.mkdir(parents=True)
    (cut / "1.seg").write_bytes(b"x" * 9_000)
    runs = tmp_path / "strategies"
    runs.mkdir()
    for name, days in (("old", 30), ("young", 1), ("open", 30)):
        (runs / f"{name}.inputs").write_text("x")
        aged(runs / f"{name}.inputs", days)
    for path in (cut / "1.seg", cut):
        aged(path, 30)
    with (runs / "open.inputs").open("ab"):
        aged(runs / "open.inputs", 30)
        plan = planned(tmp_path, "inputs")
        assert [one.name for one in plan.going] == ["old"]
        assert str(os.getpid()) in plan.held[0].held_by
        retention.carry_out(config(tmp_path), [plan, planned(tmp_path, "cuts")])
    assert sorted(path.name for path in runs.iterdir()) == ["open.inputs", "young.inputs"]
    assert not cut.exists()


def test_rings_go_unless_somebody_has_them_open_or_a_record_waits(tmp_path: Path) -> None:
    rings = tmp_path / "rings"
    rings.mkdir()
    for name in ("md.a", "md.b", "md.c"):
        create_ring(rings / name, 4096)
    with RingProducer(rings / "md.b") as ring:
        ring.write(b"12345678")
    for path in rings.iterdir():
        aged(path, 30)
    with RingProducer(rings / "md.c"):
        aged(rings / "md.c", 30)  # some systems count the opening as a change
        plan = planned(tmp_path, "rings")
        retention.carry_out(config(tmp_path), [plan])
    assert [one.name for one in plan.going] == ["md.a"]
    assert ["open" in one.held_by or "taken" in one.held_by for one in plan.held] == [True, True]
    assert sorted(path.name for path in rings.iterdir()) == ["md.b", "md.c"]


def test_what_came_to_be_needed_after_the_plan_stays(tmp_path: Path) -> None:
    runs = tmp_path / "strategies"
    runs.mkdir()
    (runs / "a.inputs").write_text("x")
    aged(runs / "a.inputs", 30)
    (going,) = planned(tmp_path, "inputs").going
    with (runs / "a.inputs").open("rb"), pytest.raises(RetentionError, match="has it open"):
        going.remove()


def test_without_limits_nothing_goes(tmp_path: Path) -> None:
    made_archive(tmp_path)
    assert all(one.going == [] for one in retention.plan(config(tmp_path, Retention()), time.time_ns()))
