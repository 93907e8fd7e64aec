"""`tapewire engine`: reads configuration, recovers, runs until SIGTERM."""

from __future__ import annotations

import signal
from importlib.metadata import version
from pathlib import Path

import click

from services.engine import Engine, operator
from services.engine.agent import EngineAgent
from services.engine.producers import inbound_rings
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.consumers import ConsumerPosition
from tapewire.errors import ConfigError
from tapewire.logs import configure
from tapewire.process import pin
from tapewire.ring import Doorbell, RingProducer

CONSUMER = "engine"


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Runs one shard of the market: every command checked, sequenced, matched, durable, then answered."""
    settings = configuration.load(path)
    own, folders = settings.engine, settings.folders
    folders.prepare(settings.rings)
    log = configure("engine")
    if operator.PRODUCER not in own.producers:
        raise ConfigError(f"engine.producers: holds {list(own.producers)}; expected {operator.PRODUCER!r} among them")
    rings = inbound_rings(folders, own.shard, own.producers)
    pin(own.core)
    operator_ring, operator_source = rings[own.producers.index(operator.PRODUCER)]
    tape = folders.orders_tape(own.shard)
    engine = Engine(
        tape,
        rings,
        name=tape.name,
        durability=own.durability,
        segment_bytes=own.segment_bytes,
        ring_bytes=own.ring_bytes,
        max_batch=own.max_batch,
        doorbell=folders.doorbell(own.shard),
        stats=folders.stats / f"engine.{own.shard}",
        version=version("tapewire"),
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
    # Instruments and accounts are looked up on the tape from its first record: retention must leave all of it.
    ConsumerPosition(tape, CONSUMER).close()
    for refused in found.refused_snapshots:
        log.warning("snapshot passed over", reason=refused)
    agent = EngineAgent(
        engine,
        idle=own.idle,
        snapshot_every=own.snapshot_every,
        background_sync=own.durability == "memory",
        log=log,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    with (
        Doorbell(folders.doorbell(own.shard)) as bell,
        RingProducer(operator_ring, doorbell=bell) as ring,
    ):
        commands = [bytes(c) for c in operator.pending(settings.instruments, settings.accounts, tape)]
        if (sent := ring.write_many(commands)) < len(commands):
            raise ConfigError(
                f"engine.ring_bytes: {operator_ring} took {sent} of the operator's {len(commands)} commands. Raise it, "
                f"and remove that ring, which keeps the size it was made with"
            )
        refusals = operator.Refusals(tape, operator_source, ring, log)
        agent.start()
        agent.watch(refusals.report)
        refusals.close()
    log.info("stopped", next_seq=engine.next_seq, digest=engine.digest(), **engine.counters)
    engine.close()


if __name__ == "__main__":
    lifecycle.main(main, "tapewire engine")
