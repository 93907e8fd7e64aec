"""docs/api.md says what is: its signatures verify, its exchanges happen."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from services.api.keys import Failures, Keys, Signed, signed_text
from tapewire.config import Api, ApiKey
from tapewire.fix.auth import ed25519_signature, hmac_signature, public_ed25519, write_secret
from tests.api.exchanges import BLOCK, DOCUMENT, all_exchanges, rendered, shape

EXAMPLE = re.compile(r"<!-- example: ([a-z0-9-]+) -->\n```\n(.*?)\n```", re.DOTALL)


def examples() -> dict[str, str]:
    return dict(EXAMPLE.findall(DOCUMENT.read_text()))


def signed() -> Signed:
    """The request of the worked example."""
    given = examples()
    head, _, body = given["request"].partition("\n\n")
    line, *lines = head.split("\n")
    method, target, _ = line.split(" ")
    headers = dict(one.split(": ", 1) for one in lines)
    key, timestamp, nonce, signature = (
        headers[f"Tapewire-{name}"] for name in ("Key", "Timestamp", "Nonce", "Signature")
    )
    return Signed(key, timestamp, nonce, signature, method, target, body.encode())


def test_what_is_signed_in_the_example_is_made_as_the_text_says() -> None:
    request, given = signed(), examples()
    assert given["body-hash"] == hashlib.sha256(request.body).hexdigest()
    text = signed_text(request.timestamp, request.nonce, request.method, request.target, request.body)
    assert given["signed-text"] == text
    secret = base64.b64decode(given["secret"])
    assert hmac_signature(secret, text) == request.signature == given["hmac-signature"]
    assert ed25519_signature(secret, text) == given["ed25519-signature"]
    assert public_ed25519(secret) == given["ed25519-public-key"]


@pytest.mark.parametrize("auth", ["hmac", "ed25519"])
def test_the_signatures_of_the_example_are_taken(tmp_path: Path, auth: str) -> None:
    given, request = examples(), signed()
    write_secret(tmp_path / "secret", base64.b64decode(given["secret"]))
    if auth == "hmac":
        key = ApiKey(name=request.key, number=1, auth="hmac", secret_file=tmp_path / "secret")
    else:
        key = ApiKey(name=request.key, number=1, public_key=given["ed25519-public-key"])
    keys = Keys(Api(keys=(key,)), Failures(10, 10**9))
    now = int(request.timestamp) * 1_000_000
    taken = request._replace(signature=given[f"{auth}-signature"])
    assert keys.verify(taken, now, "127.0.0.1").name == request.key


def test_every_exchange_of_the_document_happens(tmp_path: Path) -> None:
    shown = {name: shape(name, text) for name, text in BLOCK.findall(DOCUMENT.read_text())}
    made = {one.name: shape(one.name, rendered(one)) for one in all_exchanges(tmp_path)}
    assert shown == made
