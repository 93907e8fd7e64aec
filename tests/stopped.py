"""A process that stands still: alive, its sockets and memory held, and it takes nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    while not all(map(_stands, Path(f"/proc/{pid}/task").iterdir())):
        assert time.monotonic() < deadline, f"process {pid} was stopped, and does not stand still"
        time.sleep(0.001)


def _stands(thread: Path) -> bool:
    try:
        return "State:\tT" in (thread / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True  # it ended since it was listed, and does nothing more


def go_on(pid: int) -> None:
    with suppress(ProcessLookupError):  # it was killed meanwhile
        os.kill(pid, signal.SIGCONT)
