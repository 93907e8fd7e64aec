"""`tapewire risk`: reads configuration, answers what engines ask of risk, until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

from pathlib import Path

import click

from services.risk import Answering
from tapewire import config as configuration
from tapewire import health, lifecycle
from tapewire.logs import configure
from tapewire.split.serving import Serving


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Risk as a service of its own: decides on commands for every engine of topology split that asks."""
    settings = configuration.load(path)
    settings.folders.prepare(settings.rings)
    log = configure("risk")
    with health.serve(settings, "risk") as told:
        serving = Serving("risk", settings, Answering, log)

        def stop() -> None:
            told.drain()
            serving.stop()

        stopping.on_stop(stop)
        told.check(ready=serving.reasons, detail=serving.detail)
        serving.run(told.pulse("duty cycle").beat)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire risk")
