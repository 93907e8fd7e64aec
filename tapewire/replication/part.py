"""One message of a tape's stream: what its header says. The payload of `frames` is the bytes of the tape, as they are.

    Tapewire-Replica: {"kind":"frames","mark":"9f…","holder":"east-1/4c…","epoch":3,"position":80,"end":4711, …}

`position` to `end` is where the payload stands on the tape; parts follow each other without gap or overlap. A claim has
no payload: it stands at the position that the stream had come to, and says who goes on from there.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tapewire.errors import WireError

HEADER = "Tapewire-Replica"
MAX_FRAMES = 512 << 10
"""Bytes of one part: a frame is at most 64 KiB, and a message of the bus 1 MB."""

Kind = Literal["frames", "claim"]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    kind: Kind
    mark: str
    """Which tape: made once, with its first stream. Two of one name differ in it."""
    holder: str
    """The host that sent it, and may write the tape."""
    epoch: int
    """Of its writer; of a claim, the one that its writer will have."""
    position: int
    end: int
    first: int = 0
    last: int = 0
    """Its records, 0: none. Of a claim: the last record before it."""
    whole: int = 0
    whole_seq: int = 0
    """The last end of a batch that shows in it, and the record before that; 0: none does."""
    durability: str = "disk"


def encode(part: Part) -> str:
    return msgspec.json.encode(part).decode()


def decode(text: str) -> Part:
    """Raises WireError."""
    try:
        return msgspec.json.decode(text, type=Part)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise WireError(f"a message of a tape's stream says {text[:200]!r}: {error}") from error
