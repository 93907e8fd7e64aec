"""Pieces of a store, and which of them a limit lets go. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True)
class Limit:
    """What is kept: pieces younger than `max_age_ns`, at most `max_bytes` in all. None: no limit of that kind."""

    max_age_ns: int | None = None
    max_bytes: int | None = None

    @property
    def given(self) -> bool:
        return self.max_age_ns is not None or self.max_bytes is not None


@dataclass(frozen=True)
class Piece:
    """What goes or stays as a whole."""

    store: str
    name: str
    path: Path
    bytes: int
    newest_ns: int
    """UTC; of its newest content."""
    remove: Callable[[], None]
    """Removes it, unless somebody came to need it meanwhile: then it raises RetentionError and all of it stays."""
    held_by: str = ""
    """Who still needs it, and what for; empty: nobody."""
    why: str = ""
    """The limit that it is beyond; empty: it stays."""

    @property
    def goes(self) -> bool:
        return bool(self.why) and not self.held_by

    def to_dict(self) -> dict[str, object]:
        return {
            "store": self.store,
            "name": self.name,
            "bytes": self.bytes,
            "newest_ns": self.newest_ns,
            "goes": self.goes,
            "why": self.why,
            "held_by": self.held_by,
        }


def choose(pieces: Sequence[Piece], limit: Limit, now_ns: int) -> list[Piece]:
    """`pieces`, oldest first, with `why` where `limit` lets one go. What is held counts, and stays."""
    ordered = sorted(pieces, key=lambda piece: (piece.newest_ns, piece.name))
    left = sum(piece.bytes for piece in ordered)
    chosen = []
    for piece in ordered:
        why = ""
        if limit.max_age_ns is not None and piece.newest_ns < now_ns - limit.max_age_ns:
            why = f"older than {limit.max_age_ns / DAY_NS:g} days"
        elif limit.max_bytes is not None and left > limit.max_bytes:
            why = f"the store holds more than {limit.max_bytes / 1e6:,.0f} MB"
        if why and not piece.held_by:
            left -= piece.bytes
        chosen.append(replace(piece, why=why))
    return chosen
