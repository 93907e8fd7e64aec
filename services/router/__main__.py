"""`tapewire router`: reads configuration, recovers, works parent orders until SIGTERM."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import click

from services.router import configured
from services.router.agent import RouterAgent
from services.router.bus import Bus
from services.router.clients import client_rings
from services.router.core import Core
from services.router.house import House
from services.router.house_session import HouseSession
from services.router.market_feed import MarketFeed, Source
from services.router.parts import all_parts
from services.router.positions import Positions
from services.router.tape import RouterTape
from services.router.venue_tapes import VenueTape
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire import messages as m
from tapewire.config import Config
from tapewire.config import Venue as VenueSettings
from tapewire.errors import ConfigError, RingError
from tapewire.logs import Logger, configure
from tapewire.ring import Doorbell, RingProducer
from tapewire.tape import TapeReader, TapeWriter
from tapewire.transports.nats import NatsTransport

HOUSE_FEED = "house"


def house_venue(settings: Config) -> VenueSettings | None:
    """The one venue that is our own market, if there is one."""
    houses = [venue for venue in settings.venues if venue.kind == "house"]
    if len(houses) > 1:
        raise ConfigError(f'venues: {[one.name for one in houses]} are of the kind "house"; expected one at most')
    return houses[0] if houses else None


def house_instruments(settings: Config) -> dict[str, m.InstrumentDefinition]:
    """The house market's instruments by ticker, as its tape has them."""
    found: dict[str, m.InstrumentDefinition] = {}
    with TapeReader(str(settings.folders.orders_tape(settings.engine.shard)), None) as reader:
        while raws := reader.poll_type(m.MessageType.instrument_definition, 4096):
            for raw in raws:
                definition = m.InstrumentDefinition.decode(raw)
                if not definition.decision:
                    found[definition.ticker] = definition
    return found


def check_house(venue: VenueSettings, found: dict[str, m.InstrumentDefinition], core: Core) -> None:
    """Every market of ours there is one that the engine has, with the exponents the router counts in."""
    known = configured.tickers(core)
    for market in venue.markets:
        there = found.get(market.symbol)
        if there is None or market.symbol != market.ticker:
            raise ConfigError(
                f"venues.{venue.name}.markets: {market.symbol!r} is not traded on the house market under the name "
                f"{market.ticker!r}; there is {sorted(found) or 'nothing'}. Add an [[instrument]], and start the engine"
            )
        definition = core.state.markets.definition(known[market.ticker])
        ours = (definition.price_exponent, definition.qty_exponent)
        theirs = (there.price_exponent, there.qty_exponent)
        if ours != theirs:
            raise ConfigError(
                f"{market.ticker}: the router counts at exponents {ours}, the house market at {theirs}; "
                f"expected the same in [[router.instruments]]"
            )


def open_house(
    settings: Config, venue: VenueSettings, positions: Positions, core: Core, house: House, source: int, path: Path
) -> HouseSession:
    """Our ring at the engine, and its tape from where it was left."""
    own, folders, shard = settings.router, settings.folders, settings.engine.shard
    ring = RingProducer(str(path), doorbell=Doorbell(str(folders.doorbell(shard))))
    session = HouseSession(house, ring, folders.orders_tape(shard), f"router.{own.number}", time.time_ns)
    session.recover(source, positions.tapes.get(venue.number))
    return session


def feed_sources(settings: Config, core: Core) -> dict[tuple[str, str], Source]:
    """What the subjects of the configured feeds are to the router."""
    known = configured.tickers(core)
    by_name = {venue.name: venue for venue in settings.venues}
    return {
        (feed.feed, market.symbol): Source(by_name[feed.venue].number, known[market.ticker])
        for feed in settings.router.feeds
        for market in by_name[feed.venue].markets
    }


def say_recovered(log: Logger, tape: RouterTape, inputs: int, events: int, missing: int, seconds: float) -> None:
    log.info(
        "recovered",
        next_seq=tape.next_seq,
        inputs=inputs,
        events=events,
        missing_events=missing,
        seconds=round(seconds, 4),
    )


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Parent orders: worked by algorithms, routed to venues, every decision on the tape."""
    settings = configuration.load(path)
    own, folders = settings.router, settings.folders
    folders.prepare(settings.rings)
    log = configure("router")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if not settings.venues:
        raise ConfigError('venues: none is configured; expected at least one [[venues]], such as one of kind "house"')
    venue = house_venue(settings)
    house, source, ring_path, there = None, 0, Path(), {}
    if venue is not None:
        there = house_instruments(settings)
        found = folders.find_inbound_ring(settings.engine.shard, own.producer)
        if found is None:
            raise RingError(
                f"{folders.rings}: no inbound ring of a producer {own.producer!r} for shard {settings.engine.shard}. "
                f"Start the engine with this data folder, and name the producer in [engine] producers"
            )
        ring_path, source = found
        house = House(venue.number, source, {ticker: one.instrument for ticker, one in there.items()})
    tape_path = folders.router_tape(own.number)
    writer = TapeWriter(str(tape_path), tape_path.name, own.segment_bytes, own.durability)
    core, positions = Core(all_parts()), Positions()
    tape = RouterTape(writer, core, configured.limits(settings), time.time_ns)
    began = time.perf_counter()
    replayed, missing = tape.recover([positions.fold, *([house.fold] if house is not None else [])])
    say_recovered(log, tape, replayed.inputs, replayed.events, missing, time.perf_counter() - began)
    for definition in configured.definitions(settings, core):
        tape.take(definition)
    for profile in configured.profiles(settings, core, time.time_ns(), log):
        tape.take(profile)
    session = None
    if venue is not None and house is not None:
        check_house(venue, there, core)
        session = open_house(settings, venue, positions, core, house, source, ring_path)
        session.work_all(tape.take)
        tape.take(
            m.VenueChanged(
                source=venue.number,
                venue=venue.number,
                origin_seq=session.at,
                state=m.VenueState.ready,
                name=venue.name,
            )
        )
    tape.commit()
    consumer = f"router.{own.number}"
    venues = [
        VenueTape(one.number, folders.venue_tape(one.name), positions.tapes.get(one.number, (0, 0))[0], consumer)
        for one in settings.venues
        if one.kind != "house"
    ]
    clients = client_rings(folders, own.number, own.clients, own.ring_bytes, positions.rings)
    with Doorbell(str(folders.router_bell(own.number))) as bell:
        feed = MarketFeed(feed_sources(settings, core), int(own.book_interval * 1e9), own.book_depth)
        bus = None
        if own.feeds:
            bus = Bus(lambda: NatsTransport(settings.nats), feed, settings.env, bell.ring, log)
            bus.start()
        agent = RouterAgent(core, tape, clients, venues, session, feed, bus, time.time_ns)
        log.info("working", clients=[one.name for one in own.clients], venues=[one.name for one in settings.venues])
        try:
            while not stop.is_set():
                if not agent.do_work():
                    agent.wait(bell)
        finally:
            if bus is not None:
                bus.stop()
            agent.close()
    log.info("stopped", next_seq=writer.next_seq)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire router")
