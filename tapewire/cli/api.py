"""HTTP and WebSocket: run the API, make credentials for programs and people."""

from __future__ import annotations

import base64
import json
import runpy
import sys
from pathlib import Path

import click

from tapewire.cli._options import data_option
from tapewire.errors import TapewireError


@click.group(invoke_without_command=True)
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.pass_context
def command(context: click.Context, path: Path | None) -> None:
    """Run the API (without a subcommand), or make credentials for it.

    \b
    tapewire api --config tapewire.toml
    tapewire api key desk --number 1 --account 7 --scope read --scope trade
    tapewire api user ann --number 50 --account 7 --scope read
    """
    if context.invoked_subcommand is not None:
        return
    # A service is named, not imported: tapewire depends on none.
    sys.argv = ["tapewire api", *(["--config", str(path)] if path else [])]
    runpy.run_module("services.api", run_name="__main__", alter_sys=True)


@command.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(["ed25519", "hmac"]), default="ed25519", show_default=True)
@click.option("--number", type=click.IntRange(1, 65_534), required=True, help="Its own for ever: orders carry it.")
@click.option("--account", "accounts", type=int, multiple=True, help="It may see; again for more.")
@click.option("--scope", "scopes", type=click.Choice(["read", "trade", "risk", "admin"]), multiple=True)
@data_option
def key(name: str, kind: str, number: int, accounts: tuple[int, ...], scopes: tuple[str, ...], data: Path) -> None:
    """Make the key NAME for a program. Its secret is printed once and kept nowhere else; the lines for [[api.keys]] hold
    what the API needs. A shared HMAC secret also goes to <data>/api/keys/NAME.

    \b
    tapewire api key desk --number 1 --account 7 --scope read --scope trade
    """
    import secrets

    from tapewire.fix.auth import SECRET_BYTES, new_ed25519, write_secret

    _check_name(name)
    if kind == "hmac":
        raw, path = secrets.token_bytes(SECRET_BYTES), data / "api" / "keys" / name
        write_secret(path, raw)
        line = f"secret_file = {json.dumps(str(path))}"
    else:
        raw, public = new_ed25519()
        line = f'public_key = "{public}"'
    click.echo(f'[[api.keys]]\nname = "{name}"\nnumber = {number}\nauth = "{kind}"\n{line}')
    click.echo(_rights(accounts, scopes))
    click.echo("\n# for the client, shown this once:", err=True)
    click.echo(base64.b64encode(raw).decode(), err=True)


@command.command()
@click.argument("name")
@click.option("--number", type=click.IntRange(1, 65_534), required=True, help="Its own for ever: orders carry it.")
@click.option("--account", "accounts", type=int, multiple=True, help="It may see; again for more.")
@click.option("--scope", "scopes", type=click.Choice(["read", "trade", "risk", "admin"]), multiple=True)
@click.option("--password", help="Left out: asked for, or made if the answer is empty.")
def user(name: str, number: int, accounts: tuple[int, ...], scopes: tuple[str, ...], password: str | None) -> None:
    """Make the user NAME for the dashboard: lines for [[api.users]], with the password's hash.

    \b
    tapewire api user ann --number 50 --account 7 --scope read --scope trade
    """
    import secrets

    from tapewire.fix.auth import hash_password

    _check_name(name)
    if password is None:
        password = str(click.prompt("Password", default="", hide_input=True, show_default=False, err=True))
    if not password:
        password = secrets.token_urlsafe(12)
        click.echo(f"# made, shown this once: {password}", err=True)
    hashed = hash_password(password)
    click.echo(f'[[api.users]]\nname = "{name}"\nnumber = {number}\npassword_hash = "{hashed}"')
    click.echo(_rights(accounts, scopes))


def _rights(accounts: tuple[int, ...], scopes: tuple[str, ...]) -> str:
    if "trade" in scopes and not accounts:
        raise TapewireError("the scope trade needs --account: whose orders it may send")
    return f"scopes = {json.dumps(list(scopes) or ['read'])}\naccounts = {json.dumps(list(accounts))}"


def _check_name(name: str) -> None:
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or name != name.lower():
        raise TapewireError(f"{name!r}: expected a name of a-z, 0-9, - and _")
