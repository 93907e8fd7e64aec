"""`tapewire replica`: reads configuration, sends and mirrors tapes until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import asyncio
from pathlib import Path

import click

from services.replica.context import Context
from services.replica.stream import Stream
from services.replica.tape import TapeReplica
from tapewire import config as configuration
from tapewire import health, lifecycle
from tapewire.config import Config
from tapewire.config.sections import MARKET_DATA
from tapewire.errors import ConfigError, TapewireError
from tapewire.lifecycle import run, stop_on_signals
from tapewire.logs import Logger, configure
from tapewire.replication.host import host_of
from tapewire.transports.nats import NatsTransport

SAY_EVERY_S = 1.0


async def serve(settings: Config, told: health.Health, log: Logger) -> None:
    stop = stop_on_signals()
    told.watch_loop(stop)
    own = settings.replica
    if not own.send and not own.mirror:
        raise ConfigError('replica.send, replica.mirror: name no tape; expected one, such as send = ["orders.0"]')
    folders = settings.folders
    folders.prepare(settings.rings)
    host = host_of(settings.data)
    tapes: list[tuple[Context, TapeReplica]] = []

    def away() -> None:
        for context, tape in tapes:
            context.reconnects += 1
            tape.away()

    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        failures.append(error)
        stop.set()

    transport = NatsTransport(settings.nats, name="replica", on_failure=fail, on_disconnected=away, log=log)
    await transport.connect()
    try:
        # A tape of both lists is mirrored by whoever does not write it: one setting for both hosts of a pair.
        for name in dict.fromkeys((*own.mirror, *own.send)):
            stream = Stream(transport, settings.env, name)
            context = Context(settings.env, folders.tape(name), folders.stats, host, own, transport, stream, log)
            tapes.append((context, TapeReplica(context, mirror=name in own.mirror)))
        # No order waits for market data: a copy that lags, or that nobody sends yet, makes no service here unfit.
        counted = [one for one, _ in tapes if not (one.name.startswith(MARKET_DATA) and one.name in own.mirror)]
        told.check(
            ready=lambda: [why for context in counted for why in context.reasons()],
            detail=lambda: "  ".join(context.detail() for context, _ in tapes),
        )
        await _run_all(tapes, stop, log)
    finally:
        await transport.drain()
    if failures:
        raise failures[0]


async def _run_all(tapes: list[tuple[Context, TapeReplica]], stop: asyncio.Event, log: Logger) -> None:
    """A tape that must not go on does not hold up the others; once none is left, the first one's reason is raised."""
    tasks = {asyncio.create_task(tape.run(stop)): context for context, tape in tapes}
    running, failed = set(tasks), list[TapewireError]()
    while running:
        done, running = await asyncio.wait(running, timeout=SAY_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            try:
                task.result()
            except TapewireError as error:
                log.error("given up", tape=tasks[task].name, reason=str(error))
                failed.append(error)
        for task, context in tasks.items():
            if task.done() and running:
                context.say_again()
    if failed:
        raise failed[0]


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Carries tapes to other hosts by JetStream, and takes them over when told."""
    settings = configuration.load(path)
    with health.serve(settings, "replica") as told:
        run(serve(settings, told, configure("replica")))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire replica")
