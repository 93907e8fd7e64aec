"""Run every service of the settings on this machine, each a process, and keep them running.

\b
Examples:
  tapewire up                              what ./tapewire.toml asks for, until Ctrl-C
  tapewire up --only engine --only journal
  tapewire up --plan                       which processes, in which order
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import click

from tapewire.cli._options import json_option
from tapewire.errors import ConfigError

LOOK_S = 0.1


@click.command(help=__doc__)
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--only", multiple=True, help="Only this one; may be given again.")
@click.option("--plan", "planned", is_flag=True, help="Print what would run, and end.")
@json_option
def command(path: Path | None, only: tuple[str, ...], planned: bool, as_json: bool) -> None:
    from tapewire import stopping
    from tapewire.config import load_with_origins
    from tapewire.up.keeper import Keeper
    from tapewire.up.plan import plan

    stopping.hold()
    loaded = load_with_origins(path)
    if loaded.file is None:
        raise ConfigError("no settings: expected --config, TAPEWIRE_CONFIG or ./tapewire.toml")
    units = plan(loaded.config, loaded.file.absolute())
    names = [unit.name for unit in units]
    for name in only:
        if name not in names:
            raise ConfigError(
                f"--only: {name!r} is not among {', '.join(names) or 'what these settings ask for: nothing'}"
            )
    units = [unit for unit in units if not only or unit.name in only]
    if planned:
        rows = [{"name": unit.name, "rank": unit.rank, "arguments": unit.arguments} for unit in units]
        for row, unit in zip(rows, units, strict=True):
            click.echo(json.dumps(row) if as_json else f"{unit.name:<20} python -m {' '.join(unit.arguments)}")
        return
    if not units:
        raise ConfigError(
            f"{loaded.file}: asks for no service; expected an [[instrument]], a [feed.<name>], sessions …"
        )

    def say(unit: str, what: str) -> None:
        click.echo(json.dumps({"ts": time.time_ns(), "unit": unit, "event": what}) if as_json else f"{unit:<20} {what}")

    loaded.config.folders.prepare(loaded.config.rings)
    keeper = Keeper(units, loaded.config.data / "logs", say)
    stop = threading.Event()
    stopping.on_stop(stop.set)
    try:
        while not stop.is_set():
            keeper.step(time.monotonic())
            stop.wait(LOOK_S)
    finally:
        for name in keeper.stop():
            say(name, "did not end in time, killed")
    say("all", "ended")
