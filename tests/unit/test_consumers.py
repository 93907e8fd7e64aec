from __future__ import annotations

from pathlib import Path

import pytest

from tapewire.consumers import ConsumerPosition, positions, reads, take_back
from tapewire.errors import TapeError


def test_a_position_is_kept_never_goes_back_and_is_listed(tmp_path: Path) -> None:
    mine = ConsumerPosition(tmp_path, "journal.publisher")
    assert mine.seq == 0
    mine.store(1 << 40)
    mine.store(7)
    mine.close()
    again = ConsumerPosition(tmp_path, "journal.publisher")
    other = ConsumerPosition(tmp_path, "flusher")
    assert again.seq == 1 << 40
    assert positions(tmp_path) == {"flusher": 0, "journal.publisher": 1 << 40}
    again.close()
    other.close()


def test_a_position_keeps_the_epoch_and_is_taken_back_where_records_were_lost(tmp_path: Path) -> None:
    mine = ConsumerPosition(tmp_path, "journal.publisher")
    mine.store(100, 3)
    take_back(tmp_path, 80)
    assert (mine.seq, mine.epoch) == (100, 3)
    mine.load()
    assert (mine.seq, mine.epoch) == (80, 3)
    mine.store(90, 4)
    mine.close()
    again = ConsumerPosition(tmp_path, "journal.publisher")
    assert (again.seq, again.epoch) == (90, 4)
    again.close()


def test_a_position_of_a_reader_is_told_from_one_that_a_restart_begins_at() -> None:
    names = ["journal.publisher", "api.views", "monitor", "risk", "engine.fix"]
    kept = [
        "engine",
        "router",
        "archive",
        "gateway.fix.0",
        "venue.house",
        "journal.publisher.restart",
        "api.views.restart",
    ]
    assert [name for name in names + kept if reads(name)] == names


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TapeError, match="expected a name"):
        ConsumerPosition(tmp_path, name)


def test_a_tape_that_is_not_there_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"consumer x: cannot keep its position in .*none/consumers/x: No such file"):
        ConsumerPosition(tmp_path / "none", "x")


def test_a_position_that_cannot_be_read_is_an_error_and_not_an_absence(tmp_path: Path) -> None:
    ConsumerPosition(tmp_path, "fine").close()
    (tmp_path / "consumers" / "odd").mkdir()
    with pytest.raises(TapeError, match=r"consumers/odd: the position of a consumer cannot be read: Is a directory"):
        positions(tmp_path)
