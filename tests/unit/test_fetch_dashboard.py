"""Fetching the dashboard's packages: what is missing is said, and stops nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import fetch_dashboard as fetching


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    fetching.WORK.mkdir(parents=True, exist_ok=True)
    failing = [sys.executable, "-c", "import sys; sys.exit('no route to any registry')"]
    with pytest.raises(fetching.NotFetched, match="npm could not fetch: no route to any registry"):
        fetching.run(failing, {}, "npm could not fetch")
    with pytest.raises(fetching.NotFetched, match="there is no npm"):
        fetching.run([str(tmp_path / "npm")], {}, "there is no npm")


def test_the_wheel_that_holds_an_npm_is_pinned_by_hash() -> None:
    lock = (fetching.ROOT / "tools/node.lock").read_text()
    assert lock.count("==") == 1
    assert lock.count("--hash=sha256:") >= 2
    assert "://" not in lock


def test_what_is_there_is_not_fetched_again() -> None:
    if not fetching.STAMP.exists():
        pytest.skip("the dashboard's packages were not fetched here")
    done = subprocess.run(
        [sys.executable, "-m", "tools.fetch_dashboard"], cwd=fetching.ROOT, capture_output=True, text=True, check=True,
        env={"PATH": "/nonexistent"}, timeout=30,
    )  # fmt: skip
    assert done.stdout + done.stderr == ""
    vendored = "".join(path.read_text() for path in fetching.VENDOR.glob("*.js"))
    assert 'from"preact"' not in vendored
    assert "sourceMappingURL" not in vendored
