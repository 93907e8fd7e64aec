"""Which connections may come in, and which pages; without sockets."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from tapewire.config import Api
from tapewire.config.stream import Stream

C = TypeVar("C", bound=Hashable)


class Admission(Generic[C]):
    """Connections that are open: of each its address, and whether it has said who it is."""

    def __init__(self, limits: Stream) -> None:
        self._limits = limits
        self._open: dict[C, str] = {}
        self._unknown: OrderedDict[C, None] = OrderedDict()
        self._per_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def unknown(self) -> int:
        return len(self._unknown)

    def admit(self, connection: C, address: str) -> tuple[str, C | None]:
        """Why it may not come in ("": it may), and one that must go for it."""
        if len(self._open) >= self._limits.max_clients and not self._unknown:
            return f"{len(self._open)} clients are connected, which is all there may be", None
        if self._per_address[address] >= self._limits.max_clients_per_address:
            return (
                f"{self._per_address[address]} clients are connected from this address, which is all there may be",
                None,
            )
        oldest = None
        if len(self._unknown) >= self._limits.max_unknown or len(self._open) >= self._limits.max_clients:
            # The oldest has had the longest time to say who it is: who floods us loses to who means it.
            oldest = next(iter(self._unknown))
            self.leave(oldest)
        self._open[connection] = address
        self._unknown[connection] = None
        self._per_address[address] += 1
        return "", oldest

    def known(self, connection: C) -> None:
        """It has said who it is."""
        self._unknown.pop(connection, None)

    def leave(self, connection: C) -> None:
        """It is gone, or going. Harmless if it was told before."""
        address = self._open.pop(connection, None)
        if address is None:
            return
        self._unknown.pop(connection, None)
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]


class Origins:
    """Pages that may connect: those of the API itself, and those that the configuration names.

    What a key's own pages are is known only when the client has said who it is; up to there they are let in.
    """

    def __init__(self, api: Api) -> None:
        self._scheme, self._port = ("https" if api.tls else "http"), api.port
        self._named = frozenset(api.origins)
        self._of_keys = frozenset(origin for key in api.keys for origin in key.origins)

    def ours(self, origin: str, host: str) -> bool:
        """`host`: what the client asked for (Host, with or without the stream's port)."""
        if origin in self._named:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        name = f"[{name}]" if ":" in name else name
        default = 443 if self._scheme == "https" else 80
        own = {f"{self._scheme}://{name}:{self._port}"} | (
            {f"{self._scheme}://{name}"} if self._port == default else set()
        )
        return origin in own

    def foreign(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may not even connect."""
        return not self.ours(origin, host) and origin not in self._of_keys

    def allows(self, origin: str, host: str, of_author: Collection[str]) -> bool:
        """Whether who has proven who it is may go on from this page; `origin` "": it is none."""
        return not origin or self.ours(origin, host) or origin in of_author
