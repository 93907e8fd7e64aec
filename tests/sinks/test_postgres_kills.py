"""Engine, sink and server killed under load with SIGKILL, again and again: the rows are the fold of the tape."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sinks.kills import killed_again_and_again
from tests.sinks.stack import Database, assert_same, expected_rows
from tools.services import Postgres


async def same_rows(database: Database, records: list[bytes]) -> None:
    assert_same(await database.rows(), expected_rows(records))


async def killed(folder: Path, kills: int, seed: int) -> None:
    await killed_again_and_again(folder, Postgres, lambda server: Database(server.url, folder), same_rows, kills, seed)


async def test_rows_are_the_fold_of_the_tape_after_a_few_kills(tmp_path: Path) -> None:
    await killed(tmp_path, 4, seed=1)


@pytest.mark.slow
async def test_rows_are_the_fold_of_the_tape_after_ten_kills(tmp_path: Path) -> None:
    await killed(tmp_path, 10, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_rows_are_the_fold_of_the_tape_after_a_hundred_kills_of_each(tmp_path: Path) -> None:
    await killed(tmp_path, 300, seed=2)
