"""A payload of the relay: a flat message, and behind it the records of a chunk."""

from __future__ import annotations

import struct

from tapewire import messages as m
from tapewire.errors import WireError

_FRAMING = struct.Struct("<II")  # segments less one, words of the first


def split(payload: bytes) -> tuple[m.Message, memoryview]:
    """The message and what follows it. Raises WireError for anything else."""
    if len(payload) < _FRAMING.size:
        raise WireError(f"a payload of {len(payload)} bytes; expected a flat message")
    _, words = _FRAMING.unpack_from(payload)
    end = _FRAMING.size + 8 * words
    if end > len(payload):
        raise WireError(f"a payload of {len(payload)} bytes, whose message says it has {end}")
    return m.decode(payload[:end]), memoryview(payload)[end:]
