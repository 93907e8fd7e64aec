"""`tapewire router`: reads configuration, recovers, works parent orders until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import threading
import time
from pathlib import Path

import click

from services.router import configured
from services.router.agent import RouterAgent
from services.router.bus import SERVICE, Bus
from services.router.clients import client_rings
from services.router.core import Core
from services.router.house_market import HousePlace
from services.router.house_session import HouseSession
from services.router.market_feed import MarketFeed
from services.router.parts import all_parts
from services.router.positions import Positions
from services.router.tape import RouterTape
from services.router.venue_tapes import VenueTape
from services.router.waiting import wait_for_house
from tapewire import config as configuration
from tapewire import health, lifecycle
from tapewire import messages as m
from tapewire.config import Config
from tapewire.consumers import ConsumerPosition
from tapewire.errors import ConfigError
from tapewire.logs import Logger, configure
from tapewire.ring import Doorbell
from tapewire.tape import TapeWriter
from tapewire.transports import nats_access
from tapewire.transports.nats import NatsTransport

CONSUMER = "router"


def recover(settings: Config, core: Core, positions: Positions, place: HousePlace | None, log: Logger) -> RouterTape:
    """The router's tape, folded and mended."""
    own, path = settings.router, settings.folders.router_tape(settings.router.number)
    # Nobody reads an input without all its events: recovery completes first what was cut off.
    writer = TapeWriter(str(path), path.name, own.segment_bytes, own.durability, hold=True)
    ConsumerPosition(path, CONSUMER).close()  # recovery folds it from its first record: retention must leave all of it
    tape = RouterTape(writer, core, configured.limits(settings), time.time_ns)
    began = time.perf_counter()
    found, missing = tape.recover([positions.fold, *([place.house.fold] if place else [])])
    log.info(
        "recovered",
        next_seq=tape.next_seq,
        inputs=found.inputs,
        events=found.events,
        missing_events=missing,
        seconds=round(time.perf_counter() - began, 4),
    )
    return tape


def open_house(settings: Config, place: HousePlace, core: Core, tape: RouterTape, positions: Positions) -> HouseSession:
    """The house market from where it was left: what it has said meanwhile is taken, and then it is ready."""
    place.check(configured.tickers(core), core)
    number = place.venue.number
    session = place.open(settings, positions.tapes.get(number))
    session.work_all(tape.take)
    ready = m.VenueState.ready
    tape.take(m.VenueChanged(source=number, venue=number, origin_seq=session.at, state=ready, name=place.venue.name))
    return session


def open_agent(
    settings: Config, place: HousePlace | None, log: Logger, bell: Doorbell
) -> tuple[RouterAgent, Bus | None]:
    """All parts, wired by hand, recovered, and with what the configuration asks on the tape."""
    own, folders = settings.router, settings.folders
    core, positions = Core(all_parts()), Positions()
    tape = recover(settings, core, positions, place, log)
    for definition in configured.definitions(settings, core):
        tape.take(definition)
    for profile in configured.profiles(settings, core, time.time_ns(), log):
        tape.take(profile)
    house = open_house(settings, place, core, tape, positions) if place is not None else None
    tape.commit()
    venues = [
        VenueTape(
            one.number,
            folders.venue_tape(one.name),
            positions.tapes.get(one.number, (0, 0))[0],
            f"router.{own.number}",
        )
        for one in settings.venues
        if one.kind != "house"
    ]
    clients = client_rings(folders, own.number, own.clients, own.ring_bytes, positions.rings)
    sources = configured.feed_sources(settings, core)
    feed = MarketFeed(sources, int(own.book_interval * 1e9), own.book_depth)
    bus = None
    if own.feeds:
        bus = Bus(
            lambda fail: NatsTransport(settings.nats, name="router", on_failure=fail, log=log),
            feed,
            settings.env,
            bell.ring,
            log,
            settings.health.told_as("router"),
        )
    return RouterAgent(core, tape, clients, venues, house, feed, bus, time.time_ns), bus


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Parent orders: worked by algorithms, routed to venues, every decision on the tape."""
    settings = configuration.load(path)
    own, folders = settings.router, settings.folders
    folders.prepare(settings.rings)
    log = configure("router")
    stop = threading.Event()
    if not settings.venues:
        raise ConfigError('venues: none is configured; expected at least one [[venues]], such as one of kind "house"')
    if own.feeds:
        nats_access.check(settings.nats, "router")
    with health.serve(settings, SERVICE) as told, Doorbell(str(folders.router_bell(own.number))) as bell:
        stopping.on_stop(told.draining(stop.set))
        place = wait_for_house(settings, stop, lambda why: told.check(ready=lambda: [why]), log)
        if stop.is_set():
            return
        agent, bus = open_agent(settings, place, log, bell)
        if bus is not None:
            bus.start()
        log.info("working", clients=[one.name for one in own.clients], venues=[one.name for one in settings.venues])
        told.check(ready=agent.reasons, detail=agent.figures)
        turned = told.pulse("duty cycle").beat
        try:
            while not stop.is_set():
                turned()
                if not agent.do_work():
                    agent.wait(bell)
        finally:
            if bus is not None:
                bus.stop()
            agent.close()
    log.info("stopped", next_seq=agent.tape.next_seq)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire router")
