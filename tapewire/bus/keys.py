"""Keys of the bus's users: nkeys (Ed25519), and the server's `users.conf` with what each may do.

    <folder>/users.conf                  public keys and permissions, for the server: `include` it
    <folder>/revoked.json                public keys of users that were removed
    <folder>/keys/<user>.nk              the user's seed, mode 0600: `[nats] nkey`

With `jwt`, for servers that take operators' and accounts' tokens instead:

    <folder>/resolver.conf               the operator's and the account's token, for the server
    <folder>/keys/<user>.creds           the user's token and seed, mode 0600: `[nats] credentials`
    <folder>/keys/operator-key.nk, account-key.nk, system-key.nk   what signs them: keep them away from the platform
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nkeys

from tapewire.bus.permissions import ANSWERED_WITHIN_S, Permissions

ACCOUNT = "tapewire"
SEED_BYTES = 32
TIMEOUT_S = 2  # for a connection to show who it is
SIGNERS = ("operator-key", "account-key", "system-key")
NO_STORAGE = {"mem_storage": 0, "disk_storage": 0, "streams": 0, "consumer": 0}
KINDS = {
    "user": nkeys.PREFIX_BYTE_USER,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
}


def write(folder: Path, users: Iterable[tuple[str, Permissions]], *, jwt: bool = False) -> list[Path]:
    """Makes what is missing: keys that are there stay. Returns the files written, new keys among them.

    A user that is not among `users` any more is removed: its files go, and with tokens the account's token revokes it.
    """
    written: list[Path] = []
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    with_keys = [(name, _pair(folder / "keys" / f"{name}.nk", "user", written), may) for name, may in users]
    _remove_others(folder, {name for name, _, _ in with_keys})
    if jwt:
        _write_tokens(folder, with_keys, written)
    else:
        path = folder / "users.conf"
        path.write_text(users_conf((name, _public(pair), may) for name, pair, may in with_keys))
        written.append(path)
    return written


def _remove_others(folder: Path, names: set[str]) -> None:
    """Their public keys are kept in `revoked.json`: a token is good until it is revoked, whoever has a copy of it."""
    revoked = _revoked(folder)
    for path in sorted((folder / "keys").glob("*.nk")):
        if path.stem in names or path.stem in SIGNERS:
            continue
        revoked[_public(_pair(path, "user", []))] = int(time.time())
        (folder / "revoked.json").write_text(json.dumps(revoked, indent=2) + "\n")
        path.with_suffix(".creds").unlink(missing_ok=True)
        path.unlink()


def _revoked(folder: Path) -> dict[str, int]:
    """Public keys of users that were removed, and when (UTC s)."""
    path = folder / "revoked.json"
    if not path.exists():
        return {}
    found: dict[str, int] = json.loads(path.read_text())
    return found


def users_conf(users: Iterable[tuple[str, str, Permissions]]) -> str:
    """The server's list: name, public key, permissions."""
    blocks = []
    for name, public, may in users:
        answers = f'\n        allow_responses: {{ max: 1, expires: "{ANSWERED_WITHIN_S}s" }}' if may.answers else ""
        blocks.append(
            f"    # {name}\n"
            f"    {{ nkey: {public}\n      permissions: {{\n"
            f"        publish: {json.dumps(_allowed(may.publish))}\n"
            f"        subscribe: {json.dumps(_allowed(may.subscribe))}{answers}\n      }} }}\n"
        )
    return (
        "# Written by `tapewire bus keys`: who may connect, and what each may do. Everything else is refused.\n"
        f"authorization: {{\n  timeout: {TIMEOUT_S}\n  users: [\n" + "".join(blocks) + "  ]\n}\n"
    )


def _allowed(subjects: tuple[str, ...]) -> dict[str, list[str]]:
    """As the server has it in both forms. To it an empty list of what is allowed means that everything is."""
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _write_tokens(folder: Path, users: list[tuple[str, nkeys.KeyPair, Permissions]], written: list[Path]) -> None:
    operator = _pair(folder / "keys" / "operator-key.nk", "operator", written)
    account = _pair(folder / "keys" / "account-key.nk", "account", written)
    limits = {"subs": -1, "data": -1, "payload": -1}
    operator_token = _token(operator, _public(operator), "tapewire", {"type": "operator"})
    storage = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    account_limits = {**limits, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1, **storage}
    claims: dict[str, Any] = {"type": "account", "limits": account_limits, "default_permissions": {}}
    if revoked := _revoked(folder):
        claims["revocations"] = revoked
    account_token = _token(operator, _public(account), ACCOUNT, claims)
    # JetStream of a server with tokens needs an account of the server's own; nobody has a user there.
    system = _pair(folder / "keys" / "system-key.nk", "account", written)
    system_token = _token(
        operator, _public(system), "SYS", {"type": "account", "limits": {**account_limits, **NO_STORAGE}}
    )
    path = folder / "resolver.conf"
    path.write_text(
        "# Written by `tapewire bus keys --jwt`. The operator's token, and the account's for the memory resolver.\n"
        f"authorization: {{ timeout: {TIMEOUT_S} }}\noperator: {operator_token}\nresolver: MEMORY\n"
        f"system_account: {_public(system)}\n"
        f"resolver_preload: {{\n  {_public(account)}: {account_token}\n  {_public(system)}: {system_token}\n}}\n"
    )
    written.append(path)
    for name, pair, may in users:
        allowed: dict[str, Any] = {"pub": _allowed(may.publish), "sub": _allowed(may.subscribe)}
        if may.answers:
            allowed["resp"] = {"max": 1, "ttl": ANSWERED_WITHIN_S * 1_000_000_000}
        token = _token(account, _public(pair), name, {"type": "user", **allowed, **limits})
        path = folder / "keys" / f"{name}.creds"
        _write_secret(path, _creds(token, pair.seed.decode()))
        written.append(path)


def _token(signer: nkeys.KeyPair, subject: str, name: str, claims: dict[str, Any]) -> str:
    body: dict[str, Any] = {"iat": int(time.time()), "iss": _public(signer), "name": name, "sub": subject}
    body["nats"] = {**claims, "version": 2}
    digest = hashlib.sha256(json.dumps(body).encode()).digest()
    body["jti"] = base64.b32encode(digest).decode().rstrip("=")
    signed = f"{_base64({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_base64(body)}"
    return f"{signed}.{_unpadded(signer.sign(signed.encode()))}"


def _creds(token: str, seed: str) -> str:
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _base64(value: dict[str, Any]) -> str:
    return _unpadded(json.dumps(value, separators=(",", ":")).encode())


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _public(pair: nkeys.KeyPair) -> str:
    return str(pair.public_key.decode())


def _pair(path: Path, kind: str, written: list[Path]) -> nkeys.KeyPair:
    """The key of this file; made if there is none."""
    if not path.exists():
        seed = nkeys.encode_seed(secrets.token_bytes(SEED_BYTES), KINDS[kind])
        _write_secret(path, seed.decode() + "\n")
        written.append(path)
    return nkeys.from_seed(bytearray(path.read_text().strip().encode()))


def _write_secret(path: Path, text: str) -> None:
    """Only its owner can read it, from the first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
