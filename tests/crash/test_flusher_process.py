"""The real service, killed with SIGKILL again and again while a feed is written: nothing the ring took is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapewire.folders import Folders
from tapewire.histogram import StatsPage
from tapewire.ring import RingProducer, create_ring, ring_state
from tapewire.store.query import Store
from tapewire.tape import TapeReader
from tests.oracle.market import market_data
from tests.oracle.slow_rows import rows_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
KILLS = 3


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tapewire.toml"
    path.write_text(
        f'data = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n'
        '[flusher]\ndurability = "disk"\nsegment_bytes = 1048576\narchive_records = 500\narchive_wait = 0.2\n'
        '[feed.binance]\nvenue = "binance"\ntickers = ["BTCUSDT"]\nring_bytes = 65536\n'
    )
    return path


def start(config: Path, *more: str) -> subprocess.Popen[bytes]:
    with open(config.with_name("log"), "ab") as log:
        command = [sys.executable, "-m", "services.flusher", "--config", str(config), *more]
        return subprocess.Popen(command, cwd=ROOT, stderr=log)


def write(ring: Path, records: list[bytes], process: subprocess.Popen[bytes]) -> None:
    """All of them, as fast as the flusher makes room."""
    deadline = time.monotonic() + PATIENCE_S
    with RingProducer(ring) as producer:
        done = 0
        while done < len(records):
            assert process.poll() is None
            assert time.monotonic() < deadline, f"the flusher took {done} of {len(records)}"
            done += producer.write_many(records[done : done + 50])
            time.sleep(0.001)


def test_killed_again_and_again_the_flusher_loses_and_doubles_nothing(config: Path) -> None:
    folders = Folders(config.parent / "data")
    folders.prepare(config.parent / "rings")
    ring = folders.md_ring("binance")
    create_ring(ring, 1 << 16)
    records, each = market_data(seed=11, count=2_000), 500
    for round_ in range(KILLS):
        process = start(config)
        try:
            write(ring, records[round_ * each : (round_ + 1) * each], process)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    process = start(config)
    write(ring, records[KILLS * each :], process)
    deadline = time.monotonic() + PATIENCE_S
    while not any(folders.archive.glob("trades/**/*.parquet")):  # the archiver has a thread of its own
        assert time.monotonic() < deadline, config.with_name("log").read_text()
        time.sleep(0.02)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    state = ring_state(ring)
    assert state.head == state.tail
    with TapeReader(folders.md_tape("binance")) as reader:
        assert list(reader) == records
    expected = rows_of(records, "binance")
    store = Store(folders.data)
    found = {
        key: store.query(*key, "binance", raw=True).drop_columns(["feed", "ticker"]).to_pylist() for key in expected
    }
    store.close()
    assert found == expected


def test_a_broken_sequence_stops_its_feed_while_the_service_goes_on_and_its_exit_says_so(config: Path) -> None:
    folders = Folders(config.parent / "data")
    process = start(config)
    try:
        ring, deadline = folders.md_ring("binance"), time.monotonic() + PATIENCE_S
        while not ring.exists():
            assert time.monotonic() < deadline, config.with_name("log").read_text()
            time.sleep(0.02)
        write(ring, market_data(seed=1, count=5)[:2] + market_data(seed=1, count=5)[3:], process)
        page = StatsPage.open(folders.stats / "flusher.md.binance")
        while (page.counter("gaps"), page.counter("records")) != (1, 2) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (page.counter("gaps"), page.counter("records"), process.poll()) == (1, 2, None)
        page.close()
        process.terminate()
        assert process.wait(PATIENCE_S) == 1
    finally:
        process.kill()
        process.wait()
    assert "jumps ahead to record 4, but the next for tape" in config.with_name("log").read_text()
    with TapeReader(folders.md_tape("binance")) as reader:
        assert len(list(reader)) == 2


def test_a_feed_that_is_not_configured_is_refused_with_those_that_are(config: Path) -> None:
    process = start(config, "--feed", "kraken")
    assert process.wait(PATIENCE_S) == 1
    assert "there is no [feed.kraken]; there are binance" in config.with_name("log").read_text()
