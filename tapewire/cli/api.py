"""HTTP and WebSocket: run the API, make credentials for programs and people."""

from __future__ import annotations

import base64
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import click

from tapewire.cli._options import config_option, data_option, json_option
from tapewire.errors import TapewireError


@click.group(invoke_without_command=True)
@config_option
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
@json_option
def key(
    name: str,
    kind: str,
    number: int,
    accounts: tuple[int, ...],
    scopes: tuple[str, ...],
    data: Path,
    as_json: bool,
) -> None:
    """Make the key NAME for a program. Its secret is printed once and kept nowhere else; the lines for [[api.keys]]
    hold what the API needs. A shared HMAC secret also goes to <data>/api/keys/NAME. With --json all of it is one object
    on standard output, the secret too.

    \b
    tapewire api key desk --number 1 --account 7 --scope read --scope trade
    """
    import secrets

    from tapewire.fix.auth import SECRET_BYTES, new_ed25519, write_secret

    _check_name(name)
    if kind == "hmac":
        raw, path = secrets.token_bytes(SECRET_BYTES), data / "api" / "keys" / name
        write_secret(path, raw)
        proof = {"secret_file": str(path)}
    else:
        raw, public = new_ed25519()
        proof = {"public_key": public}
    made = {"name": name, "number": number, "auth": kind, **proof, **_rights(accounts, scopes)}
    secret = base64.b64encode(raw).decode()
    if as_json:
        click.echo(json.dumps({"key": made, "secret": secret}))
        return
    click.echo(_table("api.keys", made))
    click.echo("\n# for the client, shown this once:", err=True)
    click.echo(secret, err=True)


@command.command()
@click.argument("name")
@click.option("--number", type=click.IntRange(1, 65_534), required=True, help="Its own for ever: orders carry it.")
@click.option("--account", "accounts", type=int, multiple=True, help="It may see; again for more.")
@click.option("--scope", "scopes", type=click.Choice(["read", "trade", "risk", "admin"]), multiple=True)
@click.option("--password", help="Left out: asked for, or made if the answer is empty.")
@json_option
def user(
    name: str, number: int, accounts: tuple[int, ...], scopes: tuple[str, ...], password: str | None, as_json: bool
) -> None:
    """Make the user NAME for the dashboard: lines for [[api.users]], with the password's hash.

    \b
    tapewire api user ann --number 50 --account 7 --scope read --scope trade
    """
    import secrets

    from tapewire.fix.auth import hash_password

    _check_name(name)
    if password is None:
        password = str(click.prompt("Password", default="", hide_input=True, show_default=False, err=True))
    generated = "" if password else secrets.token_urlsafe(12)
    rights = _rights(accounts, scopes)
    made = {"name": name, "number": number, "password_hash": hash_password(password or generated), **rights}
    if as_json:
        click.echo(json.dumps({"user": made, **({"password": generated} if generated else {})}))
        return
    if generated:
        click.echo(f"# made, shown this once: {generated}", err=True)
    click.echo(_table("api.users", made))


def _table(name: str, fields: dict[str, Any]) -> str:
    """One table of an array, in TOML; texts and lists are written there as in JSON."""
    return "\n".join((f"[[{name}]]", *(f"{field} = {json.dumps(value)}" for field, value in fields.items())))


def _rights(accounts: tuple[int, ...], scopes: tuple[str, ...]) -> dict[str, Any]:
    if "trade" in scopes and not accounts:
        raise TapewireError("the scope trade needs --account: whose orders it may send")
    return {"scopes": list(scopes) or ["read"], "accounts": list(accounts)}


def _check_name(name: str) -> None:
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or name != name.lower():
        raise TapewireError(f"{name!r}: expected a name of a-z, 0-9, - and _")
