"""`tapewire relay`: reads configuration, carries rings' records between hosts until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import asyncio
from contextlib import AsyncExitStack
from itertools import groupby
from pathlib import Path

import click

from services.relay.inward import Inward
from services.relay.outward import Outward
from tapewire import config as configuration
from tapewire import health, lifecycle
from tapewire.config import Config
from tapewire.errors import ConfigError, TapewireError
from tapewire.health import Health
from tapewire.interfaces import OnFailure
from tapewire.lifecycle import run, stop_on_signals
from tapewire.logs import Logger, configure
from tapewire.relay import RingName, names
from tapewire.transports import nats_access
from tapewire.transports.nats import NatsTransport

NAME = "relay"


async def serve(settings: Config, log: Logger) -> None:
    stop, failures = stop_on_signals(), list[BaseException]()

    def fail(error: BaseException) -> None:
        failures.append(error)
        stop.set()

    with health.serve(settings, NAME) as told:
        told.watch_loop(stop)
        try:
            await carry(settings, log, told, stop, fail)
        except* TapewireError as errors:
            failures += errors.exceptions
    log.info("stopped")
    if failures:
        raise failures[0]


async def carry(settings: Config, log: Logger, told: Health, stop: asyncio.Event, fail: OnFailure) -> None:
    listed = sorted(names(settings, settings.relay.out), key=_tape)
    outward = [Outward(list(group), settings, log) for _, group in groupby(listed, key=_tape)]
    sides = [side.reasons for side in outward]
    nats_access.check(settings.nats, *(name.user for name in listed), *([NAME] if settings.relay.inward else ()))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for side in outward:
            tasks.create_task(side.run(stop, fail))
        if taken := names(settings, settings.relay.inward):
            transport = NatsTransport(settings.nats, name=NAME, on_failure=fail, log=log)
            await transport.connect()
            stack.push_async_callback(transport.drain)
            inward = Inward(taken, settings, transport, log)
            sides.append(inward.reasons)
            tasks.create_task(inward.run(stop))
        told.check(
            ready=lambda: [why for found in sides for why in found()],
            detail=lambda: f"{sum(side.lag for side in outward)} bytes on their way",
        )
        await stop.wait()
        told.drain()


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
