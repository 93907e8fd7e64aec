"""Whether the host's clock is kept right: times on tapes are compared across hosts."""

from __future__ import annotations

from tapewire import adjtimex
from tapewire.adjtimex import STA_UNSYNC
from tapewire.doctor.finding import Finding

LARGE_US = 100_000


def checks() -> list[Finding]:
    try:
        told = adjtimex.read()
    except OSError as error:
        return [Finding("time sync", "unknown", f"the kernel does not say: {error.strerror}")]
    return [judged(told.status, told.maxerror, told.esterror)]


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
