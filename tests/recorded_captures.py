"""For tests that replay recorded captures."""

from __future__ import annotations

import pytest

from tapewire.testing.recordings import folder

FOLDER = folder()

needs_recordings = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recordings at {FOLDER}; set TAPEWIRE_RECORDINGS to their folder"
)
