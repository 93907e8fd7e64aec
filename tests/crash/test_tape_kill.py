"""A writer killed with SIGKILL at any moment: all that was acknowledged is there, in order, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 30  # per durability


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_nothing_acknowledged_is_lost_to_a_kill(tmp_path: Path, durability: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.tape_killer", str(tmp_path), durability, str(KILLS), "1"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["rounds"] == KILLS
    assert report["records"] >= report["acknowledged"] > KILLS


def test_the_checker_itself_notices_a_lost_record(tmp_path: Path) -> None:
    """What was acknowledged is cut off behind the checker's back: it must fail."""
    script = f"""
import sys
from pathlib import Path
from tests.crash import tape_killer as t
def lose(tape, durability, seed, longest):
    with t.TapeWriter(tape, "t", t.SEGMENT, durability, helper=False) as w:
        w.append(t.record(w.next_seq))
    return 5
t.one_round = lose
sys.exit(t.main(Path({str(tmp_path)!r}), "disk", 1, 1))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert (done.returncode, json.loads(done.stdout)["acknowledged"]) == (1, 5)
