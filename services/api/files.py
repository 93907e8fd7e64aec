"""How many files this process may open: one for each connection."""

from __future__ import annotations

import resource
from typing import Final

from services.api.http.listening import MAX_HANDSHAKES
from tapewire.config import Api
from tapewire.errors import ConfigError

BESIDE_CONNECTIONS: Final = 256 + 2 * MAX_HANDSHAKES
"""Tapes, rings, pages of statistics, the bus; who shakes hands at one of our two ports."""


def raise_limit(api: Api) -> None:
    """Raises ConfigError: this process may not open as many as there may be connections."""
    needed = api.max_connections + api.stream.max_clients + BESIDE_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ConfigError(
            f"api.max_connections and api.stream.max_clients: hold {api.max_connections} and "
            f"{api.stream.max_clients}, which takes {needed} open files; this process may have {hard}. Raise the limit "
            f"(ulimit -n), or set at most {hard - BESIDE_CONNECTIONS} together"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
