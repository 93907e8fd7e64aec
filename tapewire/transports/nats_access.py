"""How a connection to NATS shows who it is, and how it knows the server: nkeys or tokens from a folder, TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from nats.aio.client import RawCredentials

from tapewire.config.sections import Nats
from tapewire.errors import CredentialError, TransportError
from tapewire.fix.auth import read_private
from tapewire.pem import unreadable

MAX_KEY_FILE = 65_536


def inbox(user: str) -> str:
    """Where a user's answers come: nobody else may listen there."""
    return f"_INBOX.{user}"


def options(settings: Nats, name: str) -> dict[str, Any]:
    """What nats-py's `connect` takes for it. Raises TransportError for files that cannot be used."""
    found: dict[str, Any] = {}
    if settings.keys != Path():
        user = settings.user or name
        found |= _key(settings.keys, user)
        found["inbox_prefix"] = inbox(user).encode()
    if context := _tls(settings):
        found["tls"] = context
    return found


def check(settings: Nats, *users: str) -> None:
    """For the start of a service that speaks as these users, or as `nats.user`, before it waits for anything.

    Raises TransportError: a key or certificate cannot be read, which would later be taken for a bus that is away.
    """
    for user in users:
        options(settings, user)


def _key(folder: Path, user: str) -> dict[str, Any]:
    token, seed = folder / f"{user}.creds", folder / f"{user}.nk"
    path = token if token.exists() else seed
    try:
        text = read_private(path, MAX_KEY_FILE)
    except CredentialError as error:
        raise TransportError(
            f"nats.keys: no key of the user {user!r}: {error}. `tapewire bus keys` makes them; nats.user names another"
        ) from None
    # Read here, and not by nats-py, which takes a file that others can read, too.
    return {"user_credentials": RawCredentials(text)} if path == token else {"nkeys_seed_str": text}


def _tls(settings: Nats) -> ssl.SSLContext | None:
    if settings.ca == Path() and settings.certificate == Path() and not settings.url.startswith("tls://"):
        return None
    files = {"nats.ca": settings.ca, "nats.certificate": settings.certificate, "nats.private_key": settings.private_key}
    if why := unreadable(files):
        raise TransportError(why)
    try:
        context = ssl.create_default_context(cafile=settings.ca if settings.ca != Path() else None)
        if settings.certificate != Path():
            context.load_cert_chain(settings.certificate, settings.private_key)
    except (OSError, ssl.SSLError) as error:
        raise TransportError(
            f"nats.ca, nats.certificate, nats.private_key: expected PEM files that fit together: {error}"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
