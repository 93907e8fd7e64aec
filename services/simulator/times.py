"""Times as venues print them."""

from __future__ import annotations

import time


def rfc3339(ns: int) -> str:
    """UTC with six decimals: 2026-08-02T03:35:50.983359Z."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}Z"
