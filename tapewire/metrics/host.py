"""The host that the platform runs on: room on its file systems, and how its clock is disciplined."""

from __future__ import annotations

import shutil
import time

from tapewire import adjtimex
from tapewire.folders import Folders
from tapewire.metrics.samples import Reading


def read_disks(reading: Reading, folders: Folders) -> None:
    """Raises OSError if a folder is gone."""
    for name, path in (("data", folders.data), ("rings", folders.rings)):
        usage = shutil.disk_usage(path)
        reading.put("tapewire_disk_free_bytes", usage.free, name)
        reading.put("tapewire_disk_size_bytes", usage.total, name)


class HostClock:
    """Says how the clock stands, and how far it was stepped or slewed since this object was made."""

    def __init__(self) -> None:
        self._distance = _distance()

    def read(self, reading: Reading) -> None:
        """Raises OSError if the kernel does not tell."""
        told = adjtimex.read()
        unit = 1e-9 if told.status & adjtimex.STA_NANO else 1e-6
        synchronized = told.state != adjtimex.TIME_ERROR and not told.status & adjtimex.STA_UNSYNC
        reading.put("tapewire_clock_offset_seconds", told.offset * unit)
        reading.put("tapewire_clock_max_error_seconds", told.maxerror * 1e-6)
        reading.put("tapewire_clock_synchronized", synchronized)
        reading.put("tapewire_clock_step_seconds", (_distance() - self._distance) / 1e9)


def _distance() -> int:
    """From the raw monotonic clock, which nobody adjusts, to UTC; in ns. The nearest of a few looks."""
    found = []
    for _ in range(5):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        now = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        found.append((after - before, now - (before + after) // 2))
    return min(found)[1]
