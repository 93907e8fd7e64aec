"""The example that routes an order to two simulated outside venues, as a reader runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal

import pytest

from tests.engine_process import ROOT
from tests.fix.processes import skip_reason


@pytest.mark.slow
@pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")
def test_half_a_bitcoin_is_bought_at_both_venues_and_they_say_the_same() -> None:
    example = [sys.executable, str(ROOT / "examples" / "route_to_a_venue" / "run.py")]
    done = subprocess.run(example, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "It is filled: 0.50000000 done" in done.stdout
    themselves = dict(re.findall(r"^(kraken|coinbase) itself: buy ([0-9.]+) of ", done.stdout, re.MULTILINE))
    given = dict(re.findall(r"child \d at (kraken|coinbase): .* ([0-9.]+) executed$", done.stdout, re.MULTILINE))
    assert themselves == given
    assert set(given) == {"kraken", "coinbase"}
    assert sum(map(Decimal, given.values())) == Decimal("0.5")
