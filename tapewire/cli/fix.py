"""FIX: credentials for sessions, and a certification walk through a counterparty."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import click

from tapewire.cli._options import data_option
from tapewire.errors import TapewireError


@click.group()
def command() -> None:
    """FIX: credentials for sessions, and a certification walk through a counterparty."""


@command.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(["ed25519", "hmac", "password"]), default="ed25519", show_default=True)
@data_option
def key(name: str, kind: str, data: Path) -> None:
    """Make credentials for the session NAME. The client's secret is printed once and kept nowhere else; the lines for
    [[gateway.sessions]] hold what the gateway needs. A shared HMAC secret also goes to <data>/gateway/keys/NAME.

    \b
    tapewire fix key acme
    tapewire fix key acme --kind hmac
    """
    import secrets

    from tapewire.fix.auth import SECRET_BYTES, hash_password, new_ed25519, write_secret

    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise TapewireError(f"key {name!r}: expected a name of a-z, 0-9, - and _")
    if kind == "password":
        secret = secrets.token_urlsafe(24)
        lines = [f'password_hash = "{hash_password(secret)}"']
    elif kind == "hmac":
        raw, path = secrets.token_bytes(SECRET_BYTES), data / "gateway" / "keys" / name
        write_secret(path, raw)
        secret = base64.b64encode(raw).decode()
        lines = [f"secret_file = {json.dumps(str(path))}"]
    else:
        private, public = new_ed25519()
        secret = base64.b64encode(private).decode()
        lines = [f'public_key = "{public}"']
    click.echo(f"# for [[gateway.sessions]] of {name}:")
    click.echo(f'username = "{name}"\nauth = "{kind}"\n' + "\n".join(lines))
    click.echo("\n# for the client, shown this once:", err=True)
    click.echo(secret, err=True)
