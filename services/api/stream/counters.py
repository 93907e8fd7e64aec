"""What the stream counts, for /metrics: plain integers, never reset."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final


@dataclass(slots=True)
class Counters:
    """Gauges first, then counters."""

    clients: int = 0
    """Open connections, authenticated or not."""
    unknown: int = 0
    """Of those the ones that have not said who they are."""
    subscriptions: int = 0
    congested: int = 0
    """Clients that do not read as fast as they are sent to."""
    connected: int = 0
    refused: int = 0
    """Connections and upgrades that were refused: bounds, origin, path."""
    unauthenticated: int = 0
    """First messages that proved nothing."""
    received: int = 0
    """Messages from clients."""
    invalid: int = 0
    """Of those the ones that were refused with a reason."""
    limited: int = 0
    """Of those the ones that came too fast."""
    failed: int = 0
    """Requests that broke in our hands: each was told 500, and is in the log."""
    messages: int = 0
    """Messages sent."""
    bytes: int = 0
    """Their bytes, without frame headers."""
    conflated: int = 0
    """Updates that clients were not sent because they did not read; a snapshot or a longer list stood for them."""
    skipped: int = 0
    """Records that followers of the tape were not sent because there were too many; each was told how many."""
    resumed: int = 0
    """Resumes read off the tape."""
    told_slow: int = 0
    dropped_slow: int = 0
    """Clients that were told that they are slow; that were closed for it."""
    dropped_idle: int = 0
    dropped_invalid: int = 0
    """Clients closed because they broke the protocol, or went on too fast."""

    def to_dict(self) -> dict[str, int]:
        """By name."""
        return {name: getattr(self, name) for name in NAMES}


NAMES: Final = tuple(field.name for field in fields(Counters))
