"""Checks of what this user may use: files, locked memory, shared memory, priorities."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

from tapewire.doctor.finding import Finding
from tapewire.doctor.host import MEMORY_NEEDED

FILES_NEEDED = 4096
LOCKED_NEEDED = 256 << 20


def checks(shared_memory: Path) -> list[Finding]:
    return [files(), locked_memory(), memory_folder(shared_memory), priority()]


def files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES_NEEDED:
        return Finding("open files", "ok", str(soft))
    return Finding(
        *("open files", "problem", f"{soft} (at most {hard})"),
        f"a gateway or an API needs one a client, and refuses clients beyond; {FILES_NEEDED} are usual",
        "LimitNOFILE=65536 in the unit, or `ulimit -n 65536`, /etc/security/limits.conf",
    )


def locked_memory() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY or soft >= LOCKED_NEEDED:
        return Finding("locked memory", "ok", "unlimited" if soft == resource.RLIM_INFINITY else f"{soft >> 20} MiB")
    return Finding(
        *("locked memory", "advice", f"{soft >> 20} MiB"),
        "memory of the engine can not be locked, and may be paged out where there is swap",
        "LimitMEMLOCK=infinity in the unit, or `ulimit -l unlimited`",
    )


def memory_folder(path: Path) -> Finding:
    name = f"{path} (rings)"
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        return Finding(
            *(name, "problem", error.strerror or str(error)),
            "rings lie in memory: without such a folder no service reaches another",
            f"mount -t tmpfs tmpfs {path}, or point `rings` at a folder in memory",
        )
    found = f"{usage.free >> 20} of {usage.total >> 20} MiB free"
    if usage.free >= MEMORY_NEEDED:
        return Finding(name, "ok", found)
    return Finding(
        *(name, "problem", found),
        "a ring that finds no room when it is touched ends its process with SIGBUS",
        f"mount -o remount,size=1g {path}; in a container --shm-size=1g, in Kubernetes an emptyDir of medium Memory",
    )


def priority() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if os.geteuid() == 0 or soft > 0 or soft == resource.RLIM_INFINITY:
        return Finding("real-time priority", "ok", "allowed")
    return Finding(
        *("real-time priority", "advice", "not allowed"),
        "an engine that shares its core can not go before what else is there",
        "LimitRTPRIO=50 and CPUSchedulingPolicy=fifo in the unit (only where its core is its own)",
    )
