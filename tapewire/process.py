"""What a service asks of its own process."""

from __future__ import annotations

import os

from tapewire.errors import ConfigError


def pin(core: int) -> None:
    """Keeps this thread, and threads it starts, on one CPU; -1 leaves the choice to the kernel."""
    if core < 0:
        return
    allowed = os.sched_getaffinity(0)
    if core not in allowed:
        raise ConfigError(
            f"engine.core: holds {core}; expected one of the CPUs this process may use: {sorted(allowed)}"
        )
    os.sched_setaffinity(0, {core})


def stand_back(nice: int) -> None:
    """Lets others go first where the CPUs are busy: 19 takes about a 70th of one. 0 changes nothing.

    Nobody is interrupted either when there is something to do here (SCHED_BATCH).
    """
    if nice:
        os.nice(nice)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
