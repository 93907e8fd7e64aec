"""`tapewire up` with real services: they are kept running through kills, and end in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.errors import RingError
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader
from tapewire.up.keeper import FIRST_PAUSE_S, Keeper
from tapewire.up.plan import Unit
from tests.engine_process import ACCOUNTS, INSTRUMENT, ROOT

PATIENCE_S = 30.0


def until(done: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def market(tmp_path: Path, nats_server: NatsServer) -> Path:
    file = tmp_path / "tapewire.toml"
    file.write_text(
        f'env = "u{os.getpid()}"\ndata = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n'
        f'[nats]\nurl = "{nats_server.url}"\n[engine]\nsegment_bytes = 1048576\n{INSTRUMENT}{ACCOUNTS}'
        "[monitor]\nmetrics_port = 0\n"
    )
    return file


@pytest.fixture
def up(market: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tapewire.cli", "up", "--config", str(market), "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def client_of(data: Path) -> OrderClient:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return OrderClient.open(data, producer="traders")
        except RingError:
            assert time.monotonic() < deadline, "no engine took the ring"
            time.sleep(0.05)


def kinds_of(data: Path) -> list[type[m.Message]]:
    with TapeReader(data / "tapes" / "orders.0") as reader:
        return [type(m.decode(raw)) for raw in reader]


def test_services_come_back_after_a_kill_and_end_in_order(market: Path, up: subprocess.Popen[str]) -> None:
    data = market.parent / "data"
    with client_of(data) as client:
        # Rings are there before what the settings define is on the tape; the instrument comes last.
        until(lambda: m.InstrumentDefinition in kinds_of(data), "the instrument is not defined")
        number = client.new_order(instrument=1, side=m.Side.buy, qty=1, account=1, price=1000)
        assert [type(e) for e in client.answers(number, PATIENCE_S)] == [m.OrderAccepted]
        engine = pid_of(data, "services.engine")
        os.kill(engine, signal.SIGKILL)
        until(lambda: pid_of(data, "services.engine") not in (0, engine), "the engine was not started again")
        number = client.new_order(instrument=1, side=m.Side.sell, qty=1, account=2, price=1000)
        assert m.OrderAccepted in [type(e) for e in client.answers(number, PATIENCE_S)]
    up.send_signal(signal.SIGTERM)
    out, _ = up.communicate(timeout=PATIENCE_S)
    said = [(line["unit"], line["event"]) for line in map(json.loads, out.splitlines())]
    assert said[:3] == [("engine", "started"), ("journal", "started"), ("monitor", "started")]
    assert ("engine", f"ended by itself (SIGKILL), again in {FIRST_PAUSE_S:g} s") in [
        (unit, event.partition(":")[0]) for unit, event in said
    ]
    assert said[-1] == ("all", "ended")
    assert up.returncode == 0
    kinds = kinds_of(data)
    assert kinds.count(m.OrderExecuted) == 1
    assert kinds.count(m.EpochStarted) == 2


def test_what_cannot_run_is_tried_again_ever_more_slowly_and_says_why(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    keeper = Keeper([Unit("broken", ("services.nothing",), 0)], tmp_path, lambda *what: said.append(what))
    now = 0.0
    for pause in (0.25, 0.5, 1.0):
        keeper.step(now)
        assert keeper.starts("broken")
        until(lambda: not keeper.pid("broken"), "it runs")
        keeper.step(now)
        assert said[-1][1].startswith(f"ended by itself (status 1), again in {pause:g} s: ")
        assert "No module named services.nothing" in said[-1][1]
        keeper.step(now + pause - 0.01)
        assert not keeper.pid("broken")
        now += pause
    assert keeper.stop() == []


def test_a_log_that_cannot_be_opened_is_said_and_tried_again(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    keeper = Keeper([Unit("one", ("services.nothing",), 0)], tmp_path, lambda *what: said.append(what))
    (tmp_path / "one.log").mkdir()
    keeper.step(0.0)
    assert said[0][1].startswith("cannot be started: [Errno 21] Is a directory")
    (tmp_path / "one.log").rmdir()
    keeper.step(FIRST_PAUSE_S / 2)
    assert len(said) == 1
    keeper.step(FIRST_PAUSE_S)
    assert said[1] == ("one", "started")
    keeper.stop()


def test_a_long_log_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(b"x" * (17 << 20))
    keeper = Keeper([Unit("one", ("services.nothing",), 0)], tmp_path, lambda *_: None)
    keeper.step(0.0)
    keeper.stop()
    assert (tmp_path / "one.log.1").stat().st_size == 17 << 20
    assert (tmp_path / "one.log").stat().st_size < 1 << 20


def pid_of(data: Path, module: str) -> int:
    """Of the running service below these settings."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if module.encode() in words and str(data.parent / "tapewire.toml").encode() in words:
            return int(path.parent.name)
    return 0
