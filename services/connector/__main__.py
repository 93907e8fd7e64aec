"""`tapewire connector NAME`: one feed of the configuration, from its venue to the ring and the bus."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import gc
from pathlib import Path
from random import Random, SystemRandom

import click

from services.connector.sessions import SESSIONS
from services.connector.shell import Shell
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.clock import SystemClock
from tapewire.config import Config, Feed
from tapewire.errors import ConfigError
from tapewire.feed.outlet import outlet, supervise
from tapewire.lifecycle import draining, run
from tapewire.logs import configure


def find_feed(settings: Config, name: str) -> Feed:
    """Its section. Raises ConfigError."""
    feed = settings.feeds.get(name)
    if feed is None:
        raise ConfigError(f"no section [feed.{name}]; there is {', '.join(settings.feeds) or 'none'}")
    if feed.venue == "fix":
        raise ConfigError(f"feed.{name}: is told by FIX; run `tapewire venue NAME --market-data` of its venue")
    return feed


async def serve(settings: Config, name: str, seed: int | None) -> None:
    """Runs the feed until SIGTERM or Ctrl-C, or until something fails that must not."""
    feed = find_feed(settings, name)
    log = configure(f"connector-{name}")
    random = SystemRandom() if seed is None else Random(seed)
    session = SESSIONS[feed.venue](feed.tickers, feed.depth, random)
    async with outlet(settings, name, session, log) as out:
        if out is None:
            return
        shell = Shell(session, out.publisher, url=feed.url, rest_url=feed.rest_url, clock=SystemClock(), log=log)
        log.info("starting", venue=feed.venue, url=feed.url, tickers=feed.tickers, next_seq=out.publisher.next_seq)
        async with draining(out.bus) as stop:
            # What is alive now stays: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            await supervise(shell, out.reporter, stop)


@click.command()
@click.argument("name")
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--seed", type=int, help="Makes the jitter of retries reproducible.")
def main(name: str, path: Path | None, seed: int | None) -> None:
    """Connects to the venue of [feed.NAME] and publishes its market data."""
    run(serve(configuration.load(path), name, seed))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire connector")
