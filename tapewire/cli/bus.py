"""The bus: its subjects, its schemas, and keys for who may use it.

\b
Examples:
  tapewire bus channels                                   every subject, from whom, for whom
  tapewire bus schema market.capnp                        a schema, as the bus answers it
  tapewire bus keys DIR --env prod --feed binance --account 7
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from tapewire.cli._options import json_option
from tapewire.errors import TapewireError

RING = re.compile(r"(orders|router)\.([0-9]+)\.([a-z0-9][a-z0-9_-]*)")


@click.group(help=__doc__)
def command() -> None: ...


@command.command()
@json_option
def channels(as_json: bool) -> None:
    """Every subject: its messages, who publishes them, who may read them.

    \b
    tapewire bus channels
    """
    from rich.console import Console
    from rich.table import Table

    from tapewire.bus.channels import CHANNELS

    if as_json:
        rows = [
            {
                "subject": one.address,
                "messages": [message.__name__ for message in one.messages],
                "asks": None if one.asks is None else [message.__name__ for message in one.asks],
                "services": one.services,
                "readers": one.readers,
                "when": one.when,
                "rate": one.rate,
                "headers": one.headers,
            }
            for one in CHANNELS
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table("subject", "messages", "from", "who may read", box=None, padding=(0, 2, 0, 0))
    for one in CHANNELS:
        messages = ", ".join(message.__name__ for message in one.messages) or "text"
        table.add_row(one.address, messages, ", ".join(one.services), one.readers)
    Console().print(table)


@command.command()
@click.argument("name", default="")
@json_option
def schema(name: str, as_json: bool) -> None:
    """Prints the schema NAME (`layout`: all offsets, JSON); without a name, their names.

    \b
    tapewire bus schema orders.capnp
    tapewire bus schema layout
    """
    from tapewire.bus.schemas import files

    if not name:
        click.echo(json.dumps(list(files())) if as_json else "\n".join(files()))
        return
    if name not in files():
        raise TapewireError(f"no schema {name!r}; there are {', '.join(files())}")
    text = files()[name].decode()
    click.echo(json.dumps({name: text}) if as_json else text)


@command.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--env", required=True, help="The environment, the first part of every subject.")
@click.option("--feed", "feeds", multiple=True, help="A venue's feed; repeat it.")
@click.option("--account", "accounts", multiple=True, type=click.IntRange(1, (1 << 20) - 1), help="Repeat it.")
@click.option("--ring", "rings", multiple=True, help="A relayed ring, as orders.0.gateway; repeat it.")
@click.option(
    "--tape", "tapes", multiple=True, help="A replicated tape besides orders.0, router.0, md.FEED; repeat it."
)
@click.option("--jwt", is_flag=True, help="Tokens of an operator and an account, in place of nkeys in users.conf.")
@json_option
def keys(
    folder: Path,
    env: str,
    feeds: tuple[str, ...],
    accounts: tuple[int, ...],
    rings: tuple[str, ...],
    tapes: tuple[str, ...],
    jwt: bool,
    as_json: bool,
) -> None:
    """Makes keys and permissions: of every service, the operator, a subscriber, latest values, each account.

    Keys that are there stay, so it can be run again with one more account. Who is not named any more is removed, with
    its keys; reload the server then. `[nats] keys` names FOLDER/keys.

    \b
    tapewire bus keys /etc/tapewire/bus --env prod --feed binance --account 7
    tapewire bus keys /etc/tapewire/bus --env prod --ring orders.0.gateway --ring router.0.api
    tapewire bus keys /etc/tapewire/bus --env prod --tape orders.0 --tape orders.1
    """
    from tapewire.bus import keys as made
    from tapewire.bus.permissions import users
    from tapewire.subjects import is_word

    for word in (env, *feeds):
        if not is_word(word):
            raise TapewireError(f"{word!r}: expected a lower-case word of a-z, 0-9, - and _, as in subjects")
    relayed = []
    for ring in rings:
        found = RING.fullmatch(ring)
        if found is None:
            raise TapewireError(f"--ring: {ring!r}; expected orders.<shard>.<producer> or router.<number>.<client>")
        relayed.append((found[1], f"{found[2]}-{found[3]}"))
    written = made.write(folder, users(env, feeds, accounts, relayed, tapes), jwt=jwt)
    if as_json:
        click.echo(json.dumps([str(path) for path in written]))
        return
    for path in written:
        click.echo(path)
