"""Check this host: clock, governor, cores, limits, memory, disk, time; say what to change and why.

\b
Examples:
  tapewire doctor                     the host and the data folder of the settings
  tapewire doctor --data /srv/tape    another disk
  tapewire doctor --json              for programs; exit status 1 if there is a problem
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from tapewire.cli._options import data_option, json_option
from tapewire.folders import SHARED_MEMORY

MARKS = {
    "ok": "[green]ok     [/]",
    "advice": "[yellow]advice [/]",
    "problem": "[red]problem[/]",
    "unknown": "[dim]unknown[/]",
}


@click.command(help=__doc__)
@data_option
@json_option
@click.pass_context
def command(ctx: click.Context, data: Path, as_json: bool) -> None:
    from rich.console import Console

    from tapewire.doctor import disk, host, limits, time_sync

    found = [
        *host.checks(Path("/")),
        *limits.checks(SHARED_MEMORY),
        *disk.checks(data.absolute()),
        *time_sync.checks(),
    ]
    if as_json:
        click.echo(json.dumps([one._asdict() for one in found], indent=2))
    else:
        console = Console(highlight=False)
        for one in found:
            console.print(f"{MARKS[one.state]} {one.check}: {one.found}", soft_wrap=True)
            if one.why:
                console.print(f"          why     {one.why}", style="dim", markup=False, soft_wrap=True)
                console.print(f"          change  {one.change}", markup=False, soft_wrap=True)
    if any(one.state == "problem" for one in found):
        ctx.exit(1)
