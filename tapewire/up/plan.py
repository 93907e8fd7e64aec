"""Which processes a configuration asks for, in the order in which they start; they end in the other direction.

risk, matcher        of a split engine: it asks them to the last
engine, flusher      take what the others write: first to come, last to go
connectors, journal
gateway, its front, router, sessions to venues
sinks                of those stores that have an address
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tapewire.config import Config


class Unit(NamedTuple):
    """One process."""

    name: str
    """In logs: `engine`, `connector.binance`."""
    arguments: tuple[str, ...]
    """Behind `python -m`."""
    rank: int
    """Lower ones start before and end after."""
    environment: Mapping[str, str] = MappingProxyType({})
    """On top of ours: settings that are this process's own."""


def plan(config: Config, file: Path) -> list[Unit]:
    """`file`: what `config` was read from, for the processes to read."""
    at = ("--config", str(file))
    units: list[Unit] = []
    if config.instruments:
        units.append(Unit("engine", ("services.engine", *at), 0))
        if config.engine.topology == "split":
            units += [Unit(name, (f"services.{name}", *at), -1) for name in ("risk", "matcher")]
        units.append(Unit("journal", ("services.journal", *at), 1))
    if config.feeds:
        units.append(Unit("flusher", ("services.flusher", *at), 0))
    units += [
        Unit(f"connector.{name}", ("services.connector", name, *at), 1)
        for name, feed in config.feeds.items()
        if feed.venue != "fix"
    ]
    if config.gateway.sessions:
        units.append(Unit("gateway", ("services.gateway", *at), 2))
        units.append(Unit("gateway.front", ("services.gateway.front", *at), 3))
    if config.router.feeds:
        units.append(Unit("router", ("services.router", *at), 2))
        number = ("--router", str(config.router.number))
        units += [
            Unit(f"venue.{one.name}", ("services.gateway.initiator", "--venue", one.name, *number, *at), 2)
            for one in config.venues
            if one.kind == "fix"
        ]
    units += [
        Unit(f"market.{one.name}", ("services.gateway.initiator.market_data", "--venue", one.name, *at), 1)
        for one in config.venues
        if one.session("market-data") is not None
    ]
    if config.api.keys or config.api.users:
        units.append(Unit("api", ("services.api", *at), 2))
    units += [Unit(f"sink.{name}", ("services.flusher.sinks", name, *at), 3) for name in config.sinks.configured]
    if units:
        units.append(Unit("monitor", ("services.monitor", *at), 3))
    return sorted(units, key=lambda unit: unit.rank)
