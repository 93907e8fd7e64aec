"""`python -m bench NAME ... | all [--json FILE] [--quick]`: measures, prints a table, writes the rows as JSON."""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import sys
import traceback
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from bench import build
from bench.harness import Row

HERE = Path(__file__).resolve().parent
NOT_BENCHES = {"__init__", "__main__", "build", "harness", "probes", "report"}


def bench_names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("[a-z]*.py") if path.stem not in NOT_BENCHES)


def machine_name() -> str:
    """What the results depend on: the processor and how many cores of it there are."""
    found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    model = found[1] if found else platform.machine()
    return re.sub(r"[^a-z0-9]+", "-", f"{model} {os.cpu_count()} cores".lower()).strip("-")


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table_of(title: str, rows: list[Row]) -> Table:
    table = Table(title=title, title_justify="left")
    for column, justify in (("id", "left"), ("what", "left"), ("value", "right"), ("min - max", "right")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    table.add_column("unit")
    table.add_column("ratio", justify="right")
    table.add_column("to")
    table.add_column("n", justify="right")
    for row in rows:
        spread = f"{number(row.spread[0])} - {number(row.spread[1])}" if row.spread else ""
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.id, row.metric, number(row.value), spread, row.unit, ratio, row.probe, f"{row.n:,}")
    return table


@click.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice([*bench_names(), "all"]), metavar="NAME...|all")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the rows.")
@click.option("--quick", is_flag=True, help="A twentieth of the samples: a look, not a result.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".tapewire/bench"),
    show_default=True,
    help="Scratch room, on the disk that is to be measured.",
)
def main(names: tuple[str, ...], target: Path | None, quick: bool, folder: Path) -> None:
    """Measures NAME... or all, beside the probes they are judged against."""
    wanted = bench_names() if "all" in names else list(dict.fromkeys(names))
    build.build(wanted)
    from bench.probes import Probes  # needs what was just compiled

    console = Console(width=None if sys.stdout.isatty() else 140)
    probes = Probes(folder, quick=quick)
    if target is None and "all" in names and not quick:
        target = HERE / "results" / f"{machine_name()}.json"
    probe_rows = [Row(id="probe", metric=name, value=probes.value(name), unit="ns") for name in probes.names]
    console.print(table_of(f"probes (load average {os.getloadavg()[0]:.2f})", probe_rows))
    rows, failed = list(probe_rows), []
    for name in wanted:
        try:
            found = list(importlib.import_module(f"bench.{name}").run(probes))
        except Exception:  # noqa: BLE001 - shown at once, and the exit code says that one failed
            traceback.print_exc()
            failed.append(name)
            continue
        console.print(table_of(name, found))
        rows += found
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(msgspec.to_builtins(rows), indent=1) + "\n")
        console.print(f"wrote {len(rows)} rows to {target}")
    if failed:
        console.print(f"[red]failed: {', '.join(failed)}[/red]")
        sys.exit(1)


if __name__ == "__main__":
    main()
