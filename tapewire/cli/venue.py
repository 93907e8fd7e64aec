"""The session to one outside venue, which the router's orders go by."""

from __future__ import annotations

import runpy
import sys

import click

from tapewire.errors import TapewireError


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(name: str, options: tuple[str, ...]) -> None:
    """Runs the session to the venue NAME of [[venues]] until SIGTERM: docs/venues.md. Takes --config and --router.

    \b
    tapewire venue broker --config tapewire.toml
    """
    sys.argv = ["tapewire venue", "--venue", name, *options]
    try:
        runpy.run_module("services.gateway.initiator", run_name="__main__", alter_sys=True)
    except ImportError as error:
        raise TapewireError(f"the session to a venue needs the extra fix: {error}") from None
