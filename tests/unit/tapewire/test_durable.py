"""Folders whose names last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapewire.durable import make_folder


def test_a_folder_is_made_once_and_only_where_there_is_one_for_it(tmp_path: Path) -> None:
    make_folder(tmp_path / "snapshots")
    (tmp_path / "snapshots" / "1.snap").touch()
    make_folder(tmp_path / "snapshots")
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["1.snap"]
    with pytest.raises(FileNotFoundError):
        make_folder(tmp_path / "orders.0" / "snapshots")
    assert not (tmp_path / "orders.0").exists(), "a tape that was moved aside is not made anew by a late snapshot"
