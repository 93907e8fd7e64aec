"""`tapewire journal`: reads configuration, tails the orders tape of one shard, publishes until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import asyncio
import time
from pathlib import Path

import click

from services.journal.checkpoint import Checkpoint
from services.journal.publisher import SERVICE, Publisher
from services.journal.standing_by import until_copied, until_ours
from tapewire import config as configuration
from tapewire import health, house, lifecycle
from tapewire.bus import schemas
from tapewire.bus.permissions import bucket
from tapewire.config import Config
from tapewire.errors import TapeDamaged, TapeError, TransportError
from tapewire.health import Health
from tapewire.interfaces import OnFailure
from tapewire.latest import outlet as latest
from tapewire.lifecycle import run, stop_on_signals
from tapewire.logs import Logger, configure
from tapewire.stages import StageWriter
from tapewire.tape import TapeReader
from tapewire.transports import nats_access
from tapewire.transports.nats import NatsTransport

TAPE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1


async def serve(settings: Config, log: Logger) -> None:
    stop, failures = stop_on_signals(), list[BaseException]()

    def fail(error: BaseException) -> None:
        failures.append(error)
        stop.set()

    nats_access.check(settings.nats, SERVICE)  # now, and not when this host takes the market over
    with health.serve(settings, SERVICE) as told:
        told.watch_loop(stop)
        await publish(settings, log, told, stop, fail)
    if failures:
        raise failures[0]


async def publish(settings: Config, log: Logger, told: Health, stop: asyncio.Event, fail: OnFailure) -> None:
    tape = settings.folders.orders_tape(settings.engine.shard)
    reader = await open_tape(tape, stop, log)
    if reader is None:
        return
    checkpoint = Checkpoint(tape, log)
    if reader.mirror:  # whoever waits for this host waits for one that could take over, which the engine's health says
        told.check(ready=list, detail=lambda: "standing by")
    if not await until_ours(reader, checkpoint, settings.env, settings.publisher.snapshot_every, stop, log):
        checkpoint.close()
        reader.close()
        return
    told.check(ready=lambda: ["starting"])
    settings.folders.prepare(settings.rings)
    stages = StageWriter(settings.folders.stages(tape.name, "publisher"))
    values = latest.page(settings, house.FEED)
    transport = NatsTransport(settings.nats, name="journal", on_failure=fail, log=log)
    await transport.connect()
    try:
        await keep_schemas(transport, settings.env, log)
        publisher = Publisher(
            env=settings.env,
            shard=settings.engine.shard,
            settings=settings.publisher,
            tape=reader,
            checkpoint=checkpoint,
            transport=transport,
            log=log,
            now=time.time_ns,
            stages=stages,
            told_as=settings.health.told_as(SERVICE),
            latest=values.put if values is not None else latest.nowhere,
        )
        told.check(ready=publisher.reasons, detail=publisher.figures)
        watching = asyncio.create_task(until_copied(reader, stop, log))
        try:
            await publisher.run(stop)
        finally:
            watching.cancel()
    finally:
        told.drain()
        await transport.drain()
        checkpoint.close()
        reader.close()
        stages.close()
        if values is not None:
            values.close()


async def keep_schemas(transport: NatsTransport, env: str, log: Logger) -> None:
    """On a server without JetStream the schemas are to be had by request alone."""
    try:
        put = await schemas.keep(transport, env)
    except TransportError as error:
        log.warning("schemas_not_kept", reason=str(error))
        return
    log.info("schemas_kept", bucket=bucket(env), changed=put)


async def open_tape(tape: Path, stop: asyncio.Event, log: Logger) -> TapeReader | None:
    """The reader, once the engine has made the tape; None if we are stopped before. Raises TapeError after a minute."""
    deadline, said = time.monotonic() + TAPE_WITHIN_S, False
    while not stop.is_set():
        try:
            return TapeReader(tape, from_seq=1, limit="released")
        except TapeDamaged:
            raise
        except TapeError as error:
            # Not there yet, or just being made.
            if time.monotonic() > deadline:
                raise
            if not said:
                log.info("waiting_for_tape", reason=str(error), seconds=TAPE_WITHIN_S)
                said = True
        await asyncio.sleep(LOOK_EVERY_S)
    return None


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Republishes one shard's orders tape on the bus: trades, quotes, books, private reports, the raw records."""
    settings = configuration.load(path)
    run(serve(settings, configure("journal")))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire journal")
