"""An engine's state taken apart: definitions, sequencer, risk, matcher."""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGIC = b"TWSTATE2"


class Sections(NamedTuple):
    definitions: bytes
    sequencer: bytes
    risk: bytes
    matcher: bytes


def sections(state: bytes) -> Sections:
    assert state[:8] == MAGIC
    at, found = 8, []
    while at < len(state):
        (length,) = struct.unpack_from("<Q", state, at)
        found.append(state[at + 8 : at + 8 + length])
        at += 8 + length
    return Sections(*found)


def joined(parts: Sections) -> bytes:
    """The state of these sections."""
    return MAGIC + b"".join(struct.pack("<Q", len(part)) + part for part in parts)
