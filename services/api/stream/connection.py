"""One TCP connection up to its upgrade: bounds, path, origin. What comes after is the client's.

connection ──▶ admitted, or closed with 503 ──▶ GET /v1/stream ──▶ 101, or 400, 403, 404
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Final, Protocol

from picows import WSAutoPingStrategy, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from services.api.stream.client import Client

PATH: Final = b"/v1/stream"
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b"
)
_READ_BUFFER: Final = 4096
# What clients do wrong is counted, and told to them; a line for each would let them fill the disk.
_SILENT: Final = logging.Logger("stream", logging.CRITICAL + 1)


class Door(Protocol):
    """Who decides about connections."""

    def admit(self, connection: Connection) -> str:
        """Why it may not come in; "": it may."""

    def left(self, connection: Connection) -> None:
        """It was admitted, and is gone."""

    def refuse(self, why: str) -> None:
        """An upgrade was refused."""

    def foreign(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may not connect."""

    def make(self, connection: Connection, origin: str, host: str) -> Client: ...


class Connection(WSProtocol):  # type: ignore[misc]
    """picows's protocol with what it has no option for: a bound before the upgrade, and no reading after an error."""

    def __init__(self, door: Door, max_message_bytes: int, handshake_timeout: float) -> None:
        super().__init__(
            None,
            None,
            False,
            self._upgrade,
            _SILENT,
            True,
            handshake_timeout,
            False,
            handshake_timeout,
            handshake_timeout,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,
            max_message_bytes,
            None,
            _READ_BUFFER,
        )
        self._door = door
        self._raw: asyncio.Transport | None = None
        self._admitted = False
        self.client: Client | None = None
        self.address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._raw = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        super().connection_made(transport)
        if why := self._door.admit(self):
            text = why.encode()
            transport.write(_BUSY % (len(text), text))
            transport.close()
            return
        self._admitted = True

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        client = self.client
        if client is not None and client.broken and self._raw is not None:
            # It closes in a moment, and parses no more. What comes until then is not worth memory.
            self._raw.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._admitted:
            self._admitted = False
            self._door.left(self)

    def abort(self) -> None:
        """Ends at once."""
        if self._raw is not None:
            self._raw.abort()

    def _upgrade(self, request: WSUpgradeRequest) -> Client | WSUpgradeResponseWithListener:
        if not self._admitted:
            return self._refused(HTTPStatus.SERVICE_UNAVAILABLE, "connections")
        if request.path != PATH:
            return self._refused(HTTPStatus.NOT_FOUND, f"there is only {PATH.decode()} here")
        origins, hosts = request.headers.getall("origin", []), request.headers.getall("host", [])
        if len(origins) > 1 or len(hosts) != 1:
            return self._refused(HTTPStatus.BAD_REQUEST, "expected one Host, and at most one Origin")
        origin = origins[0] if origins else ""
        if origin and self._door.foreign(origin, hosts[0]):
            return self._refused(
                HTTPStatus.FORBIDDEN, "pages of this origin may not connect; it belongs into api.origins"
            )
        self.client = self._door.make(self, origin, hosts[0])
        return self.client

    def _refused(self, status: HTTPStatus, why: str) -> WSUpgradeResponseWithListener:
        self._door.refuse(why)
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, why.encode()), None)
