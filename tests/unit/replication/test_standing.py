"""Whether an engine stands by: as long as it lives, speaks, and has folded what there is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tapewire.errors import TapeError
from tapewire.replication.standing import STALE_NS, Standing, why_not


def test_an_engine_stands_by_while_it_lives_speaks_and_is_caught_up(tmp_path: Path) -> None:
    assert "no engine stands by" in why_not(tmp_path, 0, time.time_ns())
    engine = Standing(tmp_path)
    engine.say(10)
    now = time.time_ns()
    assert why_not(tmp_path, 10, now) == ""
    assert "folded 10 of 11" in why_not(tmp_path, 11, now)
    assert "has said nothing" in why_not(tmp_path, 10, now + STALE_NS + 1)
    with pytest.raises(TapeError, match="another engine stands by"):
        Standing(tmp_path)
    assert why_not(tmp_path, 10, now) == "", "who asks takes nothing from it"
    engine.close()
    assert "no engine stands by" in why_not(tmp_path, 10, now)
