"""Which traces are kept: pure.

Head: decided once, at the edge, and carried by the flag of the trace context. A request without one is decided here,
by its trace id alone, so that everybody who computes it decides the same. Tail: what was refused, and what was slow, is
kept whatever was decided.
"""

from __future__ import annotations

from tapewire.config import Monitor
from tapewire.histogram import Histogram
from tapewire.traces import ids
from tapewire.traces.work import Work

WARM = 1_000
"""Requests before there is a percentile to be slower than."""
EVERY = 1_000
"""Requests between two looks at the percentile."""


class Sampler:
    """`settings`: `[monitor]` sample, slow, slow_percentile, rejected."""

    def __init__(self, settings: Monitor) -> None:
        self._settings = settings
        self._latencies = Histogram()
        self._bound = 0
        self.head = self.rejected = self.slow = 0
        """Traces kept, by why."""

    def is_sampled(self, trace_id: int) -> bool:
        """The head decision about a request whose edge made none."""
        return ids.is_sampled(trace_id, self._settings.sample)

    def keeps(self, work: Work) -> bool:
        """Decides about a work that is whole, and notes it in its identity."""
        identity = work.identity
        if work.kind == "fill":
            return identity.kept
        is_slow = self._is_slow(work.latency)
        if identity.kept:
            self.head += 1
        elif self._settings.rejected and (work.rejection is not None or work.kind == "refused"):
            self.rejected += 1
        elif is_slow:
            self.slow += 1
        else:
            return False
        identity.kept = True
        return True

    def _is_slow(self, latency: int) -> bool:
        if not latency:
            return False
        own, bound = self._settings, self._bound
        self._latencies.record(latency)
        count = self._latencies.count
        if own.slow_percentile and count >= WARM and count % EVERY == 0:
            self._bound = self._latencies.percentile(own.slow_percentile)
        return bool(own.slow and latency > own.slow * 1e9) or bool(bound and latency > bound)
