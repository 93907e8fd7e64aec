"""Whether the host's clock is kept right: times on tapes are compared across hosts."""

from __future__ import annotations

import ctypes
import os

from tapewire.doctor.finding import Finding

STA_UNSYNC = 0x0040
LARGE_US = 100_000


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>, as far as it is needed; the kernel fills all of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


def checks() -> list[Finding]:
    libc = ctypes.CDLL(None, use_errno=True)
    timex = _Timex()
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        return [Finding("time sync", "unknown", f"the kernel does not say: {os.strerror(ctypes.get_errno())}")]
    return [judged(timex.status, timex.maxerror, timex.esterror)]


def judged(status: int, most_us: int, estimated_us: int) -> Finding:
    """By the kernel's own account of its clock."""
    if status & STA_UNSYNC:
        return Finding(
            *("time sync", "problem", "the clock is not synchronised"),
            "times on tapes drift from the venues' and from other hosts'; signed requests fall out of their window",
            "run chrony (best with PTP or a local NTP server); in a container or VM: on its host",
        )
    found = f"synchronised, error at most {most_us} us, estimated {estimated_us} us"
    if most_us < LARGE_US:
        return Finding("time sync", "ok", found)
    return Finding(
        *("time sync", "advice", found),
        "latencies between hosts cannot be told from the clocks' difference",
        "nearer time servers, chrony with `hwtimestamp`, or PTP",
    )
