"""The tick store on a recorded day of SPY trades (made ones of the same shape where the recordings are not there).

D4 ingest, D5 bytes a tick, D6 one minute of one symbol out of the day, D7 a scan of the day.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Final

import pyarrow as pa

from bench.harness import Row, median
from bench.probes import Probes
from services.flusher.archiver import Archiver, Limits
from tapewire import messages as m
from tapewire.store import layout
from tapewire.store.columns import Part, convert
from tapewire.store.disk import Disk
from tapewire.store.query import Store
from tapewire.store.write import encode, footer, split_days
from tapewire.tape import TapeWriter
from tapewire.testing import recordings

DAY: Final = "20131008"
MADE_TICKS: Final = 450_000
MINUTE: Final = 60 * 10**9
BATCH: Final = 10_000
CPU: Final = time.process_time  # one core works alone: what it costs, whatever else the machine does
LIMITS: Final = Limits(records=262_144, wait_ns=1)


def made_trades(count: int) -> Iterable[bytes]:
    random, ts, price = Random(1), 1_381_228_200 * 10**9, 1_670_000
    names = ("seq", "ts", "ts_event", "ts_recv", "trade_id", "price", "qty")
    trade = m.Trade.encoder(*names, ticker="SPY", price_exponent=-4, quality=m.BookQuality.live)
    for seq in range(1, count + 1):
        ts += int(random.expovariate(1 / 50_000_000))
        price += random.choice((-100, 0, 0, 0, 100))
        received = ts - random.randrange(2_000, 40_000)
        event = (received - random.randrange(50_000, 10**6)) // 10**6 * 10**6
        yield trade(seq, ts, event, received, seq, price, random.choice((100, 100, 200, 300, 500, 37)))


def run(probes: Probes) -> Iterable[Row]:
    there = (recordings.folder() / f"ticks_us_equity/lean/spy/{DAY}_trade.zip").exists()
    what = "recorded SPY day" if there else "made day"
    records = list(recordings.spy_trades(DAY) if there else made_trades(MADE_TICKS))
    # On the disk that tapes would be on.
    data = Path(tempfile.mkdtemp(dir=probes.folder))
    try:
        yield from _ingest(what, records)
        yield from _archived(what, records, data, probes)
    finally:
        shutil.rmtree(data)


def _ingest(what: str, records: list[bytes]) -> Iterable[Row]:
    parts = convert(records, {})
    (partition, part), *_ = split_days(parts[0], "lean")
    said = footer(partition, "md.lean", part.table)

    def write() -> float:
        return _rate(lambda: encode(part.table, part.kind, said), len(records), CPU)

    def cut() -> float:
        return _rate(lambda: convert(records, {}), len(records), CPU)

    def both() -> float:
        def work() -> None:
            fresh: list[Part] = convert(records, {})
            encode(fresh[0].table, fresh[0].kind, said)

        return _rate(work, len(records), CPU)

    for metric, measure in (
        (f"{what}: columns to Parquet, CPU", write),
        (f"{what}: messages to columns, CPU", cut),
        (f"{what}: messages to Parquet, CPU", both),
    ):
        value, spread = median(measure)
        yield Row(id="D4", metric=metric, value=value, unit="M rows/s", n=len(records), spread=spread)
    size = encode(part.table, part.kind, said).size / len(records)
    yield Row(id="D5", metric=f"{what}: our stamps to the ns", value=size, unit="B/tick", n=len(records))
    coarse = part.table.set_column(1, "ts", part.table["ts_event"])
    coarse = coarse.set_column(3, "recv_delay", pa.repeat(pa.scalar(0, pa.int64()), len(records)))
    size = encode(coarse, part.kind, said).size / len(records)
    yield Row(id="D5", metric=f"{what}: as recorded, to the ms", value=size, unit="B/tick", n=len(records))


def _archived(what: str, records: list[bytes], data: Path, probes: Probes) -> Iterable[Row]:
    with TapeWriter(layout.tape(data, "md.lean"), name="md.lean") as writer:
        for at in range(0, len(records), BATCH):
            writer.append_many(records[at : at + BATCH])
            writer.commit()
    middle = m.Trade.decode(records[len(records) // 2]).ts // MINUTE * MINUTE
    yield from _minute(f"{what}: today, on the tape", Store(data), middle, probes)
    archiver = Archiver(data, "md.lean", LIMITS, Disk())
    started = time.perf_counter()
    while archiver.do_work(0) or archiver.do_work(10):
        pass
    took = time.perf_counter() - started
    archiver.close()
    rate = len(records) / took / 1e6
    yield Row(
        id="D4",
        metric=f"{what}: tape to durable archive, checkpoints and all",
        value=rate,
        unit="M rows/s",
        n=len(records),
    )
    yield from _minute(f"{what}: sealed, footers kept", Store(data), middle, probes)
    yield from _scan(what, data, len(records))


def _minute(metric: str, store: Store, start: int, probes: Probes) -> Iterable[Row]:
    rows = store.query("trades", "SPY", start=start, end=start + MINUTE).num_rows
    for suffix, raw in (("", True), (", as decimals", False)):

        def once(raw: bool = raw) -> float:
            began = time.perf_counter()
            store.query("trades", "SPY", start=start, end=start + MINUTE, raw=raw)
            return (time.perf_counter() - began) * 1e3

        samples = probes.scale(400)
        value, spread = median(once, samples)
        ratio = value * 1e6 / probes.value("empty_call_ns")
        yield Row(
            id="D6",
            metric=f"{metric}: a minute of {rows} rows{suffix}",
            value=value,
            unit="ms",
            probe="empty_call_ns",
            ratio=ratio,
            n=samples,
            spread=spread,
        )
    store.close()


def _scan(what: str, data: Path, rows: int) -> Iterable[Row]:
    import duckdb

    files = [str(piece.path) for piece in layout.pieces(data, "trades")]
    connection = duckdb.connect(":memory:")
    source = f"read_parquet({files!r})"
    for metric, columns in (
        ("sum of quantity", "sum(qty)"),
        ("volume-weighted price", "sum(price::HUGEINT * qty) / sum(qty)"),
    ):

        def once(columns: str = columns) -> float:
            return _rate(lambda: connection.sql(f"SELECT {columns} FROM {source}").fetchall(), rows)

        value, spread = median(once, 9)
        yield Row(id="D7", metric=f"{what}: {metric}", value=value, unit="M rows/s", n=rows, spread=spread)
    connection.close()
    store = Store(data)

    def everything() -> float:
        return _rate(lambda: store.query("trades", "SPY", raw=True), rows)

    value, spread = median(everything)
    yield Row(id="D7", metric=f"{what}: all columns by query()", value=value, unit="M rows/s", n=rows, spread=spread)
    store.close()


def _rate(work: Callable[[], object], rows: int, clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    work()
    return rows / (clock() - started) / 1e6
