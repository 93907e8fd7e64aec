"""L1, L2: what the split topology costs: each command is two round trips over the bus, one after the other.

Five processes: this one sends into the engine's ring, the engine, risk, matcher, nats-server. Beside it the round trip
of the blocking connection they use, and that of nats-py's request on a loop of its own, to the same answering process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nats

from bench.harness import Row
from bench.probes import Probes
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.config.sections import Nats
from tapewire.histogram import Histogram
from tapewire.transports.nats_line import NatsLine
from tests.split_stack import SplitStack

ROUNDS, COMMANDS, WINDOW, RUNS = 2_000, 10_000, 256, 5
ECHOES = 4_000
WARM_UP = 200
PATIENCE_S = 60.0


def run(probes: Probes) -> Iterable[Row]:
    with tempfile.TemporaryDirectory(dir=probes.folder) as name, SplitStack(Path(name)) as stack:
        settings = Nats(url=stack.nats.url)
        yield from lines(probes, settings)
        with stack.engine.client() as client:
            yield from answers(probes, client)
            yield from rate(probes, client)


def lines(probes: Probes, settings: Nats) -> Iterator[Row]:
    """The same request of 200 bytes by both."""
    rounds = probes.scale(ECHOES)
    with echoing(settings):
        for what, measure in (("blocking connection", blocking), ("nats-py, a loop of its own", looping)):
            echo = probes.fresh("tcp_echo_ns")
            found = Histogram()
            measure(settings, rounds, found)
            yield Row(
                id="L0",
                metric=f"request over the bus and its answer, {what}, p50",
                value=found.percentile(50),
                unit="ns",
                probe="tcp_echo_ns, same moment",
                ratio=found.percentile(50) / echo,
                n=found.count,
            )


def echo(settings: Nats) -> None:
    line = NatsLine(settings, "echo")
    line.subscribe("echo")
    line.connect()
    while True:
        if (message := line.receive(1.0)) is not None:
            line.publish(message.reply, message.data)


@contextmanager
def echoing(settings: Nats) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=echo, args=(settings,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def blocking(settings: Nats, rounds: int, found: Histogram) -> None:
    line = NatsLine(settings, "asker")
    line.subscribe("_INBOX.asker.1")
    line.connect()
    payload = bytes(200)
    deadline = time.monotonic() + PATIENCE_S
    while True:  # until the other side is there
        line.publish("echo", payload, "_INBOX.asker.1")
        if line.receive(0.2) is not None:
            break
        assert time.monotonic() < deadline, "the echo did not come up"
    line.tend()
    for _ in range(rounds):
        started = time.perf_counter_ns()
        line.publish("echo", payload, "_INBOX.asker.1")
        assert line.receive(1.0) is not None
        found.record(time.perf_counter_ns() - started)
    line.close()


def looping(settings: Nats, rounds: int, found: Histogram) -> None:
    with asyncio.Runner() as runner:
        client = runner.run(nats.connect(settings.url))
        payload = bytes(200)
        for _ in range(rounds):
            started = time.perf_counter_ns()
            runner.run(client.request("echo", payload, timeout=1.0))
            found.record(time.perf_counter_ns() - started)
        runner.run(client.close())


def answers(probes: Probes, client: OrderClient) -> Iterator[Row]:
    rounds = probes.scale(ROUNDS)
    orders(client, WARM_UP)
    runs: list[tuple[Histogram, float]] = []
    for _ in range(RUNS):
        echo_ns = probes.fresh("tcp_echo_ns")
        found = Histogram()
        for at in range(rounds):
            started = time.perf_counter_ns()
            number = enter(client, at)
            for _ in client.answers(number, PATIENCE_S):
                pass
            found.record(time.perf_counter_ns() - started)
        runs.append((found, echo_ns))
    for what in (50, 99):
        values = sorted(found.percentile(what) for found, _ in runs)
        yield Row(
            id="L1",
            metric=f"split engine: order to answer, one at a time, at memory, p{what}",
            value=statistics.median(values) / 1000,
            unit="us",
            probe="tcp_echo_ns, same moment",
            ratio=statistics.median(found.percentile(what) / echo_ns for found, echo_ns in runs),
            n=rounds * RUNS,
            spread=(values[0] / 1000, values[-1] / 1000),
        )


def rate(probes: Probes, client: OrderClient) -> Iterator[Row]:
    commands = probes.scale(COMMANDS)
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        orders(client, commands)
        rates.append(commands / (time.perf_counter() - started))
    yield Row(
        id="L2",
        metric=f"split engine: orders, window {WINDOW}, at memory",
        value=statistics.median(rates),
        unit="orders/s",
        n=commands * RUNS,
        spread=(min(rates), max(rates)),
    )


def orders(client: OrderClient, count: int) -> None:
    """Sends and hears so many, WINDOW of them on their way."""
    sent = heard = 0
    while heard < count:
        while sent < count and sent - heard < WINDOW:
            enter(client, sent)
            sent += 1
        heard += sum(isinstance(one, m.OrderAccepted) for one in client.poll())
        client.wait(0.01)


def enter(client: OrderClient, at: int) -> int:
    """Every second order meets the one before."""
    side, account = (m.Side.buy, 2) if at % 2 else (m.Side.sell, 1)
    return client.new_order(instrument=1, side=side, qty=1, price=1000, account=account)
