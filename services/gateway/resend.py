"""What goes out when a client asks for messages again: pure.

asked for 2 to 8        4    5  6    8          what is sent      4 36=4   8 34=4   4 34=5 36=6   8 34=6   …
and these are to be     8    0  8    8
sent again                   (session messages and what is worth nothing any more become gap fills)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Piece(NamedTuple):
    """A message that is sent again, or, without `raw`, a gap fill in the place of some."""

    seq: int
    """MsgSeqNum."""
    following: int
    """Of the next piece: NewSeqNo (36) of a gap fill."""
    raw: str = ""


def pieces(begin: int, end: int, kept: Iterable[tuple[int, str]]) -> Iterator[Piece]:
    """Covers the numbers `begin` to `end`, without the latter. `kept`: messages to be sent again, by rising number."""
    at = begin
    for seq, raw in kept:
        if not at <= seq < end:
            continue
        if seq > at:
            yield Piece(at, seq)
        yield Piece(seq, seq + 1, raw)
        at = seq + 1
    if at < end:
        yield Piece(at, end)
