"""Mutated messages against the acceptor as it is run: it neither ends, nor leaks, nor loses count of a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.testing.recordings import folder
from tests.fix.fuzz import run
from tests.fix.processes import skip_reason
from tests.fix.stack import Stack

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")
LOGS = folder() / "fix" / "logs"
MOST_GROWTH = 500
"""Bytes a message (measured: 31): orders that are done stay known (services/gateway/orders.py), ClOrdIDs for a day."""
MOST_LEFT = 64
"""Bytes a message of those that leave nothing behind (measured: 3)."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, sessions="messages = 1000000") as made:
        yield made


def test_two_thousand_mutated_messages(stack: Stack) -> None:
    figures = run(stack, seed=1, messages=2000, logs=None)
    assert min(figures.answers[kind] for kind in ("3", "8", "9", "j", "r", "W", "Y")) > 0, figures.answers


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not LOGS.is_dir(), reason=f"no recorded FIX logs at {LOGS}")
def test_a_hundred_thousand_mutated_messages(stack: Stack) -> None:
    figures = run(stack, seed=2, messages=100_000, logs=LOGS)
    growth = {process: figures.growth(process) for process in ("gateway", "front", "engine")}
    assert max(growth.values()) < MOST_GROWTH, growth


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_refused_leaves_nothing_behind(stack: Stack) -> None:
    figures = run(stack, seed=3, messages=40_000, logs=None, refused=True)
    growth = {process: figures.growth(process) for process in ("gateway", "front", "engine")}
    assert max(growth.values()) < MOST_LEFT, growth
