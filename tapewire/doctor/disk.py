"""Checks of the disk that tapes are written to: what a durable answer waits for is measured, not guessed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from tapewire.doctor.finding import Finding

WRITES = 200
WRITE_BYTES = 4096
SLOW_NS = 2_000_000
ROOM_NEEDED = 4 << 30


def checks(data: Path) -> list[Finding]:
    """`data`: the data folder, or where it will be."""
    folder = data
    while not folder.exists():
        folder = folder.parent
    return [room(folder), kind(folder), sync_latency(folder)]


def room(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    found = f"{usage.free >> 30} of {usage.total >> 30} GiB free at {folder}"
    if usage.free >= ROOM_NEEDED:
        return Finding("disk room", "ok", found)
    return Finding(
        *("disk room", "problem", found),
        "an engine that finds no room for its tape takes no more commands",
        "a larger disk, or `tapewire tape retain`",
    )


def kind(folder: Path) -> Finding:
    """The file system under it, from /proc/self/mountinfo."""
    best, name = Path("/"), "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mount = Path(before.split()[4])
        if folder.resolve().is_relative_to(mount) and len(mount.parts) >= len(best.parts):
            best, name = mount, after.split()[0]
    if name in ("tmpfs", "ramfs"):
        return Finding(
            *("file system", "problem", f"{name} at {best}"),
            "a tape in memory is gone when the machine is",
            "point `data` at a disk",
        )
    if name.startswith(("nfs", "cifs", "fuse", "9p")):
        return Finding(
            *("file system", "problem", f"{name} at {best}"),
            "what fdatasync and file locks mean there depends on somebody else's machine",
            "point `data` at a local disk",
        )
    return Finding("file system", "ok", f"{name} at {best}")


def sync_latency(folder: Path) -> Finding:
    """fdatasync after appending 4 KiB, as a batch of orders does."""
    took: list[int] = []
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            os.posix_fallocate(file.fileno(), 0, WRITES * WRITE_BYTES)
            os.fsync(file.fileno())
            for at in range(WRITES):
                os.pwrite(file.fileno(), b"\1" * WRITE_BYTES, at * WRITE_BYTES)
                began = time.perf_counter_ns()
                os.fdatasync(file.fileno())
                took.append(time.perf_counter_ns() - began)
    except OSError as error:
        return Finding(
            *("disk sync", "problem", f"{folder}: {error.strerror}"),
            "tapes can not be written here",
            "make the folder writable for this user, or point `data` elsewhere",
        )
    took.sort()
    median, high = took[len(took) // 2], took[len(took) * 99 // 100]
    found = f"fdatasync of 4 KiB: median {median // 1000} us, p99 {high // 1000} us"
    if median < SLOW_NS:
        return Finding("disk sync", "ok", found)
    return Finding(
        *("disk sync", "advice", found),
        'with durability = "disk" every answer waits for it, though a whole batch shares one',
        'a disk with power-loss protection (its cache may answer), or durability = "memory" with a standby',
    )
