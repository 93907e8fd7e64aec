"""Recorded captures, for tests that replay them: where they are, and the mark of a test that needs them."""

from __future__ import annotations

import pytest

from tapewire.testing import recordings

FOLDER = recordings.folder()
MISSING = f"no recordings in {FOLDER}; set TAPEWIRE_RECORDINGS to the folder that holds them"

needs_recordings = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)
