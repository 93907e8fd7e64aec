"""Threads of a process off /proc: how long each ran, waited for a CPU and slept, and what it slept in."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SAMPLE_S: Final = 0.01
SLEEPING: Final = frozenset("SDI")
RUNNING: Final = "0"  # what wchan holds of a thread that runs, or when it is hidden
NOT_TOLD: Final = "(not told)"


@dataclass(slots=True)
class Thread:
    """Times in ns during the measurement. `asleep_in` counts samples by the kernel function, `stacks` whole stacks."""

    tid: int
    name: str
    on_cpu: int
    waiting: int
    """For a CPU: others ran instead."""
    asleep: int
    voluntary: int
    involuntary: int
    asleep_in: Counter[str] = field(default_factory=Counter)
    stacks: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Watched:
    """`refused`: what the kernel would not tell, and why, once each."""

    seconds: float
    threads: list[Thread]
    refused: dict[str, str]


@dataclass(slots=True)
class _Before:
    name: str
    schedstat: tuple[int, int]
    switches: tuple[int, int]
    asleep_in: Counter[str] = field(default_factory=Counter)
    stacks: Counter[str] = field(default_factory=Counter)


def watch(pid: int, seconds: float) -> Watched:
    """Looks at all threads for so long, a hundred times a second. Raises OSError if there is no such process."""
    folder, refused = Path(f"/proc/{pid}/task"), dict[str, str]()
    before = {tid: _begin(folder / tid) for tid in _tids(folder)}
    began = time.monotonic()
    while (left := began + seconds - time.monotonic()) > 0:
        for tid, one in before.items():
            _sample(folder / tid, one, refused)
        time.sleep(min(SAMPLE_S, left))
    took = time.monotonic() - began
    if {name for one in before.values() for name in one.asleep_in} == {NOT_TOLD}:
        refused.setdefault("wchan", "the kernel hides it: it takes CAP_SYS_PTRACE, or kernel.kptr_restrict is set")
    found = []
    for tid, one in before.items():
        try:
            found.append(_end(int(tid), folder / tid, one, took))
        except OSError:  # the thread has ended
            continue
    return Watched(took, sorted(found, key=lambda thread: -thread.on_cpu), refused)


def _tids(folder: Path) -> list[str]:
    return sorted((path.name for path in folder.iterdir()), key=int)


def _begin(path: Path) -> _Before:
    return _Before((path / "comm").read_text().strip(), _schedstat(path), _switches(path))


def _end(tid: int, path: Path, before: _Before, took: float) -> Thread:
    ran, waited = (now - then for now, then in zip(_schedstat(path), before.schedstat, strict=True))
    voluntary, involuntary = (now - then for now, then in zip(_switches(path), before.switches, strict=True))
    return Thread(
        tid=tid,
        name=before.name,
        on_cpu=ran,
        waiting=waited,
        asleep=max(0, int(took * 1e9) - ran - waited),
        voluntary=voluntary,
        involuntary=involuntary,
        asleep_in=before.asleep_in,
        stacks=before.stacks,
    )


def _sample(path: Path, one: _Before, refused: dict[str, str]) -> None:
    try:
        state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        if state not in SLEEPING:
            return
        where = (path / "wchan").read_text()
        one.asleep_in[where if where not in ("", RUNNING) else NOT_TOLD] += 1
    except FileNotFoundError:  # the thread has ended
        return
    except (PermissionError, ProcessLookupError) as error:
        refused.setdefault("wchan", f"{error.strerror}: another user's process, run as root")
        return
    try:
        lines = (path / "stack").read_text().splitlines()
        # Empty of one that was woken between the two looks.
        one.stacks[" < ".join(line.partition("] ")[2].partition("+")[0] for line in lines[:4]) or NOT_TOLD] += 1
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        refused.setdefault("stack", f"{why}: kernel stacks are shown to root alone")


def _schedstat(path: Path) -> tuple[int, int]:
    """On the CPU, and waiting for one, ns since the thread began."""
    ran, waited, _ = (path / "schedstat").read_text().split()
    return int(ran), int(waited)


def _switches(path: Path) -> tuple[int, int]:
    found = {}
    for line in (path / "status").read_text().splitlines():
        name, _, value = line.partition(":\t")
        found[name] = value
    return int(found["voluntary_ctxt_switches"]), int(found["nonvoluntary_ctxt_switches"])
