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
