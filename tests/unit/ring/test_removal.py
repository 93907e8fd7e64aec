"""Giving back the memory of rings: only what is empty and not in use goes, and nobody is left holding what has gone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapewire.errors import RingError
from tapewire.ring import Doorbell, RingConsumer, RingProducer, create_ring, ring_state
from tapewire.ring.removal import main, remove_drained

CAPACITY = 4096


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two rings and a doorbell, as an engine leaves them; and what one that was killed in creating a ring left."""
    folder = tmp_path / "tapewire-demo"
    folder.mkdir()
    for name in ("orders.0.1.operator", "md.kraken"):
        create_ring(folder / name, CAPACITY)
    Doorbell(folder / "orders.0.bell").close()
    (folder / "md.x.new-00000000deadbeef").write_bytes(bytes(100))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_rings_that_were_read_to_their_end_go_and_their_folder_with_them(folder: Path) -> None:
    with RingProducer(folder / "md.kraken") as producer, RingConsumer(folder / "md.kraken") as consumer:
        producer.write(b"taken")
        consumer.poll()
        consumer.release()
    assert remove_drained(folder) == {}
    assert not folder.exists()
    assert remove_drained(folder) == {}


def test_a_ring_that_holds_a_record_stays_with_it_and_with_the_doorbell(folder: Path) -> None:
    path = folder / "orders.0.1.operator"
    with RingProducer(path) as producer:
        producer.write(b"not yet")
    assert remove_drained(folder) == {path: "16 bytes in it have not been taken"}
    assert names(folder) == ["md.x.new-00000000deadbeef", "orders.0.1.operator", "orders.0.bell"]
    with RingConsumer(path) as consumer:
        assert consumer.poll() == [b"not yet"]


@pytest.mark.parametrize("side", [RingProducer, RingConsumer])
def test_a_ring_that_one_side_has_open_stays(folder: Path, side: type[RingProducer | RingConsumer]) -> None:
    path = folder / "md.kraken"
    with side(path):
        (kept,) = remove_drained(folder).items()
        assert (kept[0], path.exists()) == (path, True)
        assert "another live" in kept[1]


def test_a_file_that_is_no_ring_stays(folder: Path) -> None:
    (folder / "notes").write_text("something else")
    assert list(remove_drained(folder)) == [folder / "notes"]
    assert (folder / "notes").read_text() == "something else"


def test_as_a_program_it_says_what_went_and_what_stayed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RingProducer(folder / "md.kraken"):
        main([folder])
    main([folder])
    kept, removed = capsys.readouterr().out.splitlines()
    assert kept.startswith(f"{folder}/md.kraken: kept: another live producer has this ring open")
    assert removed == f"{folder}: removed"


REMOVE = """
import select, sys
from pathlib import Path
from tapewire.ring.removal import remove_drained
while not select.select([sys.stdin], [], [], 0)[0]:
    remove_drained(Path(sys.argv[1]))
"""


def test_who_opens_a_ring_while_it_is_removed_has_the_one_that_others_find_or_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "rings"
    opened = removed = 0
    ends = time.monotonic() + 60
    with subprocess.Popen([sys.executable, "-c", REMOVE, str(folder)], stdin=subprocess.PIPE) as remover:
        while opened < 30 or removed < 5:
            assert remover.poll() is None
            assert time.monotonic() < ends, (opened, removed)
            removed += not folder.exists()
            try:
                folder.mkdir(exist_ok=True)
                create_ring(folder / "ring", CAPACITY)
                producer = RingProducer(folder / "ring")
            except (RingError, FileExistsError):  # the remover has it open, or was faster
                continue
            with producer:
                opened += 1
                time.sleep(0)
                assert ring_state(folder / "ring").producer_alive
        remover.communicate()
    assert remover.returncode == 0
