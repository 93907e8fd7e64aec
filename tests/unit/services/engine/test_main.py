"""The engine as a program: how it starts, stops, is killed, and what it says when it cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.engine.verify import verify_tape
from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.ring import ring_state
from tapewire.tape import TapeReader
from tests.engine_process import ACCOUNTS, INSTRUMENT, EngineProcess, order

CHANGED = '[{ name = "traders" }, { name = "operator", role = "operator" }]'


@contextmanager
def engine(folder: Path, **options: Any) -> Iterator[EngineProcess]:
    process = EngineProcess(folder, **options)
    try:
        yield process
    finally:
        process.close()


def test_it_starts_trades_is_killed_goes_on_and_stops_cleanly(tmp_path: Path) -> None:
    with engine(tmp_path) as process:
        assert process.start()["records"] == 0
        with process.client() as client:
            first = order(client, m.Side.buy, 100)
            answers = list(client.answers(first))
            assert [type(a).__name__ for a in answers] == ["OrderAccepted"]
            process.kill()
            waiting = order(client, m.Side.sell, 100, account=2)
            recovered = process.start()
            # The command that was written while nobody listened is answered, once.
            answers = list(client.answers(waiting))
            assert [type(a).__name__ for a in answers] == ["OrderAccepted"]
        assert (recovered["epoch"], recovered["missing_events"], recovered["torn_bytes"]) == (2, 0, 0)
        assert process.end() == 0
        stopped = process.lines("stopped")[0]
        again = process.start()
        # A clean end leaves a snapshot: nothing is folded, and the state is the one that was left.
        assert (again["snapshot"], again["records"]) == (stopped["next_seq"] - 1, 0)
        assert process.end(signal.SIGINT) == 0
        report = verify_tape(process.tape)
    assert (report.ok, report.problems, report.redecided) == (True, [], 0)


def test_sigterm_with_a_deep_ring_ends_at_once_and_loses_nothing(tmp_path: Path) -> None:
    with engine(tmp_path, engine='max_batch = 1\nidle = "yield"') as process:
        process.start()
        with process.client() as client:
            sent = list[int]()
            send(client, sent, 2000)
            began = time.monotonic()
            assert process.end() == 0
            assert time.monotonic() - began < 15.0
            process.start()
            answered = [getattr(a, "cl_ord_id", 0) for a in client.answers(sent[-1], timeout_s=20.0)]
        assert answered == sent
        assert process.end() == 0


@pytest.mark.parametrize("after_s", [0.05, 0.35, 0.6])
def test_a_signal_at_any_moment_of_the_start_ends_it_and_harms_nothing(tmp_path: Path, after_s: float) -> None:
    with engine(tmp_path) as process:
        child = process.begin()
        time.sleep(after_s)
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) in (0, -signal.SIGTERM)
        assert "Traceback" not in process.log.read_text()
        process.close()
        process.log.unlink()
        process.starts = 0
        process.start()
        with process.client() as client:
            assert list(client.instruments()) == ["ACME"]
        assert process.end() == 0
        assert verify_tape(process.tape).ok


def test_a_signal_while_it_recovers_ends_it_in_order_once_it_has(tmp_path: Path) -> None:
    """Held from the first line of its program on: from when the log speaks, there is no moment without a handler."""
    with engine(tmp_path) as process:
        for start in (1, 2):
            process.begin()
            while len(process.lines("recovered")) < start:  # no wait: the signal is to come as early as it can
                pass
            assert process.end() == 0
        assert len(process.lines("stopped")) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "max_bach = 1"}, "engine.max_bach"),
        ({"engine": 'durability = "tape"'}, "engine.durability"),
        (
            {"engine": 'producers = ["operator"]'},
            'engine.producers: (FILE) holds ["operator"]; expected a list of { name',
        ),
        ({"engine": 'producers = [{ name = "traders" }]'}, "holds ['traders'], none of the role operator"),
        ({"engine": 'producers = [{ name = "a", role = "operator" }, { name = "a" }]'}, "expected each name once"),
        ({"more": INSTRUMENT + "[[account]]\naccount = 2000000\n"}, "account[0].account"),
        ({"engine": "core = 1000"}, "engine.core: holds 1000"),
    ],
)
def test_a_bad_configuration_is_one_line_that_names_the_key(tmp_path: Path, options: dict[str, str], said: str) -> None:
    with engine(tmp_path, **options) as process:
        assert process.begin().wait(20) == 1
        (line,) = process.log.read_text().splitlines()
        assert line.startswith("tapewire engine: ")
        assert said.replace("FILE", str(process.config)) in line


def test_more_than_the_ring_holds_can_be_configured(tmp_path: Path) -> None:
    accounts = "".join(f"[[account]]\naccount = {number}\n" for number in range(3, 3003))
    with engine(tmp_path, more=INSTRUMENT + ACCOUNTS + accounts) as process:
        process.start()
        with process.client() as client:
            assert [type(a).__name__ for a in client.answers(order(client, m.Side.buy, 100))] == ["OrderAccepted"]
        reader = TapeReader(str(process.tape))
        seen: set[int] = set()
        deadline = time.monotonic() + 20
        while len(seen) < 3002:
            assert time.monotonic() < deadline, f"{len(seen)} of 3,002 accounts are on the tape"
            seen |= {m.AccountLimits.decode(raw).account for raw in reader.poll_type(m.MessageType.account_limits)}
        assert process.end() == 0


def test_a_second_engine_on_the_same_data_says_who_has_the_tape(tmp_path: Path) -> None:
    with engine(tmp_path) as process, engine(tmp_path) as second:
        process.start()
        child = process.process
        assert child is not None
        assert second.begin().wait(20) == 1
        said = second.log.read_text().splitlines()[-1]
        assert f"process {child.pid}" in said
        assert process.end() == 0


def test_producers_that_changed_places_keep_the_market_closed(tmp_path: Path) -> None:
    with engine(tmp_path) as process:
        process.start()
        assert process.end() == 0
    with engine(tmp_path, engine=f"producers = {CHANGED}") as process:
        assert process.begin().wait(20) == 1
        assert "Producers keep their place" in process.log.read_text()


def test_what_the_engine_refuses_of_its_configuration_is_in_the_log(tmp_path: Path) -> None:
    with engine(tmp_path) as process:
        process.start()
        with process.client() as client:
            list(client.answers(order(client, m.Side.buy, 100)))  # its price is a multiple of the tick as it is
        assert process.end() == 0
    with engine(tmp_path, more=INSTRUMENT.replace('"0.01"', '"0.05"') + ACCOUNTS) as process:
        process.starts = 1
        process.start()
        refused = process.wait_for_line("the configuration asks for what the engine refuses")
        assert (refused["reason"], refused["value"], refused["limit"]) == ("instrument_exists", 5, 1)
        assert process.end() == 0


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tapewire-test", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_on_a_full_disk_commands_wait_and_are_answered_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "6800k") as disk, engine(disk, engine="snapshot_every = 500") as process:
        process.log = tmp_path / "log"
        process.start()
        with process.client() as client:
            filler, sent, answered = disk / "filler", list[int](), list[int]()
            fill(filler)
            while not process.lines("commands held back"):
                send(client, sent, 50)
                answered += [getattr(a, "cl_ord_id", 0) for a in client.poll(10_000)]
                assert len(sent) < 30_000
            assert len(answered) < len(sent)
            filler.unlink()
            process.wait_for_line("commands taken again")
            answered += [getattr(a, "cl_ord_id", 0) for a in client.answers(sent[-1], timeout_s=20.0)]
        assert answered == sent
        fill(filler)
        assert process.end() == 0, process.log.read_text()
        filler.unlink()
        ring = process.folders.find_inbound_ring(0, "traders")
        assert ring is not None
        assert ring_state(ring[0]).head == ring_state(ring[0]).tail
        report = verify_tape(process.tape)
        assert (report.ok, report.problems) == (True, [])
        with TapeReader(process.tape) as reader:
            orders = [r.cl_ord_id for r in map(m.decode, reader) if isinstance(r, m.NewOrder)]
        assert orders == sent


def fill(path: Path) -> None:
    with path.open("wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            return


def send(client: OrderClient, sent: list[int], count: int) -> None:
    """Up to `count` orders, as many as the ring takes; their ClOrdIDs are added to `sent`."""
    try:
        for _ in range(count):
            sent.append(order(client, m.Side.buy, 100))  # noqa: PERF401 - what was sent before the ring was full counts
    except RingFull:
        time.sleep(0.02)
