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
WITHIN_S = 120.0
QUOTE = m.Quote(ticker="BTCUSDT", instrument=1, bid_price=1, bid_qty=1, ask_price=2, ask_qty=1)


def run(probes: Probes) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as name, ExitStack() as stack:
        here, there = hosts(Path(name), stack)
        writer = stack.enter_context(TapeWriter(str(here.tape(TAPE)), TAPE, 0, "memory"))
        carry(writer, there, BATCH)
        count = probes.scale(300_000)
        rates = sorted(count / carry(writer, there, count) for _ in range(3))
        yield Row(
            id="Y3",
            metric=f"mirror of market data, records of {len(bytes(QUOTE))} bytes on another host",
            value=statistics.median(rates),
            unit="1/s",
            n=3 * count,
            spread=(rates[0], rates[-1]),
        )


def hosts(folder: Path, stack: ExitStack) -> tuple[Folders, Folders]:
    """One that sends the tape, one that copies it; on the disk, as they would be."""
    server = stack.enter_context(NatsServer(folder / "nats", port=0))
    config = folder / "tapewire.toml"
    config.write_text(f'env = "bench"\n[nats]\nurl = "{server.url}"\n')
    here, there = Folders(folder / "here"), Folders(folder / "there")
    for one, key in ((here, "SEND"), (there, "MIRROR")):
        one.prepare(one.data / "memory")
        environment = {**os.environ, "TAPEWIRE_DATA": str(one.data), "TAPEWIRE_RINGS": str(one.data / "memory")}
        environment[f"TAPEWIRE_REPLICA__{key}"] = TAPE
        command = [sys.executable, "-m", "services.replica", "--config", str(config)]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.kill)
    return here, there


def carry(writer: TapeWriter, there: Folders, count: int) -> float:
    """Seconds from before the first is written until the last can be read over there."""
    began = time.perf_counter()
    for number in range(count):
        writer.append(bytes(QUOTE.replace(seq=writer.next_seq)))
        if number % BATCH == BATCH - 1:
            writer.commit()
    writer.commit()
    wanted = writer.next_seq - 1
    while seen(there.tape(TAPE)) < wanted:
        if time.perf_counter() - began > WITHIN_S:
            raise RuntimeError(f"the mirror has not come to record {wanted} within {WITHIN_S:g} s")
        time.sleep(0.001)
    return time.perf_counter() - began


def seen(tape: Path) -> int:
    try:
        with TapeReader(str(tape), None) as reader:
            return reader.positions.released_seq
    except TapeMissing:
        return 0
