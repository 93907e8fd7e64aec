"""The matcher under AddressSanitizer and UndefinedBehaviorSanitizer, its invariants checked after every command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.native import SANITIZED, build


@pytest.fixture(scope="module")
def program() -> Path:
    return build("tests/native/matcher_check.cpp", "-DTAPEWIRE_CHECK", *SANITIZED)


def run(program: Path, *arguments: object) -> tuple[int, str]:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("seed", range(6))
def test_random_commands_break_no_invariant(program: Path, seed: int) -> None:
    code, said = run(program, seed, 8_000)
    assert (code, said[:14]) == (0, "8000 commands,"), said


def test_a_book_that_differs_from_its_events_is_found_out(program: Path) -> None:
    code, said = run(program, 1, 1_000, "break")
    assert (code, said) == (1, "command 8: a replace of another order (6)\n")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_million_random_commands_break_no_invariant(program: Path, seed: int) -> None:
    code, said = run(program, seed, 100_000)
    assert (code, said[:16]) == (0, "100000 commands,"), said
