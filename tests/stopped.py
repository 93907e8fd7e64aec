"""A process that stands still: alive, its sockets and memory held, and it takes nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


PATIENCE_S = 30.0


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
    deadline = time.monotonic() + PATIENCE_S
    while any(map(_runs, Path(f"/proc/{pid}/task").glob("*/status"))):
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(0.001)


def _runs(status: Path) -> bool:
    try:
        return "State:\tT" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):  # a thread that ended first
        return False


def go_on(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
