"""How numbers of a chart are written."""

from __future__ import annotations

from datetime import UTC, datetime

from tapewire.plot.chart import Axis


def duration(ns: float) -> str:
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(ns) >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.3g} ns"


def percentile(nines: float) -> str:
    """`0` is 0 %, `3` is 99.9 %."""
    return f"{100 * (1 - 10.0 ** -float(nines)):.10g} %"


def written(value: float, axis: Axis) -> str:
    if axis is Axis.duration:
        return duration(value)
    if axis is Axis.time:
        return datetime.fromtimestamp(value / 1e9, UTC).strftime("%H:%M:%S")
    if axis is Axis.percentile:
        return percentile(value)
    return f"{value:,.6g}"
