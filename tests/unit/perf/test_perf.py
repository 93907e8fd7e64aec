from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tapewire.perf import report, threads, tools

SLEEPER = "import time\nprint(1, flush=True)\nwhile True: time.sleep(0.002)"
SPINNER = "print(1, flush=True)\nwhile True: pass"
CALLER = "import os\nprint(1, flush=True)\nn = os.open('/dev/null', os.O_WRONLY)\nwhile True: os.write(n, b'x')"


@pytest.fixture
def run() -> Iterator[object]:
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        started.append(process)
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_sleeper_sleeps_and_a_spinner_runs_or_waits(run) -> None:  # type: ignore[no-untyped-def]
    pid = run(SLEEPER)
    (sleeper,) = threads.watch(pid, 0.4).threads
    ends = time.monotonic() + 30
    while sleeper.voluntary <= 5 and time.monotonic() < ends:  # who is not let run does not go to sleep either
        (sleeper,) = threads.watch(pid, 0.4).threads
    (spinner,) = threads.watch(run(SPINNER), 0.4).threads
    # On a busy machine a sleeper waits for a core each time it wakes.
    assert sleeper.asleep + sleeper.waiting > 0.5 * 0.4e9
    assert sleeper.asleep > spinner.asleep
    assert sleeper.voluntary > max(5, spinner.voluntary)
    assert sleeper.asleep_in.total() > 2
    assert spinner.on_cpu + spinner.waiting > 0.7 * 0.4e9
    assert spinner.asleep_in.total() <= 3


def test_without_any_tool_the_report_says_what_is_missing_and_shows_the_rest(run) -> None:  # type: ignore[no-untyped-def]
    found = report.measure("engine.0", run(SLEEPER), 0.2, with_strace=True, path="/nowhere")
    reasons = {refusal.tool: refusal.why for refusal in found.refused}
    assert reasons["perf trace"] == "perf is not installed"
    assert reasons["perf stat"] == "perf is not installed"
    assert reasons["strace"] == "strace is not installed"
    text = "\n".join(report.words(found))
    assert "could not be counted" in text
    assert "perf trace: perf is not installed" in text
    assert f"{found.threads[0].tid}" in text


def test_strace_is_only_used_when_asked_for(run) -> None:  # type: ignore[no-untyped-def]
    found = report.measure("engine.0", run(SLEEPER), 0.1, with_strace=False, path="/nowhere")
    assert {refusal.tool: refusal.why for refusal in found.refused}["strace"].startswith("not asked for")


def test_system_calls_are_counted_where_the_kernel_allows(run) -> None:  # type: ignore[no-untyped-def]
    found = report.measure("engine.0", run(CALLER), 0.5, with_strace=True)
    if not found.calls_by:
        reasons = {refusal.tool: refusal.why for refusal in found.refused}
        assert {"perf trace", "strace"} <= set(reasons)
        assert all(reasons.values())
        pytest.skip(f"this kernel counts no system calls: {reasons}")
    calls = {call.name: call.calls for call in found.calls}
    assert calls["write"] > 100


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="takes root, to become somebody else")
def test_somebody_elses_process_is_refused_with_a_reason(run) -> None:  # type: ignore[no-untyped-def]
    code = f"from tapewire.perf import threads; print(threads.watch({run(SLEEPER)}, 0.1).refused)"
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", code], capture_output=True, text=True
    )
    if "ModuleNotFoundError" in done.stderr or "ermission" in done.stderr.partition("Error")[0]:
        pytest.skip("nobody may not read this folder")
    assert "stack" in done.stdout or "wchan" in done.stdout, done.stderr


def test_the_tables_of_perf_and_strace_are_read() -> None:
    traced = """
 Summary of events:

 python (758), 820 events, 95.3%

   syscall            calls  errors  total       min       avg       max       stddev
                                     (msec)    (msec)    (msec)    (msec)        (%)
   --------------- --------  ------ -------- --------- --------- ---------     ------
   futex                212     18   889.680     0.000     4.197    14.195      7.31%
   fdatasync             99      0    52.443     0.122     0.530     4.297     10.43%
"""
    assert tools.calls_of_trace(traced) == [
        tools.Call(758, "futex", 212, 18, 889.68, 14.195),
        tools.Call(758, "fdatasync", 99, 0, 52.443, 4.297),
    ]
    straced = """
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 67.83    0.077504         112       687       112 futex
 25.16    0.028744          98       291           fdatasync
------ ----------- ----------- --------- --------- ----------------
100.00    0.114265          89      1270       113 total
"""
    assert tools.calls_of_strace(straced) == [
        tools.Call(0, "futex", 687, 112, 77.504, 0.0),
        tools.Call(0, "fdatasync", 291, 0, 28.744, 0.0),
    ]
    counted = "22.01,msec,task-clock,22010000,100.00,0.022,CPUs utilized\n<not supported>,,cycles,0,100.00,,\n"
    counts, refused = tools.counts_of_stat(counted)
    assert counts == {"task-clock": 22.01}
    assert [one.tool for one in refused] == ["cycles"]
