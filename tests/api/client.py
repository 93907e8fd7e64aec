"""A client of the API as a stranger would write one: sockets, HMAC, JSON. It knows nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

Sign = Callable[[str], str]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


def hmac_sign(secret: bytes) -> Sign:
    """Base64 of HMAC-SHA256."""

    def sign(text: str) -> str:
        return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()

    return sign


class HttpClient:
    """One connection, kept. Not for several threads."""

    def __init__(
        self,
        port: int,
        key: str = "",
        sign: Sign | None = None,
        *,
        timeout: float = 60.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port, self.key, self._sign = port, key, sign
        self._connection = (
            http.client.HTTPSConnection("localhost", port, timeout=timeout, context=tls)
            if tls is not None
            else http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        )
        self.cookie = self.csrf = ""

    def headers(self, method: str, target: str, body: bytes, **changes: str) -> dict[str, str]:
        """What a signed request carries; `changes` by name (timestamp, nonce) are signed as they are."""
        found = {"Content-Type": "application/json"} if body else {}
        if self.cookie:
            found |= {"Cookie": self.cookie, "Tapewire-Csrf": self.csrf}
        if self._sign is not None:
            timestamp = changes.get("timestamp", str(time.time_ns() // 1_000_000))
            nonce = changes.get("nonce", secrets.token_hex(12))
            text = "\n".join((timestamp, nonce, method, target, hashlib.sha256(body).hexdigest()))
            found |= {"Tapewire-Key": self.key, "Tapewire-Timestamp": timestamp, "Tapewire-Nonce": nonce}
            found["Tapewire-Signature"] = self._sign(text)
        return found

    def send(self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """As it is given."""
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent: the answer is there
            self._connection.request(method, target, body or None, headers or {})
        response = self._connection.getresponse()
        raw = response.read()
        kind = response.headers.get("content-type", "")
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, found, json.loads(raw) if "json" in kind else raw)

    def call(self, method: str, target: str, body: Any = None, **headers: str) -> Answer:
        """Signed, or with the login's cookie."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(method, target, raw, self.headers(method, target, raw) | headers)

    def get(self, target: str) -> Any:
        """The body of what must be there."""
        answer = self.call("GET", target)
        assert answer.status == 200, answer
        return answer.body

    def log_in(self, user: str, password: str) -> Answer:
        raw = json.dumps({"user": user, "password": password}).encode()
        answer = self.send("POST", "/v1/login", raw, {"Content-Type": "application/json"})
        if answer.status == 200:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
            self.csrf = answer.body["csrf"]
        return answer

    def close(self) -> None:
        self._connection.close()
