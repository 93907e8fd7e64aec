from __future__ import annotations

import time

from tapewire.clock import Clock, SystemClock


def test_the_system_clock_gives_utc_in_ns() -> None:
    clock: Clock = SystemClock()
    before = time.time_ns()
    assert before <= clock.now() <= time.time_ns()
