"""Spans as a picture of text: pure.

gateway  order                  ▐██████████████████████████████████████████████▌  412.3 µs
engine   └ ring                  ▐████████▌                                        71.0 µs
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from tapewire.traces.spans import Span

LEAST_BAR = 16
LATER = 4
"""What begins after so many times the length of the first span is shown below, with its distance."""
SHOWN = (
    "ticker",
    "side",
    "qty",
    "price",
    "ord_type",
    "account",
    "cl_ord_id",
    "order_id",
    "parent_id",
    "algorithm",
    "seq",
)
_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))


def duration(ns: int) -> str:
    """Such as `412.3 µs`."""
    for size, unit in _UNITS:
        if ns >= size:
            return f"{ns / size:,.1f} {unit}"
    return f"{ns} ns"


def moment(ns: int) -> str:
    """UTC to the nanosecond."""
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}.{ns % 1_000_000_000:09d}"


def waterfall(spans: Sequence[Span], width: int) -> list[str]:
    """Lines of at most `width` characters, where that is wide enough for a bar at all."""
    own = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in own]
    lines = list[str]()
    for root in roots:
        if lines:
            lines.append("")
        lines += _tree(root, spans, width)
    return lines


def _tree(root: Span, spans: Sequence[Span], width: int) -> list[str]:
    nested = [(root, 0), *_below(root, spans, 1)]
    until = root.start + LATER * max(root.end - root.start, 1)
    now = [(span, depth) for span, depth in nested if span.start <= until or span.start <= root.end]
    end = max(span.end for span, _ in now)
    names = [f"{span.service:<9}{'  ' * (depth - 1)}{'└ ' if depth else ''}{span.name}" for span, depth in now]
    left = max(map(len, names)) + 2
    room = max(LEAST_BAR, width - left - 12)
    lines = [f"trace {root.trace_id:032x}", f"{moment(root.start)} UTC  {about(root)}"]
    for (span, _), name in zip(now, names, strict=True):
        lines.append(
            f"{name:<{left}}{_bar(span, root.start, end, room)} {duration(span.end - span.start):>10}".rstrip()
        )
        lines += [f"{'':<{left}}{text}" for text in _notes(span, root.start)]
    for span, depth in nested:
        if (span, depth) not in now:
            after = f"+{duration(span.start - root.start)}"
            lines.append(f"{span.service:<9}└ {span.name} {after}, {duration(span.end - span.start)}: {about(span)}")
            lines += [f"{'':<{left}}{text}" for text in _notes(span, root.start)]
    return lines


def _below(parent: Span, spans: Sequence[Span], depth: int) -> Iterable[tuple[Span, int]]:
    for span in spans:
        if span.parent_id == parent.span_id and span is not parent:
            yield span, depth
            yield from _below(span, spans, depth + 1)


def about(span: Span) -> str:
    """What it is of, in a few words."""
    at = span.attributes
    shown = [f"{key}={at[f'tapewire.{key}']}" for key in SHOWN if f"tapewire.{key}" in at]
    return f"{span.name} {' '.join(shown)}".rstrip()


def _bar(span: Span, start: int, end: int, room: int) -> str:
    """Where the span lies between `start` and `end`; whatever is short is still seen."""
    whole = max(end - start, 1)
    begin = min(room - 1, max(0, (span.start - start) * room // whole))
    length = min(room - begin, max(1, round((span.end - span.start) * room / whole)))
    mark = "█" if span.end > span.start else "│"
    return (" " * begin + mark * length).ljust(room)


def _notes(span: Span, start: int) -> list[str]:
    found = [
        f"· {event.name} +{duration(max(0, event.ts - start))}"
        + "".join(f" {key.removeprefix('tapewire.')}={value}" for key, value in event.attributes.items())
        for event in span.events
    ]
    if span.error:
        found.append(f"✗ {span.error}")
    found += [
        f"→ {one.attributes.get('tapewire.relation', 'linked')} in trace {one.trace_id:032x}" for one in span.links
    ]
    found += [
        f"· {key.removeprefix('tapewire.venue.')}: {value}"
        for key, value in span.attributes.items()
        if key.startswith("tapewire.venue.")
    ]
    return found
