"""The demo's door for browsers and programs: which ports, whose password and key, and the process behind it."""

from __future__ import annotations

import secrets
import socket
from importlib.util import find_spec
from pathlib import Path

from tapewire.demo.front_door import free
from tapewire.demo.settings import Web
from tapewire.demo.supervisor import Supervisor
from tapewire.fix.auth import SECRET_BYTES, hash_password, read_secret, write_secret

PORT = 8800
PROCESS = "api"
USER = "demo"
KEY = "demo-key"


def folder(data: Path) -> Path:
    """Where the demo keeps what it made at its first start: the user's password, the key's secret."""
    return data / "api"


def find(data: Path) -> Web | None:
    """Two free ports, the usual ones if nobody has them, the user's password and the key. None: what serves HTTP is not
    installed (`pip install tapewire[api]`)."""
    if find_spec("httptools") is None:
        return None
    password_file, key = folder(data) / "password", folder(data) / "keys" / KEY
    if not password_file.exists():
        write_secret(password_file, secrets.token_urlsafe(9).encode())
    if not key.exists():
        write_secret(key, secrets.token_bytes(SECRET_BYTES))
    password = read_secret(password_file).decode()
    port = PORT if _is_free(PORT) and _is_free(PORT + 1) else free(0)
    stream = port + 1 if port == PORT else free(0)
    return Web(port, stream, password, hash_password(password), key)


def start(supervisor: Supervisor, config: Path) -> None:
    """Once the engine runs: its rings are what the API writes into."""
    supervisor.start(PROCESS, "services.api", "--config", str(config))


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
