"""The fuzzers for a moment: what was found before, some generated inputs, and that they would find something."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tools.fuzz import TARGETS, inputs, standalone
from tools.native import side_by_side

pytestmark = pytest.mark.timeout(900)  # a compiler takes minutes where others want the cores, too
COUNTS = {"wire": 2_000, "matcher": 300, "core": 300}
AT_LEAST = {"wire": (50_000, 25_000, 0), "matcher": (20_000, 20_000, 2_000), "core": (10_000, 10_000, 1_000)}
"""Commands, events, trades (of the decoder: messages, flat ones): less would be noise that tries nothing."""


@pytest.fixture(scope="module")
def programs() -> dict[str, Path]:
    return dict(zip(TARGETS, side_by_side([partial(standalone, target) for target in TARGETS]), strict=True))


def run(program: Path, *arguments: object) -> tuple[int, str]:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found_in_a_moment(programs: dict[str, Path], target: str) -> None:
    code, said = run(programs[target], 1, 0, COUNTS[target])
    assert code == 0, said
    tally = re.fullmatch(r"\d+ inputs, (\d+) commands, (\d+) events, (\d+) trades\n", said)
    assert tally is not None, said
    assert all(int(found) >= least for found, least in zip(tally.groups(), AT_LEAST[target], strict=True)), said


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_once_is_not_found_again(programs: dict[str, Path], target: str) -> None:
    known = inputs(target)
    code, said = run(programs[target], *known)
    assert (code, said) == (0, f"{len(known)} inputs\n")


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_spoilt_is_found_and_said_with_how_to_run_it_again(programs: dict[str, Path], target: str) -> None:
    code, said = run(programs[target], 1, 0, COUNTS[target], "break")
    assert code == 1
    assert re.search(r"^FOUND: .*\nrun again: \S+ 1 \d+ 1\n$", said, re.DOTALL), said
