"""What a session counts, and how much it quotes of what a venue sent."""

from __future__ import annotations

import msgspec

MAX_SHOWN = 160


def shown(data: bytes) -> str:
    """What a venue sent, as far as a reason quotes it."""
    return data[:MAX_SHOWN].decode("utf-8", "replace")


class Counters(msgspec.Struct, kw_only=True):
    """What happened since the session began."""

    messages: int = 0
    gaps: int = 0
    resyncs: int = 0
    malformed: int = 0
    unknown: int = 0
    impossible: int = 0
    duplicates: int = 0
    missed_trades: int = 0
    errors: int = 0
    reconnects: int = 0
