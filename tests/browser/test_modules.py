"""The pure JavaScript modules, by node's own test runner."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "modules"
TESTS = sorted(HERE.glob("*.test.mjs"))
OLDEST = 20  # of node: the runner is stable from there on


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().removeprefix("v").split(".")[0]) < OLDEST:
        pytest.skip(f"node {version.strip()} is older than {OLDEST}")
    return found


def test_every_module_does_what_its_tests_say() -> None:
    done = subprocess.run(
        [node(), "--test", *map(str, TESTS)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"^\S+ pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None, done.stdout[-1000:]
    assert int(passed[1]) >= 25
