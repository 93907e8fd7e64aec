"""Checks of the machine itself, read from /sys and /proc below `root`, so that they can be tried on any tree."""

from __future__ import annotations

import re
from pathlib import Path

from tapewire.doctor.finding import Finding

MEMORY_NEEDED = 256 << 20
"""Of /dev/shm, bytes: rings and statistics of one engine with its usual settings, several times."""


def checks(root: Path) -> list[Finding]:
    """All of them. `root`: `/`, or a tree of files like it."""
    return [
        clock_source(root),
        governor(root),
        isolation(root),
        idle_states(root),
        swap(root),
        overcommit(root),
        huge_pages(root),
        balancing(root),
    ]


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def clock_source(root: Path) -> Finding:
    base = root / "sys/devices/system/clocksource/clocksource0"
    found = _read(base / "current_clocksource")
    if found is None:
        return Finding("clock source", "unknown", "the kernel does not say")
    if found in ("tsc", "kvm-clock", "arch_sys_counter"):
        return Finding("clock source", "ok", found)
    able = (_read(base / "available_clocksource") or "").split()
    change = f"echo tsc > /{(base / 'current_clocksource').relative_to(root)}" if "tsc" in able else "clocksource=tsc"
    return Finding(
        *("clock source", "advice", found),
        "each look at the clock becomes a system call, a microsecond instead of 20 ns, several times an order",
        f"{change} (at boot: kernel parameters `clocksource=tsc tsc=reliable`)",
    )


def governor(root: Path) -> Finding:
    found = sorted(
        {
            text
            for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
            if (text := _read(path))
        }
    )
    if not found:
        return Finding("frequency governor", "ok", "none: a virtual machine, or a fixed frequency")
    if found == ["performance"]:
        return Finding("frequency governor", "ok", "performance")
    return Finding(
        *("frequency governor", "advice", ", ".join(found)),
        "a core that was idle takes tens of microseconds to reach its frequency",
        "cpupower frequency-set -g performance",
    )


def isolation(root: Path) -> Finding:
    found = _read(root / "sys/devices/system/cpu/isolated")
    cores = _read(root / "sys/devices/system/cpu/online") or "?"
    if found is None:
        return Finding("isolated cores", "unknown", "the kernel does not say")
    if found:
        return Finding("isolated cores", "ok", f"{found} of {cores}: name one in engine.core")
    return Finding(
        *("isolated cores", "advice", f"none of {cores}"),
        "anything may run on the engine's core and take it away for milliseconds",
        'kernel: `isolcpus=N nohz_full=N rcu_nocbs=N irqaffinity=OTHERS`; then engine.core = N, engine.idle = "spin"',
    )


def idle_states(root: Path) -> Finding:
    deep = []
    for path in root.glob("sys/devices/system/cpu/cpu0/cpuidle/state*/latency"):
        latency, disabled = _read(path), _read(path.with_name("disable"))
        if latency and latency.isdigit() and int(latency) > 10 and disabled == "0":
            deep.append(int(latency))
    if not deep:
        return Finding("idle states", "ok", "none that takes over 10 us to leave")
    return Finding(
        *("idle states", "advice", f"up to {max(deep)} us to leave"),
        'an engine that sleeps between orders (idle = "futex") wakes so much later',
        'kernel: `intel_idle.max_cstate=1` or `processor.max_cstate=1`; or engine.idle = "spin" on a core of its own',
    )


def swap(root: Path) -> Finding:
    text = _read(root / "proc/swaps")
    if text is None:
        return Finding("swap", "unknown", "the kernel does not say")
    used = text.splitlines()[1:]
    if not used:
        return Finding("swap", "ok", "none")
    return Finding(
        *("swap", "advice", f"{len(used)} in use: {', '.join(line.split()[0] for line in used)}"),
        "a page that was swapped out costs milliseconds when an order needs it",
        "swapoff -a, or vm.swappiness=0 and memory locked (LimitMEMLOCK=infinity)",
    )


def overcommit(root: Path) -> Finding:
    found = _read(root / "proc/sys/vm/overcommit_memory")
    if found != "2":
        return Finding(
            "memory overcommit", "ok", {"0": "as the kernel sees fit", "1": "always"}.get(found or "", "unknown")
        )
    return Finding(
        *("memory overcommit", "advice", "2: never"),
        "rings and tapes are mapped larger than they are filled, and may be refused",
        "sysctl vm.overcommit_memory=0",
    )


def huge_pages(root: Path) -> Finding:
    text = _read(root / "sys/kernel/mm/transparent_hugepage/enabled")
    chosen = re.search(r"\[(\w+)\]", text or "")
    if chosen is None:
        return Finding("transparent huge pages", "unknown", "the kernel does not say")
    if chosen[1] != "always":
        return Finding("transparent huge pages", "ok", chosen[1])
    return Finding(
        *("transparent huge pages", "advice", "always"),
        "the kernel stops a process while it puts pages together behind its back",
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
    )


def balancing(root: Path) -> Finding:
    found = _read(root / "proc/sys/kernel/numa_balancing")
    nodes = len(list(root.glob("sys/devices/system/node/node[0-9]*")))
    if found in (None, "0") or nodes < 2:
        return Finding("NUMA balancing", "ok", "off" if nodes > 1 else "one node")
    return Finding(
        *("NUMA balancing", "advice", f"on, {nodes} nodes"),
        "pages of rings and books are moved between nodes while they are used",
        "sysctl kernel.numa_balancing=0, and the engine and its clients on cores of one node",
    )
