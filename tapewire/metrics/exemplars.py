"""Traces by the bucket of a latency histogram they fall into: what OpenMetrics calls exemplars.

Who exports a trace adds the durations of its stages; the exporter takes the newest of each bucket. The number of
buckets bounds what is kept.
"""

from __future__ import annotations

import threading
from typing import NamedTuple


class Exemplar(NamedTuple):
    """A duration in ns, the trace it is of (32 hex digits), and when it ended, UTC ns."""

    ns: int
    trace_id: str
    ts: int


class Exemplars:
    """Written by the thread that exports traces, read by the one that is scraped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[tuple[str, str], dict[int, Exemplar]] = {}

    def add(self, stage: str, ns: int, trace_id: str, ts: int, *, shard: int = 0) -> None:
        """`stage` of the engine of `shard`: queue, decide, commit or answer."""
        bucket = max(ns, 0).bit_length()
        with self._lock:
            kept = self._newest.setdefault((str(shard), stage), {})
            if bucket not in kept or kept[bucket].ts <= ts:
                kept[bucket] = Exemplar(max(ns, 0), trace_id, ts)

    def of(self, shard: str, stage: str) -> list[Exemplar]:
        """Of each power of two the newest, by rising duration."""
        with self._lock:
            kept = self._newest.get((shard, stage), {})
            return [kept[bucket] for bucket in sorted(kept)]
