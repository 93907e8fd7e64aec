"""Child processes that die with their parent, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

# Runs in the child before the real program takes its place. PDEATHSIG survives exec; it is sent when the *thread* that
# spawned the child ends, so spawn from a thread that stays. The parent may have died before prctl, hence the check.
_LAUNCHER = """
import ctypes, os, sys
parent, number, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
ctypes.CDLL(None).prctl(1, number)
if os.getppid() != parent: os._exit(0)
os.execv(program[0], program)
"""


def spawn(
    program: Sequence[str],
    *,
    stdout: IO[bytes] | int | None = None,
    stderr: IO[bytes] | int | None = None,
    on_parent_death: int = signal.SIGKILL,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts `program`: an absolute path and its arguments. Spawn from a thread that stays: the child ends with it.

    `environment`: on top of ours. It is in a process group of its own: Ctrl-C reaches the parent alone, which then
    stops its children in order.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(int(on_parent_death)), *program],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
        env={**os.environ, **(environment or {})},
    )


def stop(child: subprocess.Popen[bytes], within_s: float) -> bool:
    """Ends a child by SIGTERM, and by SIGKILL if it has not ended in time. True if it ended by itself."""
    if child.poll() is not None:
        return True
    child.terminate()
    try:
        child.wait(within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return False
    return True
