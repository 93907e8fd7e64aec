"""Where the recordings are; tests that need them are skipped with a reason where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def recordings() -> Path:
    folder = Path(os.environ.get("TAPEWIRE_RECORDINGS", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; set TAPEWIRE_RECORDINGS to the folder that holds them")
    return folder
