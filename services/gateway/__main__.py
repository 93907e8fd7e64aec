"""`tapewire gateway`: reads configuration, recovers, lets FIX clients trade until SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import NoReturn

import click

from services.gateway.agent import GatewayAgent, fold_own
from services.gateway.gateway import Gateway
from services.gateway.orders import Orders
from services.gateway.session import Sessions
from services.gateway.tape import GatewayTape
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.errors import RingError
from tapewire.fix.auth import make_front_token
from tapewire.logs import configure
from tapewire.ring import Doorbell, RingProducer
from tapewire.tape import TapeReader, TapeWriter

FAILED = 70
"""Exit status when a callback of the session layer failed: the process must not live on without its sessions."""


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--name", default="gateway", show_default=True, help="Its producer in [engine] producers, and its tape.")
def main(path: Path | None, name: str) -> None:
    """FIX sessions of clients: orders in, reports out."""
    settings = configuration.load(path)
    own, shard, folders = settings.gateway, settings.engine.shard, settings.folders
    folders.prepare(settings.rings)
    log = configure("gateway")
    from services.gateway.quickfix_engine import FixEngine

    found = folders.find_inbound_ring(shard, name)
    if found is None:
        raise RingError(
            f"{folders.rings}: no inbound ring of a producer {name!r} for shard {shard}. "
            f"Start the engine with this data folder, and name the producer in [engine] producers"
        )
    ring_path, source = found
    tape = folders.tape(f"fix.{name}")
    writer = TapeWriter(str(tape), tape.name, durability="memory")
    sessions = Sessions(own.sessions)
    with TapeReader(str(tape), limit="written") as reader:
        fold_own(reader, sessions)
    with (
        Doorbell(str(folders.doorbell(shard))) as bell,
        RingProducer(str(ring_path), doorbell=bell) as ring,
    ):
        gateway_tape = GatewayTape(writer, time.time_ns)
        gateway = Gateway(sessions, Orders(shard, source), gateway_tape, ring, shard, name, log)
        agent = GatewayAgent(gateway, TapeReader(str(folders.orders_tape(shard))), ring, log)
        agent.recover()

        def fail(error: BaseException) -> NoReturn:
            traceback.print_exception(error)
            log.error("session layer failed", error=repr(error))
            sys.stderr.flush()
            os._exit(FAILED)

        engine = FixEngine(own, gateway, make_front_token(folders.front_token), fail)
        for number, one in sessions.by_number.items():
            engine.restore(number, one.next_in, one.next_out, one.kept)
        gateway.sender = engine
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        engine.start()
        log.info("listening", port=own.backend_port, sessions=len(own.sessions), orders_seq=gateway.orders.seq)
        while not stop.is_set():
            if not agent.do_work():
                agent.wait()
        engine.stop()
        agent.do_work()
        agent.close()
    log.info("stopped")


if __name__ == "__main__":
    lifecycle.main(main, "tapewire gateway")
