"""`[retention]`: how much of each store is kept."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tapewire.config.section import Section

Days = Annotated[float, Meta(ge=0.0, le=36_500.0)]
Megabytes = Annotated[int, Meta(ge=0, le=1 << 40)]


class Keep(Section, frozen=True, kw_only=True):
    """`[retention.<store>]`: what is kept of one store. Both 0: everything."""

    days: Days = 0.0
    """What is older goes; 0: no limit."""
    mb: Megabytes = 0
    """Of 10^6 bytes: beyond that the oldest goes; 0: no limit. Of tapes: each."""


class Retention(Section, frozen=True, kw_only=True):
    """`[retention]`: what the flusher lets go every day, and `tapewire retain --apply` at once (docs/retention.md)."""

    tapes: Keep = Keep()
    """Sealed segments of the platform's own tapes."""
    imported: Keep = Keep()
    """Those of feeds that are not configured: what `tapewire import` made."""
    archive: Keep = Keep()
    """Columnar files, by UTC days."""
    cuts: Keep = Keep()
    """Tails that were cut off tapes."""
    inputs: Keep = Keep()
    """Inputs of strategies' runs."""
    rings: Keep = Keep()
    """Rings, stage logs and pages that no process has open."""

    def of(self, store: str) -> Keep:
        keep = getattr(self, store)
        assert isinstance(keep, Keep)
        return keep
