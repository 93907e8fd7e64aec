"""Header blocks of NATS, made once and sent many times.

NATS/1.0\\r\\n
traceparent: 00-4bf9…-00f0…-01\\r\\n
\\r\\n
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tapewire.errors import TransportError

STATUS = "Status"
_VERSION = b"NATS/1.0\r\n"
_KEY = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def block(headers: Mapping[str, str]) -> bytes:
    """The bytes of `headers`. Raises TransportError for a key that is no token or a value with a line break."""
    out = bytearray(_VERSION)
    for key, value in headers.items():
        if not _KEY.fullmatch(key) or "\r" in value or "\n" in value:
            raise TransportError(f"header {key!r}: expected a token as key and one line as value, found {value!r}")
        out += f"{key}: {value.strip()}\r\n".encode()
    return bytes(out + b"\r\n")


def parse(block: bytes) -> dict[str, str]:
    """The headers of a block, whoever made it: bytes that are no UTF-8 are replaced, and harm nothing else.

    A status of the server, as in `NATS/1.0 503` (nobody listens), is the header `Status`.
    """
    first, *lines = block.decode(errors="replace").split("\r\n")
    found = {key: value.strip() for key, _, value in (line.partition(":") for line in lines) if key}
    if status := first[len(_VERSION) - 2 :].split():
        found[STATUS] = status[0]
    return found
