"""`tapewire relay`: reads configuration, carries rings' records between hosts until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import asyncio
from itertools import groupby
from pathlib import Path

import click

from services.relay.inward import Inward
from services.relay.outward import Outward
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.config import Config
from tapewire.errors import ConfigError
from tapewire.lifecycle import run, stop_on_signals
from tapewire.logs import Logger, configure
from tapewire.relay import RingName, names
from tapewire.transports.nats import NatsTransport

NAME = "relay"


async def serve(settings: Config, log: Logger) -> None:
    stop, failures = stop_on_signals(), list[BaseException]()

    def fail(error: BaseException) -> None:
        failures.append(error)
        stop.set()

    outward = [
        Outward(list(group), settings, log)
        for _, group in groupby(sorted(names(settings, settings.relay.out), key=_tape), key=_tape)
    ]
    transport = None
    async with asyncio.TaskGroup() as tasks:
        for side in outward:
            tasks.create_task(side.run(stop, fail))
        if inward := names(settings, settings.relay.inward):
            transport = NatsTransport(settings.nats, name=NAME, on_failure=fail, log=log)
            await transport.connect()
            tasks.create_task(Inward(inward, settings, transport, log).run(stop))
    if transport is not None:
        await transport.drain()
    log.info("stopped")
    if failures:
        raise failures[0]


def _tape(name: RingName) -> str:
    return name.tape


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Carries the records of producers' rings to the host of their engine, each once."""
    settings = configuration.load(path)
    if not settings.relay.out and not settings.relay.inward:
        raise ConfigError(
            "relay: neither out nor in is set; expected the producers of this host whose engine is elsewhere (out), "
            "or producers elsewhere whose engine is here (in)"
        )
    settings.folders.prepare(settings.rings)
    run(serve(settings, configure(NAME)))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire relay")
