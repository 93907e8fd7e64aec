from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services import Running
from tests.sinks.stack import Database, World


@pytest.fixture
async def database(postgres: Running, tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(postgres.url, tmp_path)
    yield made
    await made.drop()


@pytest.fixture
def world(tmp_path: Path, database: Database) -> World[Database]:
    return World(tmp_path, database)
