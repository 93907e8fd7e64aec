"""The demo as a user starts it: a process of its own, real sockets, real signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tapewire.folders import default_rings
from tapewire.ring import ring_state
from tests.recorded_captures import FOLDER, needs_recordings

STARTS_WITHIN_S = 60
ENDS_WITHIN_S = 5 + 25  # the bound of stopping, and what verify and a busy machine add
VENUES = {"binance", "coinbase", "kraken"}
MARKET = {"orders.0", *(f"md.{venue}" for venue in VENUES)}
DOORS = {
    tape for tape, needed in (("fix.gateway", "quickfix"), ("api.0", "httptools")) if find_spec(needed) is not None
}
"""Of what is opened beside the market, and is there a little later."""


def tapewire(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tapewire.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **options)


def demo(data: Path, *arguments: str) -> dict[str, Any]:
    out = data.parent / "out.json"
    done = tapewire("demo", "--seconds", "4", "--headless", "--json", str(out), "--dir", str(data), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    summary: dict[str, Any] = json.loads(out.read_bytes())
    return summary


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The data folder of a demo. Whatever happens, nothing of its rings stays in memory."""
    yield tmp_path / "data"
    shutil.rmtree(default_rings("demo", tmp_path / "data"), ignore_errors=True)


def rings_of(data: Path) -> dict[str, int]:
    """The rings a demo left, and how many bytes of each nobody took: those alone may stay."""
    rings = [path for path in default_rings("demo", data).glob("*") if path.suffix != ".bell"]
    return {path.name: ring_state(path).tail - ring_state(path).head for path in rings}


def processes_of(data: Path) -> list[str]:
    """Command lines of living processes that name this data folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it ended while we looked
            continue
        if str(data) in line and int(entry.name) != os.getpid():
            found.append(line)
    return found


def test_the_demo_runs_everything_kills_the_engine_loses_nothing_and_goes_on_with_its_tapes(data: Path) -> None:
    first = demo(data)
    assert 0 not in rings_of(data).values()
    assert set(first["feeds"]) == VENUES
    for counters in first["feeds"].values():
        assert counters["published"] > 0
        assert (counters["gaps"], counters["resyncs"]) == (0, 0)
    assert all(first["house"][name] > 0 for name in ("orders", "trades", "rejects", "restated"))
    assert first["house"]["auctions"] == 3  # each instrument was opened by one
    assert MARKET <= set(first["tape"]) <= MARKET | DOORS
    assert {"queue", "decide", "commit", "answer"} <= set(first["latency"])
    assert set(first["latency"]["answer"]) == {"p50_ns", "p99_ns", "p999_ns", "count"}
    assert first["verify"]["ok"]
    assert len(first["verify"]["digest"]) == 64
    assert first["setup_seconds"] > 0
    second = demo(data, "--kill")
    assert second["house"]["auctions"] == 0  # it goes on with an open market
    assert second["tape"]["orders.0"]["records"] > first["tape"]["orders.0"]["records"]
    assert second["kill"]["lost"] == 0
    assert second["kill"]["acknowledged"] > 0
    assert second["kill"]["digest_recovered"] == second["kill"]["digest_of_uninterrupted_fold"]
    assert processes_of(data) == []


def end_by_ctrl_c(process: subprocess.Popen[str], data: Path) -> None:
    """In time, with all of its processes, and nothing lost on the way."""
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert "verify ok" in process.stdout.read()
    assert process.wait() == 0
    assert time.monotonic() - began < ENDS_WITHIN_S
    assert processes_of(data) == []
    assert 0 not in rings_of(data).values()


@pytest.mark.slow
def test_ctrl_c_may_come_before_the_doors_are_open(data: Path) -> None:
    command = [sys.executable, "-m", "tapewire.cli", "demo", "--headless", "--dir", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert "a running market" in process.stdout.readline()
        end_by_ctrl_c(process, data)


def test_killing_the_demo_itself_takes_all_its_processes_along(data: Path) -> None:
    command = [sys.executable, "-m", "tapewire.cli", "demo", "--headless", "--dir", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert "a running market" in process.stdout.readline()
        process.kill()
    deadline = time.monotonic() + ENDS_WITHIN_S
    while processes_of(data) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(data) == []


def ran(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_examples_print_trades_and_enter_an_order_while_it_runs_and_ctrl_c_ends_it(data: Path) -> None:
    examples, told = Path(__file__).parents[2] / "examples", data.parent / "out.json"
    command = [sys.executable, "-m", "tapewire.cli", "demo", "--headless", "--dir", str(data), "--json", str(told)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            url = (data / "nats" / "url").read_text()
            trades = ran(str(examples / "subscribe.py"), "demo.*.trade.*", url, "3")
            order = ran(str(examples / "enter_order.py"), str(data), "BRK.B")
            by_fix = fix_order(examples, data)
            until_written(*(data / "tapes" / tape / "control" for tape in DOORS))
        except BaseException:
            process.kill()
            raise
        end_by_ctrl_c(process, data)
    assert set(json.loads(told.read_bytes())["tape"]) == MARKET | DOORS
    assert len(trades.splitlines()) == 3
    assert all(line.startswith("demo.") and " @ " in line for line in trades.splitlines())
    assert [line.partition("(")[0] for line in order.splitlines()] == ["OrderAccepted", "OrderCancelled"]
    if by_fix is not None:
        kinds = [line.partition("|35=")[2].partition("|")[0] for line in by_fix.splitlines()]
        assert kinds == ["A", "A", "V", "W", "5", "5", "A", "A", "D", "8", "F", "8", "5", "5"]
        assert all(mark in by_fix for mark in ("|150=0|", "|150=4|", "|96=***|"))


def until_written(*files: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not all(file.exists() for file in files):
        assert time.monotonic() < deadline, files
        time.sleep(0.05)


def fix_order(examples: Path, data: Path) -> str | None:
    """What the example prints once the front door is open; None where there is no session layer for this Python."""
    if find_spec("quickfix") is None:
        return None
    logs = [data / "logs" / f"{name}.log" for name in ("gateway", "gateway.front")]
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not all(log.exists() and "listening" in log.read_text() for log in logs):
        assert time.monotonic() < deadline, "the front door for FIX does not open"
        time.sleep(0.05)
    return ran(str(examples / "fix_order.py"), str(data), "BRK.B")


@needs_recordings
def test_recorded_captures_are_replayed_through_the_venues(data: Path) -> None:
    summary = demo(data, "--data", str(FOLDER))
    assert all(summary["feeds"][venue]["published"] > 0 for venue in VENUES)
    assert all(summary["feeds"][venue]["gaps"] == 0 for venue in VENUES)
    assert summary["verify"]["ok"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("demo", "--headless", "--seconds", "2", "--data", "/nowhere"), "/nowhere/binance/"),
        (("demo",), "standard output is no terminal"),
        (("verify", "--data", "/nowhere"), "no tape at all"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_breath(data: Path, arguments: tuple[str, ...], says: str) -> None:
    options = ("--dir", str(data)) if arguments[0] == "demo" else ()
    done = tapewire(*arguments, *options)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
