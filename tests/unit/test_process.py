from __future__ import annotations

import os
import threading

import pytest

from tapewire.errors import ConfigError
from tapewire.process import pin


def test_a_thread_is_pinned_with_those_it_starts_and_no_other() -> None:
    before, core = os.sched_getaffinity(0), max(os.sched_getaffinity(0))
    seen: list[set[int]] = []

    def look() -> None:
        seen.append(os.sched_getaffinity(0))

    def work() -> None:
        pin(-1)
        look()
        pin(core)
        look()
        child = threading.Thread(target=look)
        child.start()
        child.join()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert (seen, os.sched_getaffinity(0)) == ([before, {core}, {core}], before)


def test_a_core_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"engine\.core: holds 4096; expected one of the CPUs .*\[0"):
        pin(4096)
