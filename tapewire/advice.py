"""What helps when the system refuses something: said where a program ends, behind what it says happened."""

from __future__ import annotations

import re

HELPS = (
    (
        "No space left on device",
        "Make room on that file system (`df -h` shows how much there is; rings lie in memory: enlarge /dev/shm), "
        "or set `data` or `rings` to another",
    ),
    ("Disk quota exceeded", "Make room, or set `data` to a folder with a larger quota"),
    (
        "Permission denied",
        "Run this as the user the platform runs as, or give yours the right to that file (`ls -l` shows whose it is)",
    ),
    ("Read-only file system", "Set `data` and `rings` to folders that can be written to"),
    (
        "Address already in use",
        "Stop what listens there (`ss -ltnp` shows it), or set another port",
    ),
    ("Too many open files", "Raise the limit (`ulimit -n`, LimitNOFILE= of systemd)"),
    ("Cannot allocate memory", "Free memory, raise the limit of locked memory (`ulimit -l`), or make rings smaller"),
    (
        r"this build reads version \d+",
        "Read it with the version of Tapewire that wrote it; how a platform goes from one to the next: docs/upgrade.md",
    ),
)
"""By how a message ends: one that says itself what to do ends otherwise."""


def advised(error: BaseException) -> str:
    """The message, and what to do if it ends with the system's own words."""
    text = str(error)
    for words, help_ in HELPS:
        if re.search(f"{words}$", text):
            return f"{text}. {help_}"
    return text
