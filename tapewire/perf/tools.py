"""The kernel's own instruments, by programs that may be there or not. Each result is figures, or why there are none."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GRACE_S: Final = 10.0
"""What a tool may take beyond the time that it measures, to start and to sum up."""
_PARANOID: Final = Path("/proc/sys/kernel/perf_event_paranoid")
_THREAD: Final = re.compile(r"^ (.+) \((\d+)\), (\d+) events")
_CALL: Final = re.compile(r"^\s+(\w+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s")
_STRACE: Final = re.compile(r"^\s*[\d.]+\s+([\d.]+)\s+\d+\s+(\d+)\s+(?:(\d+)\s+)?(\w+)$")
COUNTERS: Final = ("task-clock", "context-switches", "cpu-migrations", "page-faults", "cycles", "instructions")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call of one thread (tid 0: of all): how often, how often it failed, and ms in it; max 0: not known."""

    tid: int
    name: str
    calls: int
    errors: int
    total_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Refused:
    tool: str
    why: str


class Tool:
    """A program that measures beside us. `finish` waits for it."""

    def __init__(self, name: str, arguments: Sequence[str], path: str | None) -> None:
        self.name = name
        self._process: subprocess.Popen[str] | None = None
        program = shutil.which(arguments[0], path=path)
        self._why = "" if program else f"{arguments[0]} is not installed"
        if program:
            self._process = subprocess.Popen(
                [program, *arguments[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, "LC_ALL": "C"},
            )

    def finish(self, seconds: float) -> str | Refused:
        """All it said, within `seconds` and some grace; or why it said nothing."""
        if self._process is None:
            return Refused(self.name, self._why)
        try:
            out, err = self._process.communicate(timeout=seconds + GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Refused(self.name, f"did not end within {seconds + GRACE_S:g} s")
        if self._process.returncode not in (0, -signal.SIGINT):
            return Refused(self.name, _reason(err or out))
        return f"{out}\n{err}"

    def interrupt(self) -> None:
        """Asks it to sum up now."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Ends it, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def trace(pid: int, seconds: float, path: str | None = None) -> Tool:
    """System calls by the kernel's tracepoints: costs the traced thread about 1 µs a call."""
    return Tool("perf trace", ["perf", "trace", "-s", "-p", str(pid), "--", "sleep", f"{seconds:.3f}"], path)


def strace(pid: int, path: str | None = None) -> Tool:
    """System calls by stopping the process at each: 20 to 50 µs a call."""
    return Tool("strace", ["strace", "-c", "-f", "-p", str(pid)], path)


def counters(pid: int, seconds: float, path: str | None = None) -> Tool:
    """Counters of kernel and CPU."""
    events = ",".join(COUNTERS)
    return Tool(
        "perf stat", ["perf", "stat", "-x,", "-e", events, "-p", str(pid), "--", "sleep", f"{seconds:.3f}"], path
    )


def calls_of_trace(text: str) -> list[Call]:
    """Out of `perf trace -s`: a table for each thread."""
    found, tid = [], 0
    for line in text.splitlines():
        if thread := _THREAD.match(line):
            tid = int(thread[2])
        elif tid and (call := _CALL.match(line)):
            name, calls, errors, total, _, _, most = call.groups()
            found.append(Call(tid, name, int(calls), int(errors), float(total), float(most)))
    return found


def calls_of_strace(text: str) -> list[Call]:
    """Out of `strace -c`: one table for the process."""
    return [
        Call(0, call[4], int(call[2]), int(call[3] or 0), float(call[1]) * 1e3, 0.0)
        for line in text.splitlines()
        if (call := _STRACE.match(line)) and call[4] != "total"
    ]


def counts_of_stat(text: str) -> tuple[dict[str, float], list[Refused]]:
    """Out of `perf stat -x,`: counts by name, and what this machine does not count."""
    found: dict[str, float] = {}
    refused = []
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) < 3 or fields[2].partition(":")[0] not in COUNTERS:
            continue
        name, value = fields[2].partition(":")[0], fields[0]
        if value == "<not supported>":
            refused.append(Refused(name, "this CPU, or the virtual machine, has no such counter"))
        elif value == "<not counted>":
            refused.append(Refused(name, "the thread did not run meanwhile"))
        else:
            found[name] = float(value)
    return found, refused


def _reason(said: str) -> str:
    """What a person needs of a tool's complaint: its first lines, and the setting that is most often behind it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = " ".join(lines[:2])[:300] or "it said nothing"
    if "ermi" in text or "paranoid" in said:
        text += f" (kernel.perf_event_paranoid is {_PARANOID.read_text().strip()}, uid {os.geteuid()})"
    return text
