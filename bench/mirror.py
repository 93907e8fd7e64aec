"""Market data on another host: records a second through a tape's mirror; two replicas, a real bus."""

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
from tapewire.errors import TapeMissing
from tapewire.folders import Folders
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader, TapeWriter

ROOT = Path(__file__).resolve().parents[1]
TAPE = "md.bench"
BATCH = 1024
WITHIN_S = 60.0
"""Of one stretch; a busy machine needs a few seconds for it."""
LOOK_S = 0.005
"""A tape is opened anew for each look: more of them would take from what is measured."""
QUOTE = m.Quote(ticker="BTCUSDT", instrument=1, bid_price=1, bid_qty=1, ask_price=2, ask_qty=1)


def run(probes: Probes) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as name, ExitStack() as stack:
        hosts = Hosts(Path(name), stack)
        writer = stack.enter_context(TapeWriter(str(hosts.here.tape(TAPE)), TAPE, 0, "memory"))
        carry(writer, hosts, BATCH)
        count = probes.scale(300_000)
        rates = sorted(count / carry(writer, hosts, count) for _ in range(3))
        yield Row(
            id="Y3",
            metric=f"mirror of market data, records of {len(bytes(QUOTE))} bytes on another host",
            value=statistics.median(rates),
            unit="1/s",
            n=3 * count,
            spread=(rates[0], rates[-1]),
        )


class Hosts:
    """One that sends the tape, one that copies it; on the disk, as they would be."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        server = stack.enter_context(NatsServer(folder / "nats", port=0))
        config = folder / "tapewire.toml"
        config.write_text(f'env = "bench"\n[nats]\nurl = "{server.url}"\n')
        self.here, self.there = Folders(folder / "here"), Folders(folder / "there")
        self._replicas: list[tuple[subprocess.Popen[bytes], Path]] = []
        for one, key in ((self.here, "SEND"), (self.there, "MIRROR")):
            one.prepare(one.data / "memory")
            environment = {**os.environ, "TAPEWIRE_DATA": str(one.data), "TAPEWIRE_RINGS": str(one.data / "memory")}
            environment[f"TAPEWIRE_REPLICA__{key}"] = TAPE
            command = [sys.executable, "-m", "services.replica", "--config", str(config)]
            log = one.data / "replica.log"
            with log.open("wb") as out:
                process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=out)
            stack.callback(process.wait)
            stack.callback(process.kill)
            self._replicas.append((process, log))

    def check(self) -> None:
        """Raises RuntimeError where a replica has ended."""
        if ended := [f"status {process.returncode}" for process, _ in self._replicas if process.poll() is not None]:
            raise RuntimeError(f"a replica ended by itself ({', '.join(ended)}):\n{self.said()}")

    def said(self) -> str:
        """The last lines of what both replicas logged."""
        return "\n".join(line for _, log in self._replicas for line in log.read_text().splitlines()[-5:])


def carry(writer: TapeWriter, hosts: Hosts, count: int) -> float:
    """Seconds from before the first is written until the last can be read over there. Raises RuntimeError if that takes
    too long, with how far it came."""
    began = time.perf_counter()
    for number in range(count):
        writer.append(bytes(QUOTE.replace(seq=writer.next_seq)))
        if number % BATCH == BATCH - 1:
            writer.commit()
    writer.commit()
    wanted = writer.next_seq - 1
    while (come := seen(hosts.there.tape(TAPE))) < wanted:
        hosts.check()
        if time.perf_counter() - began > WITHIN_S:
            said = f"the mirror has come to record {come:,} of {wanted:,} within {WITHIN_S:g} s"
            raise RuntimeError(f"{said}, load average {os.getloadavg()[0]:.1f}:\n{hosts.said()}")
        time.sleep(LOOK_S)
    return time.perf_counter() - began


def seen(tape: Path) -> int:
    try:
        with TapeReader(str(tape), None) as reader:
            return reader.positions.released_seq
    except TapeMissing:
        return 0
