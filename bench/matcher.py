"""The matcher alone: M1 to M6 of the budgets. CPU time per message, commands and events as whole flat messages.

The native loops are in bench/native/matcher.cpp, compiled here with the flags of the extension modules.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.harness import Row, median
from services.matcher import Matcher
from tapewire import messages as m
from tools.native import RELEASE, build

if TYPE_CHECKING:
    from bench.probes import Probes

MESSAGES = 1_000_000
BATCH = 256
CALLS = 100_000
IDS = {
    "one instrument": "M1",
    "one instrument, commands from memory": "M1",
    "100 instruments": "M2",
    "wide and sparse": "M3",
    "falling 60 %": "M5",
    "every kind of order, bands": "M",
    "in a call": "M",
}


def native(program: Path, *arguments: object) -> list[dict[str, Any]]:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def throughput(shown: dict[str, Any]) -> Row:
    name = shown["name"]
    return Row(
        id=IDS[name],
        metric=f"{name}, {shown['live']} live orders, {shown['levels']} levels, {shown['matches']} matches",
        value=1000 / shown["ns"],
        unit="M msg/s of CPU time",
        n=shown["messages"],
        spread=(1000 / shown["ns_max"], 1000 / shown["ns_min"]),
    )


def latency(shown: dict[str, Any]) -> Iterable[Row]:
    for key, name in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
        yield Row(
            id="M4", metric=f"one message, clock included, {name}", value=shown[key], unit="ns", n=shown["messages"]
        )


def commands(program: Path, calls: int) -> list[bytes]:
    """The flow of M1 as bytes, made by the native program."""
    done = subprocess.run([program, str(calls), "tape"], capture_output=True, check=True)
    out, at = [], 0
    while at < len(done.stdout):
        size = 8 + 8 * int.from_bytes(done.stdout[at + 4 : at + 8], "little")
        out.append(done.stdout[at : at + size])
        at += size
    return out


def cpu_ns_per_message(play: Callable[[Matcher], object], fill: list[bytes], n: int) -> float:
    matcher = Matcher()
    matcher.apply_batch(fill)
    start = time.process_time_ns()
    play(matcher)
    return (time.process_time_ns() - start) / n


def in_batches(batches: list[list[bytes]] | list[bytes]) -> Callable[[Matcher], None]:
    def play(matcher: Matcher) -> None:
        apply = matcher.apply_batch
        for batch in batches:
            apply(batch)

    return play


def python(program: Path, calls: int, empty_call_ns: float) -> Iterable[Row]:
    flow = commands(program, calls)
    fill, rest = flow[:-calls], flow[-calls:]
    lists = [rest[i : i + BATCH] for i in range(0, calls, BATCH)]
    joined = [b"".join(batch) for batch in lists]

    def singly(matcher: Matcher) -> None:
        apply = matcher.apply
        for command in rest:
            apply(command)

    def overhead(play: Callable[[Matcher], None]) -> float:
        (alone,) = native(program, calls, "memory")
        return cpu_ns_per_message(play, fill, calls) - float(alone["ns"])

    for how, play in (("a list of bytes", in_batches(lists)), ("one bytes", in_batches(joined))):
        value, spread = median(lambda play=play: overhead(play))  # type: ignore[misc]
        metric = f"batch call of {BATCH} from Python, {how}: on top of native"
        yield Row(id="M6", metric=metric, value=value, unit="ns per message", n=calls, spread=spread)
    value, spread = median(lambda: cpu_ns_per_message(singly, fill, calls))
    yield Row(
        id="M6",
        metric="one call per order from Python, events as bytes",
        value=value,
        unit="ns",
        probe="empty_call_ns",
        ratio=value / empty_call_ns,
        n=calls,
        spread=spread,
    )


def memory() -> Iterable[Row]:
    """What an instrument costs that never saw an order, and what a live order costs, as resident memory grows."""
    n = 100_000
    define = m.InstrumentDefinition.encoder(
        "instrument", ticker="X", tick_size=1, lot_size=1, status=m.InstrumentStatus.trading
    )
    order = m.NewOrder.encoder(
        "order_id", "price", instrument=1, account=1, side=m.Side.buy, qty=1, ord_type=m.OrdType.limit,
        time_in_force=m.TimeInForce.gtc,
    )  # fmt: skip
    matcher = Matcher()
    matcher.apply_batch([])
    definitions, orders = [define(i + 1) for i in range(n)], [order(i + 1, 1 + i % 500) for i in range(n)]
    for metric, batch in (("an instrument at rest", definitions), ("a live order", orders)):
        before = resident()
        for i in range(0, n, BATCH):
            matcher.apply_batch(batch[i : i + BATCH])
        yield Row(id="M", metric=f"memory of {metric}", value=(resident() - before) / n, unit="bytes", n=n)


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def run(probes: Probes) -> Iterable[Row]:
    program = build("bench/native/matcher.cpp", *RELEASE)
    shown = {one["name"]: one for one in native(program, probes.scale(MESSAGES))}
    for name in IDS:
        row = throughput(shown[name])
        if row.id == "M5":
            row.probe, row.ratio = "M1", shown["one instrument"]["ns"] / shown[name]["ns"]
        yield row
    yield from latency(shown["latency"])
    yield from python(program, probes.scale(CALLS), probes.value("empty_call_ns"))
    yield from memory()
