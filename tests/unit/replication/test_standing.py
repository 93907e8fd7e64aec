"""Whether an engine stands by: as long as it lives, speaks, and has folded what there is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tapewire.errors import TapeError
from tapewire.replication.standing import SAY_EVERY_NS, STALE_NS, Standing, why_not


def test_an_engine_stands_by_while_it_lives_speaks_and_is_caught_up(tmp_path: Path) -> None:
    assert "no engine stands by" in why_not(tmp_path, 0, time.monotonic_ns())
    engine = Standing(tmp_path, "1.0")
    engine.say(10)
    now = time.monotonic_ns()
    assert why_not(tmp_path, 10, now) == ""
    assert "folded 10 of 11" in why_not(tmp_path, 11, now)
    assert "has said nothing" in why_not(tmp_path, 10, now + STALE_NS + 1)
    with pytest.raises(TapeError, match="another engine stands by"):
        Standing(tmp_path, "1.0")
    assert why_not(tmp_path, 10, now) == "", "who asks takes nothing from it"
    engine.close()
    assert "no engine stands by" in why_not(tmp_path, 10, now)


def test_what_ended_it_is_told_to_who_asks_until_another_stands_by(tmp_path: Path) -> None:
    engine = Standing(tmp_path, "1.0")
    engine.say(7)
    engine.ended("record 8 does not replay\nexpected x")
    assert why_not(tmp_path, 7, time.monotonic_ns()) == "", "it lives"
    engine.close()
    assert why_not(tmp_path, 7, time.monotonic_ns()).endswith(
        "(version 1.0) ended: record 8 does not replay expected x"
    )
    Standing(tmp_path, "1.1").close()
    assert "no engine stands by" in why_not(tmp_path, 0, time.monotonic_ns())


def test_it_speaks_only_now_and_then(tmp_path: Path) -> None:
    times = iter([100, 200, 300 + SAY_EVERY_NS, 400 + SAY_EVERY_NS])
    engine = Standing(tmp_path, "1.0", lambda: next(times))
    engine.say(1)
    engine.say(2)
    assert "folded 1 of 2" in why_not(tmp_path, 2, 500 + SAY_EVERY_NS)
    engine.close()
