"""The sessions to one outside venue: for the router's orders and their drop copy, or for its market."""

from __future__ import annotations

import runpy
import sys

import click

from tapewire.errors import TapewireError


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.option("--market-data", is_flag=True, help="The session for its market, a process of its own.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(name: str, market_data: bool, options: tuple[str, ...]) -> None:
    """Runs the sessions to the venue NAME of [[venues]] until SIGTERM: docs/venues.md. Takes --config and, without
    --market-data, --router.

    \b
    tapewire venue broker --config tapewire.toml
    tapewire venue binance --market-data --config tapewire.toml
    """
    module = "services.gateway.initiator.market_data" if market_data else "services.gateway.initiator"
    sys.argv = ["tapewire venue", "--venue", name, *options]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except ImportError as error:
        raise TapewireError(f"the session to a venue needs the extra fix: {error}") from None
