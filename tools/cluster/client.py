"""Asks an API server, in JSON over TLS, as whom a certificate says."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tools.services.server import HOST

Object = dict[str, Any]
TIMEOUT_S: Final = 30.0
_PATCHES: Final = {"merge": "application/merge-patch+json", "strategic": "application/strategic-merge-patch+json"}


class Refused(Exception):
    """The API server said no: `code` of HTTP, its own words as text."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code


class Client:
    """Of one server, as one user; each question is a connection of its own."""

    def __init__(self, port: int, authority: Path, certificate: Path, key: Path) -> None:
        self._port, self._context = port, ssl.create_default_context(cafile=str(authority))
        self._context.load_cert_chain(certificate, key)

    def ask(self, method: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        """The answer. Raises Refused, OSError while nobody listens."""
        text = None if body is None else json.dumps(body)
        connection = HTTPSConnection(HOST, self._port, timeout=TIMEOUT_S, context=self._context)
        try:
            connection.request(method, path, text, {"Content-Type": kind, "Accept": "application/json"})
            answer = connection.getresponse()
            said = answer.read().decode()
        except (OSError, HTTPException) as error:
            raise OSError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(answer.status, said)
        found: Object = json.loads(said) if said.startswith("{") else {"text": said}
        return found

    def get(self, path: str) -> Object:
        return self.ask("GET", path)

    def items(self, path: str, **parameters: str) -> list[Object]:
        """Of a list, by labelSelector=, fieldSelector=."""
        found: list[Object] = self.get(f"{path}?{urlencode(parameters)}" if parameters else path)["items"]
        return found

    def make(self, path: str, body: Object) -> Object:
        return self.ask("POST", path, body)

    def patch(self, path: str, body: Object, kind: str = "merge") -> Object:
        return self.ask("PATCH", path, body, _PATCHES[kind])

    def delete(self, path: str, **options: object) -> Object:
        return self.ask("DELETE", path, options or None)

    def is_ready(self, path: str = "/readyz") -> bool:
        """Whether it answers there that all is well; False too while nobody listens."""
        try:
            return self.get(path).get("text") == "ok"
        except (OSError, Refused):
            return False


def wait_until(what: str, holds: Callable[[], Any], within_s: float = 60.0) -> Any:
    """The first answer of `holds` that is true. Raises TimeoutError, which names `what` and the last answer."""
    deadline = time.monotonic() + within_s
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within_s:g} s; last: {found!r}")
        time.sleep(0.1)
    return found
