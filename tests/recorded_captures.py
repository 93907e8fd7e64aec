"""Where recorded captures are, for tests that replay them: TAPEWIRE_RECORDINGS, or ../shared/data beside the repo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("TAPEWIRE_RECORDINGS", Path(__file__).parent.parent.parent / "shared" / "data"))

needs_recordings = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recordings at {FOLDER}; set TAPEWIRE_RECORDINGS to their folder"
)
