"""`tapewire engine`: reads configuration, recovers, runs until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import threading
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import click

from services.engine import Engine, configured
from services.engine.agent import EngineAgent
from services.engine.asked import COUNTERS, HISTOGRAMS, Asked
from services.engine.bus_line import BusLine
from services.engine.producers import inbound_rings, take_ring
from services.engine.standby import Standby
from tapewire import config as configuration
from tapewire import health, lifecycle
from tapewire.config import Config
from tapewire.consumers import ConsumerPosition
from tapewire.errors import ConfigError
from tapewire.histogram import StatsPage
from tapewire.logs import Logger, configure
from tapewire.process import pin
from tapewire.ring import Doorbell
from tapewire.snapshots import Snapshot
from tapewire.transports import nats_access

SERVICE = "engine"
CONSUMER = "engine"  # a restart needs the records behind its position
SPLIT_BATCH = 16  # commands of topology split: each takes two round trips, and no answer leaves before the last


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--standby", is_flag=True, help="Follow a mirrored tape, and go on with it once this host takes it over.")
def main(path: Path | None, standby: bool) -> None:
    """Runs one shard of the market: every command checked, sequenced, matched, durable, then answered.

    \b
    With --standby it folds the tape that `tapewire replica` mirrors, until `tapewire promote`; where this host wrote
    the tape last and nobody took it, it goes on at once:
      tapewire engine --standby --config standby.toml
    """
    settings = configuration.load(path)
    own, folders = settings.engine, settings.folders
    folders.prepare(settings.rings)
    log = configure("engine")
    told = health.serve(settings, SERVICE if own.shard == 0 else f"{SERVICE}-{own.shard}")
    rings = inbound_rings(folders, own.shard, own.producers)
    operators = [ring for ring in rings if ring.role == "operator"]
    if not operators:
        raise ConfigError(
            f"engine.producers: holds {[one.name for one in own.producers]}, none of the role operator; "
            'expected one, such as { name = "operator", role = "operator" }: instruments and accounts are sent by it'
        )
    pin(own.core)
    tape = folders.orders_tape(own.shard)
    state: Snapshot | None = None
    if own.topology == "split":
        nats_access.check(settings.nats, "engine")  # now, and not when this host takes the market over
    if standby:
        state = stand_by(settings, told, log)
        if state is None:
            told.close()
            return
    services = split(settings, log) if own.topology == "split" else None
    engine = Engine(
        tape,
        rings,
        name=tape.name,
        durability=own.durability,
        segment_bytes=own.segment_bytes,
        ring_bytes=own.ring_bytes,
        max_batch=own.max_batch if services is None else min(own.max_batch, SPLIT_BATCH),
        doorbell=folders.doorbell(own.shard),
        stats=folders.stats / f"engine.{own.shard}",
        stages=folders.stages(tape.name, "engine"),
        version=version("tapewire"),
        state=state if state is not None and state.seq else None,
        services=services,
    )
    found = engine.recovery
    log.info(
        "recovered",
        tape=str(tape),
        next_seq=engine.next_seq,
        epoch=engine.epoch,
        snapshot=found.snapshot_seq,
        records=found.records,
        missing_events=found.missing_events,
        torn_bytes=found.torn_bytes,
        seconds=round(found.seconds, 4),
        digest=engine.digest(),
    )
    for refused in found.refused_snapshots:
        log.warning("snapshot passed over", reason=refused)
    beat = told.pulse("duty cycle").beat
    for service in services or ():
        service.waiting = beat
    agent = EngineAgent(
        engine,
        idle=own.idle,
        snapshot_every=own.snapshot_every,
        background_sync=own.durability == "memory",
        log=log,
        restart=ConsumerPosition(tape, CONSUMER),
        turned=beat,
    )
    stopping.on_stop(told.draining(agent.stop))
    commands = [bytes(c) for c in configured.pending(settings.instruments, settings.accounts, engine.definitions())]
    refusals = configured.Refusals(tape, operators[0].source, operators[0].path, log)
    with Doorbell(folders.doorbell(own.shard)) as bell:
        feed = configured.Feed(take_ring(operators[0].path, bell), commands)

        def look() -> None:
            feed.step()
            refusals.report(feed.until)
            for service in services or ():
                service.tend()

        def reasons() -> list[str]:
            away = [f"{service.name} is away: {service.away}" for service in services or () if service.away]
            return [*agent.reasons(), *away]

        look()
        agent.start()
        told.check(ready=reasons, detail=lambda: f"next_seq={engine.next_seq} epoch={engine.epoch}")
        agent.watch(look)
    refusals.close()
    log.info("stopped", next_seq=engine.next_seq, digest=agent.digest, **engine.counters)
    told.close()
    engine.close()


def stand_by(settings: Config, told: health.Health, log: Logger) -> Snapshot | None:
    """Until this host may write the tape; None: asked to stop before."""
    own, tape = settings.engine, settings.folders.orders_tape(settings.engine.shard)
    asked = threading.Event()
    stopping.on_stop(asked.set)
    pulse = told.pulse("standby")
    standby = Standby(tape, snapshot_every=own.snapshot_every, version=version("tapewire"), log=log, turned=pulse.beat)
    told.check(ready=standby.reasons, detail=lambda: f"standing by seq={standby.seq}")
    state = standby.follow(asked.is_set, CONSUMER)
    told.check(ready=lambda: ["starting"])
    told.forget(pulse)
    if state is not None:
        log.warning("taking over", tape=str(tape), seq=state.seq)
    return state


def split(settings: Config, log: Logger) -> tuple[Asked, Asked]:
    """Risk and matcher as they are asked over the bus."""

    def asked(service: Literal["risk", "matcher"]) -> Asked:
        own = settings.engine
        return Asked(
            service,
            BusLine(settings.nats, env=settings.env, service=service, shard=own.shard),
            version=version("tapewire"),
            answer_within=own.answer_within,
            log=log,
            page=StatsPage.create(settings.folders.stats / f"asked.{service}.{own.shard}", HISTOGRAMS, COUNTERS),
        )

    return asked("risk"), asked("matcher")


if __name__ == "__main__":
    lifecycle.main(main, "tapewire engine")
