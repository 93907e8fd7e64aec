"""Carries producers' rings to the host of their engine, each record once; or says how it is with them.

Without a subcommand, the service itself.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

import click

from tapewire.cli._options import config_option, data_option, json_option


@click.group(invoke_without_command=True)
@config_option
@click.pass_context
def command(context: click.Context, path: Path | None) -> None:
    """Run the relay of this host; or see how it is with its rings.

    \b
    tapewire relay --config tapewire.toml
    tapewire relay status
    tapewire relay status --json
    """
    if context.invoked_subcommand is not None:
        return
    if context.find_root().params.get("debug"):
        os.environ["TAPEWIRE_DEBUG"] = "1"
    sys.argv = ["tapewire relay", *(["--config", str(path)] if path else [])]
    runpy.run_module("services.relay", run_name="__main__", alter_sys=True)


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """How far each ring of this host is carried, as the relay counts once a second.

    \b
    tapewire relay status
    tapewire relay status --json
    """
    from tapewire.folders import Folders
    from tapewire.histogram import StatsPage
    from tapewire.relay import counters

    rows = []
    for (side, ring), path in counters.pages(Folders(data)).items():
        with StatsPage.open(path) as page:
            rows.append({"side": side, "ring": ring, "running": page.writer_alive, **page.counters()})
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        click.echo(f"{data}: no relay has run here")
    for row in rows:
        counts = {name: value for name, value in row.items() if name not in ("side", "ring", "running")}
        figures = "  ".join(f"{name} {value:,}" for name, value in counts.items())
        click.echo(f"{row['side']:<4} {row['ring']:<28} {'' if row['running'] else 'NOT RUNNING  '}{figures}")
