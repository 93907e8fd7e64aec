"""One process, measured for some seconds with all that the kernel allows, and what it does not allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tapewire.perf import threads, tools
from tapewire.perf.tools import Call, Refused
from tapewire.plot.words import duration

SHOWN: Final = 6


@dataclass(slots=True)
class Report:
    """`calls_by` names what counted the system calls; "": nothing could. Counts are of `seconds`."""

    service: str
    pid: int
    seconds: float
    threads: list[threads.Thread]
    calls: list[Call] = field(default_factory=list)
    calls_by: str = ""
    counters: dict[str, float] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(service: str, pid: int, seconds: float, *, with_strace: bool, path: str | None = None) -> Report:
    """Raises OSError if the process is gone or another user's. `path`: where programs are looked for, else PATH."""
    tracing, counting = tools.trace(pid, seconds, path), tools.counters(pid, seconds, path)
    try:
        watched = threads.watch(pid, seconds)
        report = Report(service, pid, watched.seconds, watched.threads)
        report.refused = [Refused(f"/proc/{pid}/{name}", why) for name, why in watched.refused.items()]
        _take_counters(report, counting.finish(1.0))
        _take_calls(report, "perf trace", tracing.finish(1.0))
    finally:
        tracing.end()
        counting.end()
    if not report.calls_by and with_strace:
        stopping = tools.strace(pid, path)
        try:
            threads.watch(pid, seconds)
            stopping.interrupt()
            _take_calls(report, "strace", stopping.finish(1.0))
        finally:
            stopping.end()
    elif not report.calls_by:
        report.refused.append(Refused("strace", "not asked for: it stops the process at each call (--strace)"))
    return report


def _take_counters(report: Report, said: str | Refused) -> None:
    if isinstance(said, Refused):
        report.refused.append(said)
    else:
        report.counters, refused = tools.counts_of_stat(said)
        report.refused += refused


def _take_calls(report: Report, tool: str, said: str | Refused) -> None:
    if isinstance(said, Refused):
        report.refused.append(said)
        return
    read = tools.calls_of_trace if tool == "perf trace" else tools.calls_of_strace
    report.calls, report.calls_by = read(said), tool


def words(report: Report) -> Iterator[str]:
    """For people."""
    yield f"{report.service}, pid {report.pid}, {report.seconds:.1f} s"
    yield ""
    yield f"  {'thread':<18}{'on CPU':>9}{'waits':>9}{'asleep':>9}{'switches/s':>12}{'preempted/s':>12}  sleeps in"
    whole = report.seconds * 1e9
    for one in report.threads:
        total = one.asleep_in.total()
        where = ", ".join(f"{name} {count / total:.0%}" for name, count in one.asleep_in.most_common(2))
        yield (
            f"  {f'{one.name} {one.tid}':<18}{one.on_cpu / whole:>9.2%}{one.waiting / whole:>9.2%}"
            f"{one.asleep / whole:>9.2%}{one.voluntary / report.seconds:>12,.0f}"
            f"{one.involuntary / report.seconds:>12,.0f}  {where}"
        )
    busiest = report.threads[0] if report.threads else None
    if busiest is not None and busiest.stacks:
        yield ""
        yield f"  where {busiest.name} {busiest.tid} sleeps, innermost first:"
        total = busiest.stacks.total()
        for stack, count in busiest.stacks.most_common(SHOWN):
            yield f"    {count / total:>5.0%}  {stack}"
    yield ""
    if report.calls_by:
        yield f"  system calls, by {report.calls_by}:"
        yield f"    {'thread':>8}  {'call':<18}{'per s':>10}{'failed':>8}{'time':>10}{'longest':>10}"
        for call in sorted(report.calls, key=lambda one: -one.calls)[: 2 * SHOWN]:
            longest = duration(call.max_ms * 1e6) if call.max_ms else "-"
            thread = str(call.tid) if call.tid else "all"
            share = call.total_ms / report.seconds / 1e3
            yield (
                f"    {thread:>8}  {call.name:<18}{call.calls / report.seconds:>10,.0f}{call.errors:>8,}"
                f"{share:>10.1%}{longest:>10}"
            )
        if not report.calls:
            yield "    none"
    else:
        yield "  system calls: could not be counted, see below"
    if report.counters:
        yield ""
        yield "  counters: " + ", ".join(f"{name} {value:,.0f}" for name, value in report.counters.items())
    if report.refused:
        yield ""
        yield "  not measured:"
        for refusal in report.refused:
            yield f"    {refusal.tool}: {refusal.why}"
