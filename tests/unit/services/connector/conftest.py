"""Tests that need the recordings are skipped with a reason where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorded_captures import FOLDER, MISSING


@pytest.fixture
def recordings() -> Path:
    if not FOLDER.is_dir():
        pytest.skip(MISSING)
    return FOLDER
