"""A process that stands still: alive, its sockets and memory held, and it takes nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Holds for the block; it goes on afterwards, where it still is.

    A signal is only sent when `kill` returns: on another core the process may answer one more order. So this waits
    until each of its threads stands.
    """
    stop(pid)
    try:
        yield
    finally:
        go_on(pid)


def stop(pid: int) -> None:
    """Returns once every thread of it stands still."""
    os.kill(pid, signal.SIGSTOP)
    while any("State:\tT" not in one.read_text() for one in Path(f"/proc/{pid}/task").glob("*/status")):
        time.sleep(0.001)


def go_on(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
