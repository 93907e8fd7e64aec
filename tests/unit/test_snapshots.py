from __future__ import annotations

from pathlib import Path

import pytest

from tapewire import snapshots
from tapewire.snapshots import Snapshot


def test_a_saved_snapshot_loads_as_it_was(tmp_path: Path) -> None:
    path = snapshots.save(tmp_path, Snapshot(7, b"state"))
    assert snapshots.load(path) == Snapshot(7, b"state")


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for seq in range(1, 7):
        snapshots.save(tmp_path, Snapshot(seq, b"%d" % seq))
    assert [s.seq for s in snapshots.newest(tmp_path, 100) if isinstance(s, Snapshot)] == [6, 5, 4]


def test_a_file_that_is_none_of_ours_is_left_alone_and_takes_nobodys_place(tmp_path: Path) -> None:
    snapshots.save(tmp_path, Snapshot(1, b"x"))
    (snapshots.folder(tmp_path) / "zzz.snap").write_bytes(b"notes")
    for seq in range(2, 5):
        snapshots.save(tmp_path, Snapshot(seq, b"x"))
    assert [s.seq for s in snapshots.newest(tmp_path, 100) if isinstance(s, Snapshot)] == [4, 3, 2]
    assert snapshots.oldest(tmp_path) == 2
    assert (snapshots.folder(tmp_path) / "zzz.snap").exists()


def test_one_beyond_the_tapes_end_is_not_offered(tmp_path: Path) -> None:
    for seq in (10, 20):
        snapshots.save(tmp_path, Snapshot(seq, b"x"))
    assert [s.seq for s in snapshots.newest(tmp_path, 15) if isinstance(s, Snapshot)] == [10]


@pytest.mark.parametrize("at", [0, 9, 17, 30, 56])
def test_a_flipped_bit_anywhere_is_refused_and_the_older_one_is_offered(tmp_path: Path, at: int) -> None:
    snapshots.save(tmp_path, Snapshot(1, b"old"))
    path = snapshots.save(tmp_path, Snapshot(2, b"new"))
    raw = bytearray(path.read_bytes())
    raw[at] ^= 4
    path.write_bytes(raw)
    offered = list(snapshots.newest(tmp_path, 5))
    assert isinstance(offered[0], ValueError)
    assert str(path) in str(offered[0])
    assert offered[1] == Snapshot(1, b"old")


@pytest.mark.parametrize("length", [0, 5, 55, 58])
def test_a_truncated_snapshot_is_refused(tmp_path: Path, length: int) -> None:
    path = snapshots.save(tmp_path, Snapshot(2, b"state"))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="bytes"):
        snapshots.load(path)
