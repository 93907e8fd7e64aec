"""Signatures of the API's requests by a shared secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

from tapewire.fix.auth import read_secret


def signer(secret_file: Path) -> Callable[[str], str]:
    """Signs texts by HMAC-SHA256, in base64. Raises as read_secret does."""
    secret = read_secret(secret_file)
    return lambda text: base64.b64encode(hmac.digest(secret, text.encode(), hashlib.sha256)).decode()
