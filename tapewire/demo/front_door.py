"""The demo's front door for FIX: which ports, whose key, and the two processes behind it."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path

from tapewire.demo.settings import Fix
from tapewire.demo.supervisor import Supervisor
from tapewire.fix.auth import new_ed25519, public_ed25519, read_secret, write_secret

PORT = 9880
PROCESSES = ("gateway.front", "gateway")  # in the order in which they end


def key_file(data: Path) -> Path:
    """The private key of all of the demo's sessions, made by its first start."""
    return data / "gateway" / "keys" / "demo"


def find(data: Path) -> Fix | None:
    """Free ports, the usual ones if nobody has them, and the sessions' key. None: there is no session layer for this
    Python."""
    if find_spec("quickfix") is None:
        return None
    path = key_file(data)
    if path.exists():
        public = public_ed25519(read_secret(path))
    else:
        private, public = new_ed25519()
        write_secret(path, private)
    port = free(PORT)
    return Fix(port, free(port + 1), public)


def start(supervisor: Supervisor, config: Path) -> None:
    """Once the engine runs: its ring is what the gateway writes into."""
    supervisor.start("gateway", "services.gateway", "--config", str(config))
    supervisor.start("gateway.front", "services.gateway.front", "--config", str(config))


def free(wanted: int) -> int:
    """`wanted`, or one that the system gives."""
    for port in (wanted, 0):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("0.0.0.0", port))  # as the session layer binds
            except OSError:
                continue
            return int(one.getsockname()[1])
    raise OSError("no port is free")
