from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tapewire.errors import ConfigError
from tapewire.folders import Folders, default_rings


def test_prepare_creates_the_folders_and_links_the_rings_into_memory(tmp_path: Path) -> None:
    folders, memory = Folders(tmp_path / "data"), tmp_path / "shm" / "tapewire-demo"
    folders.prepare(memory)
    folders.prepare(memory)
    folders.ring("traders").write_bytes(b"x")
    assert (memory / "traders").read_bytes() == b"x"
    assert folders.tape("orders.0") == tmp_path / "data" / "tapes" / "orders.0"
    assert sorted(p.name for p in folders.data.iterdir()) == ["archive", "nats", "rings", "stats", "tapes"]


def test_prepare_moves_the_link_when_the_rings_moved_and_takes_rings_inside_the_data(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.prepare(tmp_path / "one")
    folders.prepare(tmp_path / "two")
    assert folders.rings.readlink() == tmp_path / "two"
    inside = Folders(tmp_path / "own")
    inside.prepare(inside.rings)
    assert inside.rings.is_dir()
    assert not inside.rings.is_symlink()


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "tapes").write_text("a file")
    with pytest.raises(ConfigError, match=r"cannot create .*tapes"):
        Folders(tmp_path).prepare(tmp_path / "rings")


def test_two_data_folders_never_share_rings() -> None:
    assert default_rings("demo", Path("a")) != default_rings("demo", Path("b"))
    assert default_rings("demo", Path("a")) == default_rings("demo", Path("a").absolute())


def test_one_data_folder_has_the_same_rings_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    ways = (tmp_path / "data", tmp_path / "link", tmp_path / "data" / ".." / "data")
    assert len({default_rings("demo", way) for way in ways}) == 1


def test_services_that_start_together_all_find_their_folders(tmp_path: Path) -> None:
    for attempt in range(30):
        folders, barrier = Folders(tmp_path / str(attempt)), threading.Barrier(6)

        def prepare(folders: Folders = folders, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            folders.prepare(tmp_path / "memory")

        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(prepare) for _ in range(6)]:
                done.result()
        assert folders.rings.readlink() == tmp_path / "memory"


def test_rings_that_are_a_folder_of_their_own_are_not_replaced_by_a_link(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.prepare(folders.rings)
    with pytest.raises(ConfigError, match=r"rings: a folder, and `rings` is .*/elsewhere\. Set `rings`"):
        folders.prepare(tmp_path / "elsewhere")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
