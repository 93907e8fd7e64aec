"""Sequencer, risk, matcher and replay under sanitizers: hostile commands, and a second core that derives the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.native import SANITIZED, build


@pytest.fixture(scope="module")
def program() -> Path:
    return build("tests/native/core_check.cpp", "-D_GLIBCXX_ASSERTIONS", *SANITIZED)


def run(program: Path, *arguments: object) -> tuple[int, str]:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("seed", range(3))
def test_random_and_hostile_commands_are_decided_and_replayed_alike(program: Path, seed: int) -> None:
    code, said = run(program, seed, 8_000)
    assert (code, said[:14]) == (0, "8000 commands,"), said
    # The check is tested itself: it refused, matched, and had orders to match.
    words = said.replace(",", "").split()
    assert min(int(words[at]) for at in (2, 4, 6)) > 200


def test_an_event_of_which_one_bit_differs_is_found_out(program: Path) -> None:
    code, said = run(program, 1, 1_000, "break")
    assert (code, said.endswith("a replay differs, kind 3\n")) == (1, True), said


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_million_hostile_commands_are_decided_and_replayed_alike(program: Path, seed: int) -> None:
    code, said = run(program, seed, 100_000)
    assert (code, said[:16]) == (0, "100000 commands,"), said
