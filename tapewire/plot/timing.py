"""How long things took, off the times that every record carries: `ts_event`, `ts_recv`, `ts`.

edge    ts_recv - ts_event   from the venue, or the client, to our edge: two clocks, unless both are ours
queue   ts - ts_recv         from our edge until it was sequenced
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tapewire import messages as m
from tapewire.histogram import Histogram
from tapewire.metrics.recent import Percentiles, percentiles
from tapewire.plot.chart import Axis, Chart, Heat, Panel, Series, Style
from tapewire.plot.records import Progress, Stretch

SPANS: Final = ("edge", "queue")
MEANING: Final = {"edge": "venue or client to our edge", "queue": "our edge to sequenced"}
BUCKETS: Final = 240
"""Of time, in a picture."""
NINES: Final = tuple(i / 20 for i in range(121))  # 0 to 6 nines


def spans_of(message: m.Message) -> Iterable[tuple[str, int]]:
    """What a record tells of; events are left out, since their times are those of their command."""
    if message.cause or not message.ts_recv:
        return
    if message.ts_event not in (0, message.ts_recv):  # who stamps both by one look at the clock tells nothing
        yield "edge", message.ts_recv - message.ts_event
    yield "queue", message.ts - message.ts_recv


@dataclass(slots=True)
class Interval:
    start: int
    end: int
    histograms: dict[str, Histogram] = field(default_factory=dict)


def intervals(stretch: Stretch, length: int, progress: Progress) -> list[Interval]:
    """Histograms by span, for each `length` ns in which something was measured. Raises TapeError."""
    found: dict[int, Interval] = {}
    for message in stretch.messages(progress):
        for span, ns in spans_of(message):
            at = message.ts // length
            interval = found.get(at)
            if interval is None:
                interval = found[at] = Interval(at * length, (at + 1) * length)
            histogram = interval.histograms.get(span)
            if histogram is None:
                histogram = interval.histograms[span] = Histogram()
            histogram.record(ns)
    return [found[at] for at in sorted(found)]


def merged(found: Iterable[Interval]) -> dict[str, Histogram]:
    """All of it, by span."""
    whole: dict[str, Histogram] = {}
    for interval in found:
        for span, histogram in interval.histograms.items():
            whole.setdefault(span, Histogram()).merge(histogram)
    return {span: whole[span] for span in SPANS if span in whole}


def latency(stretch: Stretch, length: int, progress: Progress) -> Chart:
    """Percentiles over time, and the whole distribution by nines."""
    found = intervals(stretch, length, progress)
    whole = merged(found)
    panels: list[Panel | Heat] = []
    for span in whole:
        at = [(one.start + one.end) / 2 for one in found if span in one.histograms]
        shown = [_percentiles(one.histograms[span]) for one in found if span in one.histograms]
        series = [
            Series(name, at, [float(getattr(p, attribute)) for p in shown])
            for name, attribute in (("p50", "p50"), ("p90", "p90"), ("max", "max"))
        ]
        panels.append(Panel(MEANING[span], series, y_axis=Axis.duration, log=True))
    nines = [_by_nines(span, histogram) for span, histogram in whole.items()]
    panels.append(
        Panel("distribution", nines, Axis.percentile, Axis.duration, log=True),
    )
    count = sum(histogram.count for histogram in whole.values())
    return Chart(f"{stretch.tape.name}: latency", f"{count:,} durations", panels)


def lag(stretch: Stretch, length: int, progress: Progress) -> Chart:
    """From the venue's clock to our edge, over time, for each ticker by itself: a slow line or a clock that drifts."""
    found: dict[str, dict[int, Histogram]] = {}
    for message in stretch.messages(progress):
        ticker = getattr(message, "ticker", "")
        if ticker and message.ts_event and message.ts_recv:
            by_time = found.setdefault(ticker, {})
            at = message.ts // length
            if at not in by_time:
                by_time[at] = Histogram()
            by_time[at].record(message.ts_recv - message.ts_event)
    series = [
        Series(
            ticker,
            [(at + 0.5) * length for at in sorted(by_time)],
            [by_time[at].percentile(50) for at in sorted(by_time)],
        )
        for ticker, by_time in sorted(found.items())
    ]
    panel = Panel("median from the venue's clock to our edge", series, y_axis=Axis.duration, log=True)
    return Chart(f"{stretch.tape.name}: behind the venue", f"{len(series)} tickers", [panel])


def rates(stretch: Stretch, length: int, progress: Progress) -> Chart:
    """Records per second by type, the most frequent first."""
    found: dict[str, Counter[int]] = {}
    for message in stretch.messages(progress):
        found.setdefault(type(message).__name__, Counter())[message.ts // length] += 1
    ranked = sorted(found, key=lambda name: -found[name].total())[:8]
    every = sorted({at for counts in found.values() for at in counts})
    span = range(every[0], every[-1] + 1) if every else range(0)
    series = [
        Series(name, [at * length for at in span], [found[name][at] / (length / 1e9) for at in span], Style.steps)
        for name in ranked
    ]
    total = sum(counts.total() for counts in found.values())
    return Chart(f"{stretch.tape.name}: records", f"{total:,} records", [Panel("records a second", series)])


def _percentiles(histogram: Histogram) -> Percentiles:
    return percentiles(dict(histogram.counts()))


def _by_nines(span: str, histogram: Histogram) -> Series:
    """As far as there are values: a percentile beyond them would only be the longest again."""
    shown = [nines for nines in NINES if 10**nines <= histogram.count]
    return Series(span, shown, [float(histogram.percentile(100 * (1 - 10**-nines))) for nines in shown], Style.steps)
