"""What a relay counts of each ring: pages `stats/relay.<out|in>.<ring>`, for metrics and `tapewire relay status`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tapewire.folders import Folders
from tapewire.histogram import StatsPage

PREFIX: Final = "relay."
OUT: Final = ("records", "bytes", "resent", "refused", "lag_bytes", "unsent_bytes", "open")
"""records, bytes: sent, the first time or again. resent: how often sending went back. refused: sessions that the other
side refused. lag_bytes: in the ring and not on the mirrored tape; unsent_bytes: those of them that the other side does
not have. open: 1 while there is a session."""
IN: Final = ("bytes", "gaps", "refused", "damaged", "full", "attached")
"""bytes: written into the ring. gaps, full: chunks answered so. refused: asked for a ring that is not this one, or that
another host carries. damaged: chunks whose checksum or records did not hold. attached: 1 while the ring is there and
its engine lives."""


def page(folders: Folders, side: str, ring: str) -> StatsPage:
    """The page of one ring, to be written."""
    path = folders.stats / f"{PREFIX}{side}.{ring}"
    return StatsPage.create(path, (), OUT if side == "out" else IN)


def pages(folders: Folders) -> dict[tuple[str, str], Path]:
    """The pages that are there, by side and ring."""
    found = {}
    for path in sorted(folders.stats.glob(f"{PREFIX}*")):
        _, side, ring = path.name.split(".", 2)
        found[side, ring] = path
    return found
