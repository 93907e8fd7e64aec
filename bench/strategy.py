"""S1 to S3: strategies. Events a second of simulation and replay, and an order's round trip by the bus.

The market is made (tests/recorded_market.py): simulated traders, a command every 5 ms, and the example market maker.
The round trip is over real processes: nats-server, engine, journal, API; from `submit` to the answer in the client.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Row, median
from bench.probes import Probes
from services.engine.simulation import SimulationSettings, simulate
from tapewire import times
from tapewire.strategy import RunReport, Strategy
from tapewire.strategy.loading import load
from tapewire.strategy.replaying import Replayed
from tests.client.stack import BusStack
from tests.recorded_market import TICKER, record_orders

COMMANDS = 5_000
QUICK_COMMANDS = 1_000
ORDERS = 1_000
QUICK_ORDERS = 200
RUNS = 3
ACCOUNT = 900
MAKER = {"ticker": TICKER, "lots": "3", "half_spread_bps": "2", "max_lots": "20", "max_rejects": "100000"}


def maker() -> Strategy:
    return load("examples/market_maker.py:MarketMaker", MAKER)


def replayed(run: RunReport) -> float:
    """Events a second."""
    report = Replayed(maker(), Path(run.output), account=ACCOUNT, name=run.name, until=times.parse(run.ended, 0)).run()
    assert report.differences_count == 0, "a replay of a simulation decides as it did"
    return report.events_per_second


async def round_trips(stack: BusStack, orders: int) -> list[float]:
    """Microseconds from an order to its answer, one after the other."""
    took = []
    async with stack.connect(1) as tw:
        for number in range(orders):
            began = time.perf_counter_ns()
            order = await tw.buy("ACME", 1, "90.00", time_in_force="ioc" if number % 2 else "gtc")
            await order.ack()
            took.append((time.perf_counter_ns() - began) / 1e3)
            if not order.is_done:
                await order.cancel()
    return sorted(took)


def run(probes: Probes) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = record_orders(folder / "recorded", QUICK_COMMANDS if probes.quick else COMMANDS)
        runs: list[RunReport] = []

        def simulated() -> float:
            settings = SimulationSettings(account=ACCOUNT)
            runs.append(simulate(maker(), tape, folder / f"run{len(runs)}", settings))
            return runs[-1].events_per_second

        value, spread = median(simulated, RUNS)
        one = runs[-1]
        metric = f"simulation: a market maker, {one.records:,} records, {one.commands:,} commands of its own"
        yield Row(id="S1", metric=metric, value=value, unit="events/s", n=one.events, spread=spread)
        value, spread = median(lambda: replayed(one), RUNS)
        yield Row(
            id="S2", metric="replay, decisions compared", value=value, unit="events/s", n=one.events, spread=spread
        )
        with BusStack(folder / "stack") as stack:
            took = asyncio.run(round_trips(stack, QUICK_ORDERS if probes.quick else ORDERS))
        yield Row(
            id="S3",
            metric="an order by the bus, to its answer, median",
            value=took[len(took) // 2],
            unit="µs",
            n=len(took),
            spread=(took[0], took[len(took) * 99 // 100]),
        )
