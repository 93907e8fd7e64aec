"""Asking a service how it is: by its socket in the data folder, or by the address it is probed at."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tapewire.errors import ConfigError
from tapewire.health.listener import Reached

TIMEOUT_S: Final = 2.0
ANSWER_BYTES_MAX: Final = 65_536


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a service said, or what kept it from saying anything: then `state` is "unreachable"."""

    service: str
    ok: bool
    state: str
    """starting, ready, degraded, draining of /ready; live or stalled of /live."""
    reasons: tuple[str, ...] = ()
    detail: str = ""
    pid: int = 0


def sockets(folder: Path) -> list[Path]:
    """The sockets of services that run on a data folder, or were killed there: `folders.health` of it."""
    return sorted(path for path in folder.glob("*") if path.is_socket())


def ask_socket(path: Path, what: str = "/ready", timeout: float = TIMEOUT_S) -> Answer:
    """What the service at that socket says within `timeout` seconds; never raises: no answer is one, too."""
    connection = _LocalConnection(path, timeout)
    return _ask(connection, path.name, what)


def ask(url: str, what: str = "/ready", timeout: float = TIMEOUT_S) -> Answer:
    """What the service at `url` says; `what` is asked where the URL has no path. Raises ConfigError on another URL."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(f"{url}: expected http://HOST:PORT, as [health] address and port say, or a service's name")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    return _ask(connection, url, what if parts.path in ("", "/") else parts.path)


def _ask(connection: http.client.HTTPConnection, name: str, what: str) -> Answer:
    try:
        connection.request("GET", what)
        response = connection.getresponse()
        body = response.read(ANSWER_BYTES_MAX)
        return msgspec.json.decode(body, type=Answer)
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
    except msgspec.MsgspecError as error:
        why = f"its answer is none of ours: {error}"
    finally:
        connection.close()
    return Answer(service=name, ok=False, state="unreachable", reasons=(f"no answer: {why}",))


class _LocalConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with Reached(self._path) as reached:
            self.sock.connect(reached)
