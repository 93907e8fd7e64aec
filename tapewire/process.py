"""What a service asks of its own process: to end with its parent, to stay on one core."""

from __future__ import annotations

import ctypes
import os
import signal

from tapewire.errors import ConfigError

PR_SET_PDEATHSIG = 1
SUPERVISED = "TAPEWIRE_SUPERVISED"  # set by a supervisor whose children must not outlive it


def die_with_parent() -> None:
    """When started by a supervisor of ours, asks the kernel for SIGTERM at its death, however it dies."""
    if os.environ.get(SUPERVISED) != str(os.getppid()):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.environ[SUPERVISED] != str(os.getppid()):  # it died in between
        os.kill(os.getpid(), signal.SIGTERM)


def pin(core: int) -> None:
    """Keeps this thread, and threads it starts, on one CPU; -1 leaves the choice to the kernel."""
    if core < 0:
        return
    allowed = os.sched_getaffinity(0)
    if core not in allowed:
        raise ConfigError(f"engine.core: holds {core}; expected one of the CPUs this process may use: {sorted(allowed)}")
    os.sched_setaffinity(0, {core})
