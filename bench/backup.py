"""How long a backup of a tape takes, the next one, its verification, and its restore; and a killed engine's way back.

The tape holds new orders as an engine writes them, 5 million. The disk is the one of the temporary folder, both ways.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench.harness import Row
from bench.probes import Probes
from tapewire import backup
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.errors import TapewireError
from tapewire.folders import Folders
from tapewire.tape import TapeWriter, inspect

RECORDS = 5_000_000
MORE = 100_000
BATCH = 4096
KILLS = 5
PATIENCE_S = 30.0
SETTINGS = """
env = "bench"
data = "{folder}/data"
rings = "{folder}/rings"
[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"
[[account]]
account = 1
"""


def run(probes: Probes) -> Iterable[Row]:
    with tempfile.TemporaryDirectory(dir=probes.folder) as name:
        yield from _copies(Path(name), probes.scale(RECORDS), probes.scale(MORE))
    with tempfile.TemporaryDirectory(dir=probes.folder) as name:
        yield _way_back(Path(name))


def _copies(folder: Path, count: int, more: int) -> Iterable[Row]:
    source, copies, new = Folders(folder / "data"), folder / "copies", Folders(folder / "new")
    source.prepare(folder / "rings")
    _write(source, count)
    size = inspect.inspect(source.tape("orders.0")).bytes / 1e9
    first = backup.take(source, "bench", copies)
    _write(source, more)
    second = backup.take(source, "bench", copies)
    _, verifying = _timed(lambda: backup.verify(copies))
    (made, restoring), _ = _timed(lambda: backup.restore(copies, new))
    assert made[0].last_seq == count + more
    for metric, value, unit in (
        (f"tape of {count:,} records", size, "GB"),
        ("first backup", first.seconds, "s"),
        (f"the next one, {more:,} records later", second.seconds, "s"),
        ("its verification, every byte", verifying, "s"),
        ("restore, every byte and record checked", restoring, "s"),
    ):
        yield Row(id="B1", metric=metric, value=value, unit=unit, n=1)


def _write(folders: Folders, count: int) -> None:
    path = folders.tape("orders.0")
    with TapeWriter(path, path.name, durability="memory") as writer:
        for begin in range(0, count, BATCH):
            for _ in range(min(BATCH, count - begin)):
                seq = writer.next_seq
                order = m.NewOrder(seq=seq, ts=seq, instrument=1, account=1, cl_ord_id=seq, price=100, qty=1)
                writer.append(bytes(order))
            writer.commit()


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def _way_back(folder: Path) -> Row:
    """From SIGKILL to the answer of an order that was sent to nobody; the new process is started at once."""
    settings = folder / "tapewire.toml"
    settings.write_text(SETTINGS.format(folder=folder))
    took = []
    process = _engine(settings)
    try:
        client = _client(folder / "data")
        with client:
            for _ in range(KILLS):
                process.send_signal(signal.SIGKILL)
                began = time.perf_counter()
                process.wait()
                process = _engine(settings)
                number = client.new_order(instrument=1, side=m.Side.buy, qty=1, price=100, account=1)
                assert list(client.answers(number, timeout_s=PATIENCE_S))
                took.append(time.perf_counter() - began)
    finally:
        process.kill()
        process.wait()
    took.sort()
    return Row(
        id="B2",
        metric="engine killed: from SIGKILL to the answer of the next order",
        value=took[len(took) // 2],
        unit="s",
        n=len(took),
        spread=(took[0], took[-1]),
    )


def _engine(settings: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "services.engine", "--config", str(settings)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _client(data: Path) -> OrderClient:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            client = OrderClient.open(data, producer="traders")
            if "ACME" in client.instruments():
                return client
            client.close()
        except TapewireError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
