"""`tapewire gateway`: reads configuration, recovers, lets FIX clients trade until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import gc
import os
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from services.gateway.agent import GatewayAgent
from services.gateway.fold import BATCH, Fold, begin, restore
from services.gateway.gateway import Gateway
from services.gateway.snapshot import register
from services.gateway.snapshotter import Snapshotter
from services.gateway.syncer import Syncer
from services.gateway.tape import GatewayTape
from tapewire import config as configuration
from tapewire import consumers, health, lifecycle, snapshots
from tapewire.config import Gateway as GatewaySettings
from tapewire.config import GatewaySession
from tapewire.errors import RingError
from tapewire.fix.auth import is_front, make_front_token
from tapewire.histogram import StatsPage
from tapewire.logs import Logger, configure
from tapewire.ring import Doorbell, RingProducer
from tapewire.tape import TapeReader, TapeWriter

if TYPE_CHECKING:
    from services.gateway.quickfix_layer.acceptor import Acceptor

FAILED = 70
"""Exit status when a callback of the session layer or the agent failed: neither may live on without the other."""
NEWS_EVERY_S = 10.0
LOGOUT_S = 3.0
"""How long a Logout may stay unanswered at the end."""
COLLECT_AFTER = (100_000, 50, 1000)
"""Objects, and collections of the younger ones, between two collections: of the oldest in effect never."""
SNAPSHOT_S = 20.0
"""How long the last snapshot may take."""


def open_tape(tape: Path, orders_tape: Path) -> TapeWriter:
    """The gateway's tape. What was kept of records that it lost is forgotten before others take their numbers."""
    writer = TapeWriter(str(tape), tape.name, durability="memory")
    last = writer.next_seq - 1
    snapshots.remove_beyond(tape, last)
    consumers.take_back(tape, last)
    register(tape, orders_tape)
    return writer


def recovered(
    tape: Path, orders_tape: Path, terms: tuple[GatewaySession, ...], shard: int, source: int, log: Logger
) -> Fold:
    """Where the gateway stands by its own tape; the orders tape is folded as far as its snapshot."""
    fold = restore(tape, orders_tape, terms, shard, source, log)
    with TapeReader(str(tape), fold.own.seq + 1, limit="written") as reader:
        while raws := reader.poll(BATCH):
            if stopping.asked():
                sys.exit(0)  # nothing was begun yet
            fold.fold_own(raws)
    fold.sessions.check()
    return fold


class FrontBacklogs:
    """What the front says about how far each market data client is behind with reading."""

    def __init__(self, path: Path, sessions: list[int]) -> None:
        self._path, self._sessions = path, sessions
        self._page: StatsPage | None = None

    def read(self) -> dict[int, int]:
        """Bytes by session; empty while there is no front."""
        if self._page is not None and self._page.replaced:
            self._page.close()
            self._page = None
        if self._page is None:
            if not self._sessions or not self._path.exists():
                return {}
            self._page = StatsPage.open(self._path)
        return {number: self._page.counter(f"backlog.{number}") for number in self._sessions}


def drain(gateway: Gateway, agent: GatewayAgent, engine: Acceptor, own: GatewaySettings) -> None:
    """Tells everybody, again and again, and gives them time to log out; then logs them out, and waits for that, but not
    for ever."""
    gateway.ending = True
    now = time.monotonic()
    due, end = now, now + max(own.drain_timeout - LOGOUT_S, own.drain_timeout / 2)
    while gateway.has_clients and (now := time.monotonic()) < end:
        if now >= due:
            gateway.announce("The gateway ends", "Log out now; you will have missed nothing when you log on again.")
            due += NEWS_EVERY_S
        work(agent)
    for number in gateway.sessions.by_number:
        engine.log_out(number, "the gateway ends; log on again later, and you will have missed nothing")
    end = time.monotonic() + LOGOUT_S
    while gateway.has_clients and time.monotonic() < end:
        work(agent)


