"""`tapewire venue NAME --market-data`: the market-data session to one outside venue, until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import os
import sys
import traceback
from pathlib import Path
from random import SystemRandom
from typing import NoReturn

import click

from services.gateway.initiator import dialects
from services.gateway.initiator.__main__ import FAILED, secrets_of, venue_of
from services.gateway.initiator.market_data.binance import BinanceMarket
from services.gateway.initiator.market_data.dialect import MarketDialect
from services.gateway.initiator.market_data.session import FixFeed
from services.gateway.initiator.market_data.shell import Shell
from services.gateway.initiator.relay import Relay
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.config import Config, Venue
from tapewire.errors import ConfigError
from tapewire.feed.outlet import outlet, supervise
from tapewire.lifecycle import draining
from tapewire.logs import configure

DIALECTS: dict[str, type[MarketDialect]] = {"binance": BinanceMarket}
RECONNECT_S = 1
"""Between two attempts of the session layer, which makes them only when the session lets it."""


def market_data_of(venue: Venue) -> tuple[Venue, str]:
    """The venue as that session reaches it, and the feed that it tells. Raises ConfigError."""
    one = venue.session("market-data")
    if one is None:
        raise ConfigError(f"venues: {venue.name!r} has no [[venues.sessions]] of kind market-data; expected one")
    return venue.reached_by(one), one.feed


async def serve(settings: Config, name: str) -> None:
    """Runs the session until SIGTERM or Ctrl-C, or until something fails that must not."""
    venue, feed_name = market_data_of(venue_of(settings.venues, name))
    feed, log = settings.feeds[feed_name], configure(f"connector-{feed_name}")
    dialect = DIALECTS[venue.dialect](dialects.make(venue, secrets_of(venue)))
    session = FixFeed(dialect, feed.tickers, feed.depth, SystemRandom())
    from services.gateway.quickfix_layer.initiator import Initiator  # not before the arguments are right

    def fail(error: BaseException) -> NoReturn:
        traceback.print_exception(error)
        log.error("session to venue failed", error=repr(error))
        sys.stderr.flush()
        os._exit(FAILED)

    async with outlet(settings, feed_name, session, log) as out:
        if out is None:
            return
        shell = Shell(session, out.publisher, log)
        relay = Relay(venue, shell.trouble)
        relay.start()
        reached = venue.replaced(reconnect=RECONNECT_S)
        initiator = Initiator(reached, relay.port, True, shell, fail, dialect.dictionary)
        shell.layer(initiator, initiator.start)
        log.info("starting", venue=name, tickers=feed.tickers, next_seq=out.publisher.next_seq)
        async with draining(out.bus) as stop:
            await supervise(shell, out.reporter, stop)


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--venue", "name", required=True, help="Its name in [[venues]].")
def main(path: Path | None, name: str) -> None:
    """The market of one outside venue: from its FIX session to the ring and the bus."""
    lifecycle.run(serve(configuration.load(path), name))
    sys.stderr.flush()
    os._exit(0)  # the session layer's thread cannot be stopped, see there


if __name__ == "__main__":
    lifecycle.main(main, "tapewire venue")
