"""Run every service of the settings on this machine, each a process, and keep them running.

\b
Examples:
  tapewire up                              what ./tapewire.toml asks for, until Ctrl-C
  tapewire up --only engine --only journal
  tapewire up --topology split             each service on a host of its own, as far as it can tell
  tapewire up --plan                       which processes, in which order
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import config_option, json_option
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    from tapewire.nats_server import NatsServer
    from tapewire.up.keeper import Keeper
    from tapewire.up.plan import Unit

LOOK_S = 0.1


@click.command(help=__doc__)
@config_option
@click.option(
    "--topology",
    type=click.Choice(["fused", "split"]),
    default="fused",
    show_default=True,
    help="split: engine, gateway, API, router each as a host of its own, joined by NATS alone.",
)
@click.option("--only", multiple=True, help="Only this one; may be given again.")
@click.option("--plan", "planned", is_flag=True, help="Print what would run, and end.")
@json_option
def command(path: Path | None, topology: str, only: tuple[str, ...], planned: bool, as_json: bool) -> None:
    from tapewire import stopping
    from tapewire.config import load_with_origins
    from tapewire.config.reader import DEFAULT
    from tapewire.nats_server import NatsServer
    from tapewire.up.hosts import split
    from tapewire.up.keeper import Keeper
    from tapewire.up.plan import plan

    stopping.begin()
    loaded = load_with_origins(path)
    if loaded.file is None:
        raise ConfigError("no settings: expected --config, TAPEWIRE_CONFIG or ./tapewire.toml")
    config, file = loaded.config, loaded.file.absolute()
    with ExitStack() as stack:
        environment: dict[str, str] = {}
        server = None
        if topology == "split" and loaded.origins["nats.url"] == DEFAULT and not planned:
            server = stack.enter_context(NatsServer(config.folders.nats.absolute()))
            environment["TAPEWIRE_NATS__URL"] = server.url
        units = split(config, file, environment) if topology == "split" else plan(config, file)
        units = chosen(units, only)
        if planned:
            show(units, as_json=as_json)
            return
        if not units:
            raise ConfigError(f"{file}: asks for no service; expected an [[instrument]], a [feed.<name>], sessions …")

        def say(unit: str, what: str) -> None:
            line = {"ts": time.time_ns(), "unit": unit, "event": what}
            click.echo(json.dumps(line) if as_json else f"{unit:<20} {what}")

        if server is not None:
            say("nats-server", f"listens at {server.url}")
        config.folders.prepare(config.rings)
        keep(Keeper(units, config.data / "logs", say), server, say)


def keep(keeper: Keeper, server: NatsServer | None, say: Callable[[str, str], None]) -> None:
    """Until a signal; then ends all in order."""
    from tapewire import stopping

    stop = threading.Event()
    stopping.on_stop(stop.set)
    try:
        while not stop.is_set():
            if server is not None and not server.pid:
                say("nats-server", "ended by itself, started again")
                server.restart()
            keeper.step(time.monotonic())
            stop.wait(LOOK_S)
    finally:
        for name in keeper.stop():
            say(name, "did not end in time, killed")
    say("all", "ended")


def chosen(units: list[Unit], only: tuple[str, ...]) -> list[Unit]:
    """Those that were asked for, all if none was. Raises ConfigError."""
    names = [unit.name for unit in units]
    for name in only:
        if name not in names:
            raise ConfigError(
                f"--only: {name!r} is not among {', '.join(names) or 'what these settings ask for: nothing'}"
            )
    return [unit for unit in units if not only or unit.name in only]


def show(units: list[Unit], *, as_json: bool) -> None:
    """One line for each."""
    for unit in units:
        if as_json:
            row = {"name": unit.name, "rank": unit.rank, "arguments": unit.arguments}
            click.echo(json.dumps(row | {"environment": dict(unit.environment)}))
        else:
            own = " ".join(f"{key}={value}" for key, value in unit.environment.items())
            click.echo(f"{unit.name:<20} {own}{' ' if own else ''}python -m {' '.join(unit.arguments)}")
