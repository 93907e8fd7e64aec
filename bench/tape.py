"""The tape: appends into the page cache, durable batches, scan with checksums, and what it costs from Python."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench import _tape_native as native
from bench.harness import Row, median
from bench.probes import Probes
from tapewire import messages as m
from tapewire.tape import TapeReader, TapeWriter

RUNS = 5
SEGMENT = 64 << 20
IN_ONE_SEGMENT = 590_000  # records of 96 B, frames of 112
BATCH = 64  # records published at once where nothing is synced
DURABLE_BATCHES = (1, 64, 1024)
PYTHON_RECORDS = 100_000


def run(probes: Probes) -> Iterator[Row]:
    folder = probes.folder / "tape"
    try:
        yield from append(probes, folder)
        yield from durable(probes, folder)
        yield from scan(probes, folder)
        yield from from_python(probes, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def append(probes: Probes, folder: Path) -> Iterator[Row]:
    within = probes.scale(IN_ONE_SEGMENT)
    across = probes.scale(3 * IN_ONE_SEGMENT)
    for what, records, segment in (
        ("within a segment", within, SEGMENT),
        ("rotation, zeroing and sealing included", across, SEGMENT // 4),
    ):

        def once(records: int = records, segment: int = segment) -> float:
            return native.append_ns(fresh(folder), segment, records, BATCH)

        value, spread = median(once, RUNS)
        yield Row(
            id="T1",
            metric=f"tape append, 96 B, page cache, {what}, CPU",
            value=value,
            unit="ns",
            n=records * RUNS,
            spread=spread,
        )


def durable(probes: Probes, folder: Path) -> Iterator[Row]:
    """Each run stands between two fdatasync probes and is judged by their mean: the disk's mood changes."""
    for batch in DURABLE_BATCHES:
        rounds = probes.scale(2000 if batch < 1024 else 500)
        values, ratios, p99 = [], [], []
        for _ in range(RUNS):
            before = probes.fresh("fdatasync_ns")
            latency = native.commit_latency(fresh(folder), rounds, batch)
            after = probes.fresh("fdatasync_ns")
            values.append(latency.p50_ns)
            p99.append(latency.p99_ns)
            ratios.append(latency.p50_ns / ((before + after) / 2))
        yield Row(
            id="T2",
            metric=f"durable append, batch of {batch}, p50 (p99 {statistics.median(p99) / 1000:.0f} µs)",
            value=statistics.median(values) / 1000,
            unit="µs",
            probe="fdatasync_ns, same moment",
            ratio=statistics.median(ratios),
            n=rounds * RUNS,
            spread=(min(values) / 1000, max(values) / 1000),
        )


def scan(probes: Probes, folder: Path) -> Iterator[Row]:
    records, rounds = probes.scale(IN_ONE_SEGMENT), 5
    native.append_ns(fresh(folder), SEGMENT, records, BATCH)
    value, spread = median(lambda: 1e3 / native.scan_ns(folder, rounds), RUNS)
    yield Row(
        id="T3",
        metric="tape scan with CRC check, 96 B, warm, CPU",
        value=value,
        unit="M/s",
        n=records * rounds * RUNS,
        spread=spread,
    )


def from_python(probes: Probes, folder: Path) -> Iterator[Row]:
    encode = m.KillSwitch.encoder("seq", "ts", "account")
    records = [encode(seq, seq, seq % 100) for seq in range(1, probes.scale(PYTHON_RECORDS) + 1)]
    one, many, poll = [], [], []
    for _ in range(RUNS):
        with TapeWriter(fresh(folder), durability="memory") as writer:
            started = time.perf_counter_ns()
            for raw in records:
                writer.append(raw)
            one.append((time.perf_counter_ns() - started) / len(records))
        with TapeWriter(fresh(folder), durability="memory") as writer:
            started = time.perf_counter_ns()
            writer.append_many(records)
            many.append((time.perf_counter_ns() - started) / len(records))
        with TapeReader(folder) as reader:
            started = time.perf_counter_ns()
            while reader.poll(1024):
                pass
            poll.append((time.perf_counter_ns() - started) / len(records))
    empty = probes.value("empty_call_ns")
    for metric, values in (("append", one), ("append_many, per record", many), ("poll(1024), per record", poll)):
        value = statistics.median(values)
        yield Row(
            id="T1p",
            metric=f"tape from Python, {metric}",
            value=value,
            unit="ns",
            probe="empty_call_ns",
            ratio=value / empty,
            n=len(records) * RUNS,
            spread=(min(values), max(values)),
        )
