"""`tapewire gateway`: reads configuration, recovers, lets FIX clients trade until SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from services.gateway.agent import GatewayAgent, fold_own
from services.gateway.gateway import Gateway
from services.gateway.orders import Orders
from services.gateway.session import Sessions
from services.gateway.tape import GatewayTape
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.config import Gateway as GatewaySettings
from tapewire.errors import RingError
from tapewire.fix.auth import is_front, make_front_token
from tapewire.histogram import StatsPage
from tapewire.logs import configure
from tapewire.ring import Doorbell, RingProducer
from tapewire.tape import TapeReader, TapeWriter

if TYPE_CHECKING:
    from services.gateway.quickfix_engine import Acceptor

FAILED = 70
"""Exit status when a callback of the session layer or the agent failed: neither may live on without the other."""


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
    """Tells everybody, logs everybody out, and waits for it, but not for ever."""
    gateway.announce("The gateway ends now", "Your orders stay as they are unless you asked for cancel on disconnect.")
    agent.do_work()
    for number, one in gateway.sessions.by_number.items():
        if one.logged_on:
            engine.log_out(number, "the gateway ends; log on again later, and you will have missed nothing")
    deadline = time.monotonic() + own.drain_timeout
    while any(one.logged_on for one in gateway.sessions.by_number.values()) and time.monotonic() < deadline:
        if not agent.do_work():
            agent.wait()


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--name", default="gateway", show_default=True, help="Its producer in [engine] producers, and its tape.")
def main(path: Path | None, name: str) -> None:
    """FIX sessions of clients: orders in, reports out."""
    settings = configuration.load(path)
    own, shard, folders = settings.gateway, settings.engine.shard, settings.folders
    folders.prepare(settings.rings)
    log = configure("gateway")
    from services.gateway.quickfix_engine import Acceptor  # not before the arguments are right: it takes a while

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
        followed = [one.number for one in own.sessions if one.kind == "market-data"]
        backlogs = FrontBacklogs(folders.stats / "gateway.front", followed)
        reader = TapeReader(str(folders.orders_tape(shard)))
        agent = GatewayAgent(gateway, reader, ring, log, tape, backlogs.read)
        agent.recover()

        def fail(error: BaseException) -> NoReturn:
            traceback.print_exception(error)
            log.error("gateway failed", error=repr(error))
            sys.stderr.flush()
            os._exit(FAILED)

        engine = Acceptor(own, gateway, partial(is_front, make_front_token(folders.front_token)), fail)
        for number, one in sessions.by_number.items():
            engine.restore(number, one.next_in, one.next_out)
        gateway.outbox.sender = engine
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        engine.start()
        log.info("listening", port=own.backend_port, sessions=len(own.sessions), orders_seq=gateway.orders.seq)
        try:
            while not stop.is_set():
                if not agent.do_work():
                    agent.wait()
            drain(gateway, agent, engine, own)
        except BaseException as error:  # noqa: BLE001 - else the sessions would live on without reports
            fail(error)
        with gateway.lock:  # its thread cannot be stopped, see there, but it can be kept waiting
            agent.close()
            log.info("stopped")
            sys.stderr.flush()
            os._exit(0)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire gateway")
