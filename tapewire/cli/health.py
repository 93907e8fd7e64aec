"""Whether a service is alive and ready, and why not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import data_option, json_option

if TYPE_CHECKING:
    from tapewire.health import Answer


@click.command()
@click.argument("names", nargs=-1, metavar="[SERVICE|URL]...")
@click.option("--live", "what", flag_value="/live", help="Whether it still turns, even if it is not ready.")
@click.option("--ready", "what", flag_value="/ready", default="/ready", help="Whether it does its work (the default).")
@click.option("--timeout", type=click.FloatRange(min=0.05, max=60), default=2.0, show_default=True, help="Seconds.")
@data_option
@json_option
def command(names: tuple[str, ...], what: str, timeout: float, data: Path, as_json: bool) -> None:
    """Asks services of this host by name, or one anywhere by its URL; without a name, all of the data folder.

    Ends with status 0 if all said yes, else 1: for a container's health check, or a script that waits.

    \b
    tapewire health
    tapewire health engine --live
    tapewire health http://127.0.0.1:8081 --timeout 1
    """
    from tapewire.errors import TapewireError
    from tapewire.folders import Folders
    from tapewire.health import ask, ask_socket, sockets

    folder = Folders(data).health
    if not names:
        names = tuple(path.name for path in sockets(folder))
        if not names:
            raise TapewireError(f"{folder}: no service runs on this data folder; name one, or give --data")
    found = [ask(name, what, timeout) if "://" in name else ask_socket(folder / name, what, timeout) for name in names]
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(found).decode())
    else:
        for answer in found:
            click.echo(_line(answer))
    sys.exit(0 if all(answer.ok for answer in found) else 1)


def _line(answer: Answer) -> str:
    why = "; ".join(answer.reasons) or answer.detail
    return f"{answer.service:<20} {answer.state:<12} {why}".rstrip()
