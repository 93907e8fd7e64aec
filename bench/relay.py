"""The relay: how much later a record is in the ring of another host, and how many a second; two relays, a real bus."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.harness import Row
from bench.probes import Probes
from tapewire import messages as m
from tapewire.folders import Folders
from tapewire.nats_server import NatsServer
from tapewire.ring import Doorbell, RingConsumer, RingProducer, create_ring
from tapewire.tape import TapeWriter

ROOT = Path(__file__).resolve().parents[1]
SOURCE = 2
RING_BYTES = 1 << 20
WITHIN_S = 20.0
ORDER = m.NewOrder(cl_ord_id=1, instrument=1, account=1, side=m.Side.buy, qty=1, price=1000)


def run(probes: Probes) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm") as name, ExitStack() as stack:
        way = Way(Path(name), stack)
        way.one_way(probes.scale(500))
        yield from latency(probes, way)
        yield throughput(probes, way)


class Way:
    """A producer's ring, two relays, the engine's ring; a tape on which it is said what was taken."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        server = stack.enter_context(NatsServer(folder / "nats", port=0))
        config = folder / "tapewire.toml"
        config.write_text(f'env = "bench"\n[nats]\nurl = "{server.url}"\n[engine]\nring_bytes = {RING_BYTES}\n')
        here, there = Folders(folder / "here"), Folders(folder / "there")
        for one in (here, there):
            one.prepare(one.data / "memory")
        self.tape = stack.enter_context(TapeWriter(there.orders_tape(0), "orders.0", 0, "memory"))
        self.say_taken(0)
        here.orders_tape(0).symlink_to(there.orders_tape(0))
        far = there.inbound_ring(0, SOURCE, "traders")
        create_ring(far, RING_BYTES)
        self.engine = stack.enter_context(RingConsumer(far))
        for host, key in ((there, "IN"), (here, "OUT")):
            environment = {**os.environ, "TAPEWIRE_DATA": str(host.data), "TAPEWIRE_RINGS": str(host.data / "memory")}
            environment[f"TAPEWIRE_RELAY__{key}"] = "traders"
            command = [sys.executable, "-m", "services.relay", "--config", str(config)]
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
        near = here.inbound_ring(0, SOURCE, "traders")
        deadline = time.monotonic() + WITHIN_S
        while not near.exists():
            if time.monotonic() > deadline:
                raise RuntimeError("the relay made no ring")
            time.sleep(0.01)
        bell = stack.enter_context(Doorbell(here.doorbell(0)))
        self.producer = stack.enter_context(RingProducer(near, doorbell=bell))

    def say_taken(self, position: int) -> None:
        """What an engine would: a command on the tape, taken from `position`."""
        self.tape.append(bytes(ORDER.replace(seq=self.tape.next_seq, source=SOURCE, origin_seq=position)))
        self.tape.commit()

    def one_way(self, count: int) -> list[int]:
        """Each record by itself, in ns: from before it is written until it is seen over there."""
        raw, found = bytes(ORDER), []
        for _ in range(count):
            began = time.perf_counter_ns()
            self.producer.write(raw)
            while not self.engine.poll(16):
                pass
            found.append(time.perf_counter_ns() - began)
            self.engine.release()
            self.say_taken(self.engine.position)
            time.sleep(0.001)
        return found

    def carry(self, count: int) -> float:
        """As many as the rings take; seconds."""
        raw, sent, seen = bytes(ORDER), 0, 0
        began = time.perf_counter()
        while seen < count:
            if sent < count:
                sent += self.producer.write_many([raw] * min(count - sent, 256))
            if records := self.engine.poll(4096):
                seen += len(records)
                self.engine.release()
                self.say_taken(self.engine.position)
        return time.perf_counter() - began


def latency(probes: Probes, way: Way) -> Iterator[Row]:
    count = probes.scale(3_000)
    found = sorted(way.one_way(count))
    probe = probes.fresh("tcp_echo_ns")
    for what, at in (("p50", 0.5), ("p99", 0.99)):
        yield Row(
            id="Y1",
            metric=f"relay, a NewOrder from ring to ring on another host, {what}",
            value=found[int(at * (count - 1))] / 1000,
            unit="us",
            probe="tcp_echo_ns, same moment",
            ratio=found[int(at * (count - 1))] / probe,
            n=count,
        )


def throughput(probes: Probes, way: Way) -> Row:
    count = probes.scale(200_000)
    rates = sorted(count / way.carry(count) for _ in range(3))
    return Row(
        id="Y2",
        metric="relay, NewOrders from ring to ring on another host",
        value=statistics.median(rates),
        unit="1/s",
        n=3 * count,
        spread=(rates[0], rates[-1]),
    )
