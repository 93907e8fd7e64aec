from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.nats_server import NatsServer
from tapewire.subjects import subject
from tapewire.transports.nats import NatsTransport
from tests.engine_process import PATIENCE_S
from tests.integration.test_transport_contract import patient

MAIN = "from tapewire.cli import main; main()"


@contextmanager
def watching(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A `tapewire sub` that has subscribed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TAPEWIRE_")}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "sub", *arguments],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("watching ")
        try:
            yield process
        finally:
            process.kill()


async def publish(server: NatsServer, env: str, count: int) -> None:
    transport = NatsTransport(patient(server.url))
    await transport.connect()
    for n in range(count):
        trade = m.Trade(ticker="BTC/USD", price=6_400_000 + n, qty=1, price_exponent=-2, ts=n)
        transport.publish(subject(env, "kraken", "trade", "BTC/USD"), bytes(trade))
    transport.publish(f"{env}.kraken.trade.broken", b"not a message")
    await transport.drain()


async def test_it_prints_decoded_messages_and_stops_at_the_count(nats_server: NatsServer, tmp_path: Path) -> None:
    with watching("s1.kraken.trade.BTC/USD", "--count", "2", "--url", nats_server.url, cwd=tmp_path) as process:
        await publish(nats_server, "s1", 3)
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out.splitlines()) == (
        0,
        [
            "00:00:00.000000000 s1.kraken.trade.BTC=2FUSD  trade price=64000.00 qty=1",
            "00:00:00.000000001 s1.kraken.trade.BTC=2FUSD  trade price=64000.01 qty=1",
        ],
    )


async def test_json_lines_are_for_machines_and_ctrl_c_ends_it_cleanly(nats_server: NatsServer, tmp_path: Path) -> None:
    with watching("s2.>", "--json", "--url", nats_server.url, cwd=tmp_path) as process:
        assert process.stdout is not None
        await publish(nats_server, "s2", 1)
        row = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (row["subject"], row["type"], row["price"], row["price_exponent"]) == (
        "s2.kraken.trade.BTC=2FUSD",
        "trade",
        6_400_000,
        -2,
    )
    assert process.returncode == 0
    assert out == ""
    assert "s2.kraken.trade.broken: not a message" in err
    assert "Traceback" not in err


async def test_it_finds_the_running_demo_whatever_port_that_got(tmp_path: Path) -> None:
    with (
        NatsServer(tmp_path / ".tapewire" / "demo" / "nats", port=0) as server,
        watching("demo.>", "--count", "1", cwd=tmp_path) as process,
    ):
        await publish(server, "demo", 1)
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "price=64000.00" in out


async def test_a_reader_that_goes_away_ends_it_without_noise(nats_server: NatsServer, tmp_path: Path) -> None:
    with watching("s3.>", "--url", nats_server.url, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            await publish(nats_server, "s3", 1)
        assert process.poll() is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["demo.>", "--url", "nats://127.0.0.1:1"],
            "tapewire: cannot reach a NATS server at nats://127.0.0.1:1 within",
        ),
        (["demo.binance"], "tapewire: pattern 'demo.binance': expected four parts"),
    ],
)
def test_what_cannot_work_is_one_clear_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    env = {**os.environ, "TAPEWIRE_NATS__CONNECT_TIMEOUT": "0.3", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "sub", *arguments],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(message)
    assert "Traceback" not in done.stderr
