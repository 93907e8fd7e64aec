"""`tapewire matcher`: reads configuration, answers what engines ask of the matcher, until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

from pathlib import Path

import click

from services.matcher import Answering
from tapewire import lifecycle
from tapewire.split.serving import serve


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """The matcher as a service of its own: matches for every engine of topology split that asks."""
    serve("matcher", path, Answering)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire matcher")
