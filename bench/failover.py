"""J4, J5: how long a takeover lasts, and what an answer costs that waits for the stream.

Two hosts of one machine, an engine and a replica each, and one nats-server that syncs before it acknowledges. J4: kill
-9 of the primary's engine and replica under load, then `tapewire promote`: from the command until the standby has
answered an order. The machine's disk and its two cores are shared by all of it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.harness import Row
from bench.probes import Probes
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.histogram import Histogram
from tapewire.replication import state as states
from tests.engine_process import order
from tests.replica_hosts import Host, Load, on_tape, server, until

TAKEOVERS = 5
ORDERS = 5_000
"""On the tape before the primary is killed."""
ROUNDS, RUNS, WARM_UP = 1_000, 5, 100
PATIENCE_S = 60.0
SEND, MIRROR = 'send = ["orders.0"]', 'mirror = ["orders.0"]'


def run(probes: Probes) -> Iterable[Row]:
    yield from takeovers(probes)
    yield from answers(probes)


def takeovers(probes: Probes) -> Iterator[Row]:
    found, lost, twice, answered = [], 0, 0, 0
    for _ in range(max(2, probes.scale(TAKEOVERS))):
        with tempfile.TemporaryDirectory(dir=probes.folder) as name:
            seconds, kept, acknowledged = takeover(Path(name), probes.scale(ORDERS))
        found.append(seconds)
        answered += len(acknowledged)
        lost += len(acknowledged - kept.keys())
        twice += sum(1 for count in kept.values() if count > 1)
    found.sort()
    sync_s = probes.fresh("fdatasync_ns") / 1e9
    yield Row(
        id="J4",
        metric="takeover by `tapewire promote`, until the standby has answered",
        value=statistics.median(found),
        unit="s",
        probe="fdatasync_ns, afterwards",
        ratio=statistics.median(found) / sync_s,
        n=len(found),
        spread=(found[0], found[-1]),
    )
    yield Row(id="J4", metric="answered orders that were lost by it", value=lost, unit="", n=answered)
    yield Row(id="J4", metric="orders that stand on the tape twice", value=twice, unit="", n=answered)


def takeover(folder: Path, orders: int) -> tuple[float, dict[int, int], set[int]]:
    """Seconds; how often each order stands on the standby's tape; those that the primary had answered."""
    with server(folder / "nats") as bus:
        primary = Host(folder / "a", bus.url, replica=SEND)
        standby = Host(folder / "b", bus.url, replica=MIRROR)
        try:
            primary.engine.start()
            primary.start_replica()
            standby.start_replica()
            standby.start_standby()
            with primary.engine.client() as client:
                load = Load(client)
                load.send(orders)
                until(lambda: load.collect() > orders // 2, primary, standby)
                primary.engine.kill()
                primary.end_replica()
                load.collect()
            began = time.perf_counter()
            states.ask_promotion(standby.tape)
            with standby.engine.client() as client:
                again = Load(client)
                again.send(1)
                until(again.all_answered, standby)
                seconds = time.perf_counter() - began
            return seconds, dict(on_tape(standby.tape)), set(load.answers)
        finally:
            primary.close()
            standby.close()


def answers(probes: Probes) -> Iterator[Row]:
    for durability in ("disk", "replicated"):
        with tempfile.TemporaryDirectory(dir=probes.folder) as name, server(Path(name) / "nats") as bus:
            host = Host(Path(name) / "a", bus.url, durability=durability, replica=SEND)
            try:
                host.engine.start()
                host.start_replica()
                with host.engine.client() as client:
                    yield from one_at_a_time(probes, client, durability)
            finally:
                host.close()


def one_at_a_time(probes: Probes, client: OrderClient, durability: str) -> Iterator[Row]:
    enter(client, WARM_UP, Histogram())
    runs = []
    for _ in range(RUNS):
        sync_ns, found = probes.fresh("fdatasync_ns"), Histogram()
        enter(client, probes.scale(ROUNDS), found)
        runs.append((found, sync_ns))
    for what in (50, 99):
        values = sorted(found.percentile(what) for found, _ in runs)
        yield Row(
            id="J5",
            metric=f"order to answer, one at a time, at {durability}, p{what}",
            value=statistics.median(values) / 1e6,
            unit="ms",
            probe="fdatasync_ns, same moment",
            ratio=statistics.median(found.percentile(what) / sync_ns for found, sync_ns in runs),
            n=sum(found.count for found, _ in runs),
            spread=(values[0] / 1e6, values[-1] / 1e6),
        )


def enter(client: OrderClient, orders: int, found: Histogram) -> None:
    for at in range(orders):
        started = time.perf_counter_ns()
        number = order(client, m.Side.buy if at % 2 else m.Side.sell, 10_000 + at % 7)
        for _ in client.answers(number, PATIENCE_S):
            pass
        found.record(time.perf_counter_ns() - started)
