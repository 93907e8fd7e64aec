"""Where the time comes from: shells hold a Clock and hand times to cores, which never read one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Gives the time of day. `tapewire.testing` ships one that is set by hand."""

    def now(self) -> int:
        """UTC, in ns since 1970. May be set back: order comes from `seq`, never from time."""


class SystemClock:
    """The clock of this host."""

    now = staticmethod(time.time_ns)  # without a Python frame of its own: it is called twice per message
