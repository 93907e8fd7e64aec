"""A request and its reply, as the endpoints see them."""

from __future__ import annotations

from typing import Final

from services.api.tape import Origin

JSON: Final = "application/json"


class Request:
    """One request, whole. Names of headers are lower case; texts are latin-1 as they came."""

    __slots__ = (
        *("address", "body", "fault", "headers", "method", "origin"),
        *("path", "query", "scheme", "target", "ts_recv"),
    )

    def __init__(self, scheme: str, address: str) -> None:
        self.scheme, self.address = scheme, address
        self.method = self.target = self.path = self.query = ""
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ts_recv = 0
        """UTC ns when its last byte was read."""
        self.fault = ""
        """What makes it ambiguous; empty: nothing."""
        self.origin: Origin | None = None
        """Of one that asks to change something, once it is known to be whole."""


class Reply:
    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self, status: int, body: bytes = b"", media_type: str = JSON, headers: dict[str, str] | None = None
    ) -> None:
        self.status, self.body, self.media_type = status, body, media_type
        self.headers = {} if headers is None else headers
