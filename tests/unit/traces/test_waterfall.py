"""The picture of a trace, and the ids in it."""

from __future__ import annotations

from tapewire.traces.spans import Event, Link, Span
from tapewire.traces.waterfall import duration, moment, waterfall

T = 1_700_000_000_000_000_000


def test_durations_are_told_in_the_unit_that_fits() -> None:
    assert [duration(ns) for ns in (0, 999, 1000, 412_300, 1_500_000, 61_000_000_000)] == [
        *("0 ns", "999 ns", "1.0 µs", "412.3 µs", "1.5 ms", "61.0 s")
    ]


def test_a_moment_is_told_to_the_nanosecond() -> None:
    assert moment(T + 7) == "2023-11-14 22:13:20.000000007"


def test_spans_stand_below_their_parents_and_what_comes_much_later_is_told_with_its_distance() -> None:
    root = Span(0xAB, 1, 0, "order", "gateway", T, T + 1000, "server", {"tapewire.order_id": 17})
    root.events.append(Event("fill", T + 400, {"tapewire.qty": "3"}))
    ring = Span(0xAB, 2, 1, "ring", "engine", T, T + 250)
    ack = Span(0xAB, 3, 1, "ack", "gateway", T + 750, T + 1000)
    fill = Span(0xAB, 4, 1, "fill", "engine", T + 5_000_000_000, T + 5_000_001_000, error="late")
    fill.links.append(Link(0xCD, 9, {"tapewire.relation": "taker"}))
    assert waterfall([root, ring, ack, fill], 60) == [
        f"trace {0xAB:032x}",
        "2023-11-14 22:13:20.000000000 UTC  order order_id=17",
        "gateway  order   " + "█" * 31 + "     1.0 µs",
        "                 · fill +400 ns qty=3",
        "engine   └ ring  " + "█" * 8 + " " * 23 + "     250 ns",
        "gateway  └ ack   " + " " * 23 + "█" * 8 + "     250 ns",
        "engine   └ fill +5.0 s, 1.0 µs: fill",
        "                 ✗ late",
        f"                 → taker in trace {0xCD:032x}",
    ]


def test_a_span_without_length_is_seen() -> None:
    route = Span(1, 2, 1, "route", "router", T + 10, T + 10, attributes={"tapewire.venue.house": "gets 5"})
    lines = waterfall([Span(1, 1, 0, "parent", "router", T, T + 20), route], 80)
    assert "│" in lines[3]
    assert lines[4].strip() == "· house: gets 5"
