"""Finds our place at the house market: its instruments, our ring, and whether they fit the configuration."""

from __future__ import annotations

import time
from typing import NamedTuple

from services.router.core import Core
from services.router.house import House
from services.router.house_session import HouseSession
from tapewire import definitions
from tapewire import messages as m
from tapewire.config import Config, Venue
from tapewire.errors import ConfigError, RingMissing
from tapewire.ring import Doorbell, RingProducer


class HousePlace(NamedTuple):
    """What the engine has for us, before the router's tape is folded."""

    venue: Venue
    house: House
    source: int
    ring: str
    listed: dict[str, m.InstrumentDefinition]

    def check(self, tickers: dict[str, int], core: Core) -> None:
        """Every market of ours there is one that the engine has, with the exponents the router counts in."""
        for market in self.venue.markets:
            there = self.listed.get(market.symbol)
            if there is None or market.symbol != market.ticker:
                raise ConfigError(
                    f"venues.{self.venue.name}.markets: {market.symbol!r} is not traded on the house market under the "
                    f"name {market.ticker!r}; there is {sorted(self.listed) or 'nothing'}. Add an [[instrument]], "
                    f"and start the engine"
                )
            definition = core.state.markets.definition(tickers[market.ticker])
            ours = (definition.price_exponent, definition.qty_exponent)
            theirs = (there.price_exponent, there.qty_exponent)
            if ours != theirs:
                raise ConfigError(
                    f"{market.ticker}: the router counts at exponents {ours}, the house market at {theirs}; "
                    f"expected the same in [[router.instruments]]"
                )

    def open(self, settings: Config, position: tuple[int, int] | None) -> HouseSession:
        """Our ring at the engine, and its tape from where it was left: `position` is the router's tape's."""
        folders, shard = settings.folders, settings.engine.shard
        ring = RingProducer(self.ring, doorbell=Doorbell(str(folders.doorbell(shard))))
        consumer = f"router.{settings.router.number}"
        session = HouseSession(self.house, ring, folders.orders_tape(shard), consumer, time.time_ns)
        session.recover(self.source, position)
        return session


def find_house(settings: Config) -> HousePlace | None:
    """Our place at the house market; None if no venue is of that kind. Raises ConfigError, RingMissing, TapeError."""
    houses = [venue for venue in settings.venues if venue.kind == "house"]
    if len(houses) > 1:
        raise ConfigError(f'venues: {[one.name for one in houses]} are of the kind "house"; expected one at most')
    if not houses:
        return None
    shard, producer = settings.engine.shard, settings.router.producer
    found = settings.folders.find_inbound_ring(shard, producer)
    if found is None:
        raise RingMissing(
            f"{settings.folders.rings}: no inbound ring of a producer {producer!r} for shard {shard}. "
            f"Start the engine with this data folder, and name the producer in [engine] producers"
        )
    path, source = found
    listed = definitions.by_ticker(definitions.read(settings.folders.orders_tape(shard)))
    numbers = {ticker: one.instrument for ticker, one in listed.items()}
    own_tape = settings.folders.router_tape(settings.router.number).name
    house = House(houses[0].number, source, numbers, settings.env, own_tape)
    return HousePlace(houses[0], house, source, str(path), listed)