def work(agent: GatewayAgent) -> None:
    if not agent.do_work():
        agent.wait()


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--name", default="gateway", show_default=True, help="Its producer in [engine] producers, and its tape.")
def main(path: Path | None, name: str) -> None:
    """FIX sessions of clients: orders in, reports out."""
    settings = configuration.load(path)
    gc.disable()  # what is folded stays: to look for cycles in it again and again takes three quarters of the time
    own, shard, folders = settings.gateway, settings.engine.shard, settings.folders
    folders.prepare(settings.rings)
    log = configure("gateway")
    told = health.serve(settings, name)
    from services.gateway.quickfix_layer.acceptor import (
        Acceptor,  # not before the arguments are right: it takes a while
    )

    found = folders.find_inbound_ring(shard, name)
    if found is None:
        raise RingError(
            f"{folders.rings}: no inbound ring of a producer {name!r} for shard {shard}. "
            f"Start the engine with this data folder, and name the producer in [engine] producers"
        )
    ring_path, source = found
    tape = folders.tape(f"fix.{name}")
    orders_tape = folders.orders_tape(shard)
    writer = open_tape(tape, orders_tape)
    begin(tape, orders_tape, own.sessions, shard, source, log)
    fold = recovered(tape, orders_tape, own.sessions, shard, source, log)
    snapshotting = [sys.executable, "-m", "services.gateway.snapshot", "--name", name]
    snapshotting += ["--config", str(path)] if path is not None else []
    with (
        Doorbell(str(folders.doorbell(shard))) as bell,
        RingProducer(str(ring_path), doorbell=bell) as ring,
    ):
        gateway_tape = GatewayTape(writer, time.time_ns, durable=settings.engine.durability != "memory")
        gateway_tape.secure()
        gateway = Gateway(
            *(fold.sessions, fold.orders, gateway_tape, ring, shard, name, log, fold.house), max_resend=own.max_resend
        )
        followed = [one.number for one in own.sessions if one.kind == "market-data"]
        backlogs = FrontBacklogs(folders.stats / "gateway.front", followed)
        snapshotter = Snapshotter(snapshotting, own.snapshot_every, fold.begun, log)
        reader = TapeReader(str(orders_tape), fold.at.seq + 1)
        agent = GatewayAgent(gateway, reader, ring, log, tape, snapshotter, backlogs.read)
        gateway.keep_hours(gateway.clock())
        agent.recover()

        def fail(error: BaseException) -> NoReturn:
            traceback.print_exception(error)
            log.error("gateway failed", error=repr(error))
            sys.stderr.flush()
            os._exit(FAILED)

        engine = Acceptor(own, gateway, partial(is_front, make_front_token(folders.front_token)), fail)
        for number, one in fold.sessions.by_number.items():
            engine.restore(number, one.next_in, one.next_out)
        gateway.outbox.sender = engine
        stop = threading.Event()
        stopping.on_stop(told.draining(stop.set))
        # What was folded is never looked at again, and what comes makes no cycles: all would stop for nothing.
        gc.freeze()
        gc.enable()
        gc.set_threshold(*COLLECT_AFTER)
        if gateway_tape.durable:
            Syncer(gateway).start(fail)
        engine.start()
        log.info("listening", port=own.backend_port, sessions=len(own.sessions), orders_seq=gateway.orders.seq)
        told.check(ready=agent.reasons, detail=agent.figures)
        turned = told.pulse("duty cycle").beat
        try:
            while not stop.is_set():
                turned()
                work(agent)
            drain(gateway, agent, engine, own)
        except BaseException as error:  # noqa: BLE001 - else the sessions would live on without reports
            fail(error)
        with gateway.lock:  # its thread cannot be stopped, see there, but it can be kept waiting
            records = agent.records
            told.close()
            agent.close()
            snapshotter.finish(records, agent.settled, SNAPSHOT_S)
            log.info("stopped")
            sys.stderr.flush()
            os._exit(0)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire gateway")
