"""`[latest]`: latest values in shared memory."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tapewire.config.section import Section

Entries = Annotated[int, Meta(ge=0, le=1 << 20)]


class Latest(Section, frozen=True, kw_only=True):
    """`[latest]`: the latest values of each instrument, for the processes of this host (docs/latest.md)."""

    enabled: bool = True
    """Whether connectors and the journal keep a page of each feed's."""
    instruments: Annotated[int, Meta(ge=1, le=1 << 16)] = 128
    """Room of the house's page, in tickers; memory is taken as they come. A venue's page has room for its tickers."""
    quotes: Entries = 256
    """Quotes kept of each instrument, 176 bytes each; 0: none."""
    trades: Entries = 256
    """Trades kept of each instrument, 160 bytes each; 0: none."""
    references: Entries = 16
    """Definitions, changes of status and of limit state kept of each instrument, 208 bytes each; 0: none."""
