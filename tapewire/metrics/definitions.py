"""Every metric there is, in one table: the exporter, docs/metrics.md, dashboards and alert rules all go by it.

Names follow Prometheus: `tapewire_` + subject + what, base units (seconds, bytes, ratios from 0 to 1), `_total` on
counters alone. Counters begin at 0 when the process that counts starts.
"""

from __future__ import annotations

from typing import Final

from tapewire.metrics.groups_core import ENGINE, HOST, PARTS, RELAY, REPLICAS, RINGS, RISK, SERVICES, TAPES
from tapewire.metrics.groups_edges import API, EXPORTER, FEEDS, GATEWAY, ROUTER, SINKS, STORAGE, STREAM, TRACING
from tapewire.metrics.metric import Group, Kind, Metric

__all__ = ["GROUPS", "METRICS", "Group", "Kind", "Metric", "series"]

GROUPS: Final = (
    SERVICES,
    TAPES,
    REPLICAS,
    RINGS,
    RELAY,
    ENGINE,
    PARTS,
    FEEDS,
    STORAGE,
    SINKS,
    GATEWAY,
    API,
    STREAM,
    RISK,
    ROUTER,
    TRACING,
    HOST,
    EXPORTER,
)
METRICS: Final[dict[str, Metric]] = {metric.name: metric for group in GROUPS for metric in group.metrics}


def series(metric: Metric) -> tuple[str, ...]:
    """The names of its samples, as a query writes them."""
    if metric.kind is Kind.histogram:
        return tuple(f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))
    return (metric.name,)
