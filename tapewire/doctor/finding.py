"""What one check says."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "advice", "problem", "unknown"]
"""advice: costs latency. problem: costs data, or the platform will not run. unknown: this host does not say."""


class Finding(NamedTuple):
    check: str
    state: State
    found: str
    why: str = ""
    """What it costs as it is; empty if it is ok."""
    change: str = ""
    """What to do."""
