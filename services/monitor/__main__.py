"""`tapewire monitor`: reads configuration, runs the parts until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

from pathlib import Path

import click

from services.monitor.parts import Part, run_all
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.config import Config
from tapewire.lifecycle import run, stop_on_signals
from tapewire.logs import Logger, configure


def parts_of(settings: Config, log: Logger) -> list[Part]:
    """What is to run by the configuration."""
    parts: list[Part] = []
    return parts


async def serve(settings: Config, log: Logger) -> None:
    stop = stop_on_signals()
    parts = parts_of(settings, log)
    log.info("watching", parts=[type(part).__name__ for part in parts])
    await run_all(parts, stop)
    await stop.wait()
    log.info("stopped")


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Watches the platform: traces of orders and ticks, metrics."""
    settings = configuration.load(path)
    settings.folders.prepare(settings.rings)
    run(serve(settings, configure("monitor")))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire monitor")
