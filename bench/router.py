"""P1, P2: the router's core. How fast a recorded day is replayed, and how long a parent takes to its first child.

The day is made (tests/router_day.py): two venues, a book every half second, every algorithm. Files, rings and the bus
are not part of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.harness import Row, median
from bench.probes import Probes
from services.router.core import Core
from services.router.parts import all_parts
from services.router.tape import Replay
from tapewire import messages as m
from tests.router_day import Day
from tests.router_stepped import Stepped

HOURS = 8.0
QUICK_HOURS = 0.5
PARENTS = 300
RUNS = 3


def replayed(raws: list[bytes]) -> tuple[float, int]:
    """Seconds of CPU time, and inputs."""
    replay = Replay(Core(all_parts()))
    began = time.process_time()
    for raw in raws:
        replay.feed(raw)
    return time.process_time() - began, replay.inputs


def first_child() -> float:
    """Microseconds from a NewParent to the NewChild that is ready for the tape; the median of PARENTS sweeps."""
    s, took = Stepped(all_parts()), []
    for _ in range(PARENTS):
        began = time.perf_counter_ns()
        events = s.parent(10, limit_price=100)
        took.append(time.perf_counter_ns() - began)
        child = next(event for event in events if isinstance(event, m.NewChild))
        s.fill(child.child_id, 10, live=False, cum_qty=10)
    return sorted(took)[PARENTS // 2] / 1e3


def run(probes: Probes) -> Iterator[Row]:
    hours = QUICK_HOURS if probes.quick else HOURS
    raws = Day(1, hours).run().raws
    inputs = replayed(raws)[1]
    seconds, spread = median(lambda: replayed(raws)[0], RUNS)
    rates = (inputs / spread[1], inputs / spread[0])
    yield Row(
        id="P1",
        metric=f"replay of {hours:g} h, {len(raws) - inputs:,} events compared",
        value=inputs / seconds,
        unit="inputs/s of CPU time",
        n=inputs,
        spread=rates,
    )
    value, between = median(first_child, RUNS)
    yield Row(id="P2", metric="a parent to its first child, core", value=value, unit="µs", n=PARENTS, spread=between)
