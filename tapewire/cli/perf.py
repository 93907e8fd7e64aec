"""Why a service does not run, and its system calls: as far as the kernel tells, and why where it does not."""

from __future__ import annotations

from pathlib import Path

import click

from tapewire.cli._options import data_option, json_option
from tapewire.errors import TapewireError


@click.command()
@click.argument("service")
@click.option("--seconds", type=click.FloatRange(min=0.1, max=300), default=5.0, show_default=True)
@click.option("--strace", "with_strace", is_flag=True, help="If nothing else counts system calls: by stopping at each.")
@data_option
@json_option
def command(service: str, seconds: float, with_strace: bool, data: Path, as_json: bool) -> None:
    """Measures the processes of SERVICE (engine, flusher, connector.kraken, …): for each thread its time on the CPU,
    waiting for one, and asleep, and in what; system calls with their times; counters of kernel and CPU.

    Uses perf where it is installed and allowed (tracepoints take root, or kernel.perf_event_paranoid -1), and /proc
    everywhere. What could not be measured is listed with the reason. System calls on a hot path are what this is for:
    an engine at rest shows futex, under load with durability `disk` one pwrite64 and one fdatasync a batch, and no
    others.

    \b
    tapewire perf engine --data .tapewire/demo
    tapewire perf flusher --seconds 10 --json
    """
    import orjson

    from tapewire.folders import Folders
    from tapewire.metrics import processes
    from tapewire.perf import report

    folders = Folders(data)
    running = processes.find((folders.data, folders.rings))
    wanted = [one for one in running if one.service == service or one.service.startswith(f"{service}.")]
    if not wanted:
        there = ", ".join(sorted({one.service for one in running})) or "none"
        raise TapewireError(f"no process of {service} works on {data}; there are: {there}. See --data")
    reports = []
    for one in wanted:
        try:
            reports.append(report.measure(one.service, one.pid, seconds, with_strace=with_strace))
        except OSError as error:
            raise TapewireError(f"{one.service}, pid {one.pid}: cannot be looked at: {error.strerror}") from error
    if as_json:
        click.echo(orjson.dumps([one.to_dict() for one in reports], option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n\n".join("\n".join(report.words(one)) for one in reports))
