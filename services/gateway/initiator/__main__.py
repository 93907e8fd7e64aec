"""`tapewire venue NAME`: the sessions for orders and drop copy to one outside venue, until SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from services.gateway.initiator import dialects
from services.gateway.initiator.agent import COUNTERS, VenueAgent
from services.gateway.initiator.dialects.base import Secrets
from services.gateway.initiator.drop_copy import DropCopy
from services.gateway.initiator.numbers import Numbers
from services.gateway.initiator.orders import Orders
from services.gateway.initiator.recovery import Commands, recover
from services.gateway.initiator.relay import Relay
from services.gateway.initiator.session import VenueSession
from services.gateway.initiator.tape import VenueTape
from tapewire import config as configuration
from tapewire import health, lifecycle
from tapewire.config import Venue
from tapewire.errors import ConfigError
from tapewire.fix.auth import read_private
from tapewire.histogram import StatsPage
from tapewire.logs import configure
from tapewire.tape import TapeReader, TapeWriter

if TYPE_CHECKING:
    from services.gateway.quickfix_layer.initiator import Initiator

FAILED = 70
"""Exit status when a callback of the session layer or the agent failed: neither may live on without the other."""


def venue_of(venues: tuple[Venue, ...], name: str) -> Venue:
    """The venue of that name. Raises ConfigError."""
    found = next((one for one in venues if one.name == name), None)
    if found is None:
        raise ConfigError(f"venues: none is named {name!r}; there is {[one.name for one in venues] or 'none'}")
    if found.kind == "house":
        raise ConfigError(f"venues: {name!r} is the house market, which the router reaches itself; expected another")
    return found


def secrets_of(venue: Venue) -> Secrets:
    """What its files hold. Raises CredentialError if others can read them."""
    held = [read_private(path) if path != Path() else "" for path in (venue.secret_file, venue.passphrase_file)]
    return Secrets(*held)


def drop_copy_of(venue: Venue, session: VenueSession) -> DropCopy | None:
    """The handler of its drop copy, if it has one. Raises CredentialError."""
    one = venue.session("drop-copy")
    if one is None:
        return None
    there = venue.reached_by(one)
    return DropCopy(session, dialects.make(there, secrets_of(there)), Numbers(), int(one.delay * 1e9))


def drain(session: VenueSession, agent: VenueAgent, initiators: list[Initiator], timeout: float) -> None:
    """Logs out and waits for it, but not for ever. Orders stay as they are, unless the venue cancels on disconnect."""
    deadline = time.monotonic() + timeout
    for initiator in initiators:
        initiator.log_out("")
    while session.on and time.monotonic() < deadline:
        time.sleep(0.01)
    with session.lock:  # the layer's thread cannot be stopped, see there, but it can be kept waiting
        agent.close()
        sys.stderr.flush()
        os._exit(0)


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--venue", "name", required=True, help="Its name in [[venues]].")
@click.option("--router", default=0, show_default=True, help="Number of the router whose tape is followed.")
def main(path: Path | None, name: str, router: int) -> None:
    """The session to one outside venue: the router's orders out, what becomes of them onto its tape."""
    settings = configuration.load(path)
    venue, folders = venue_of(settings.venues, name), settings.folders
    dialect = dialects.make(venue, secrets_of(venue))
    folders.prepare(settings.rings)
    log = configure(f"venue.{name}")
    told = health.serve(settings, f"venue-{name}")
    from services.gateway.quickfix_layer.initiator import (
        Initiator,  # not before the arguments are right: it takes a while
    )

    reader = TapeReader(str(folders.tape(f"router.{router}")))
    tape = folders.tape(f"venue.{name}")
    writer = TapeWriter(str(tape), tape.name, durability="memory")
    orders, numbers = Orders(dialect), Numbers()
    session = VenueSession(
        dialect, orders, numbers, VenueTape(writer, venue.number, name, time.time_ns), time.time_ns, log
    )
    commands = Commands(reader, orders)
    copy = drop_copy_of(venue, session)
    with TapeReader(str(tape), limit="written") as own:
        recover(iter(own), session, commands, copy.numbers if copy is not None else None)

    def fail(error: BaseException) -> NoReturn:
        traceback.print_exception(error)
        log.error("session to venue failed", error=repr(error))
        sys.stderr.flush()
        os._exit(FAILED)

    handlers: list[VenueSession | DropCopy] = [session] if copy is None else [session, copy]
    initiators = []
    for handler in handlers:
        relay = Relay(handler.dialect.venue, handler.trouble)
        relay.start()
        initiators.append(Initiator(handler.dialect.venue, relay.port, handler.dialect.resets, handler, fail))
    page = StatsPage.create(folders.stats / f"venue.{name}", counters=COUNTERS)
    beside = (copy, initiators[1]) if copy is not None else None
    agent = VenueAgent(session, commands, initiators[0], log, page.set, beside)
    stop = threading.Event()
    ask_to_stop = told.draining(stop.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ask_to_stop())
    try:
        agent.interrupted()
        session.trouble("not connected yet")
        for initiator in initiators:
            initiator.start()
        told.check(ready=agent.reasons, detail=agent.figures)
        turned = told.pulse("duty cycle").beat
        log.info("started", venue=name, open=len(orders.open), waiting=len(commands.undone))
        while not stop.is_set():
            turned()
            if not agent.do_work():
                agent.wait()
        drain(session, agent, initiators, venue.drain_timeout)
    except BaseException as error:  # noqa: BLE001 - else the session would live on without its agent
        fail(error)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire venue")
