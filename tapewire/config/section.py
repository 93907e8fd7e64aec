"""What all sections of the configuration are."""

from __future__ import annotations

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen, given by keyword."""
