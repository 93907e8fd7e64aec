"""The simulated FIX venues as they are run: each dialect over its socket, TLS, the command, the control port."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.simulator.fix_venue.running import RunningVenue
from services.simulator.fix_venue.server import tls_context
from tapewire.errors import ConfigError
from tapewire.fix.client import Disconnected
from tests.engine_process import ACCOUNTS, INSTRUMENT, PATIENCE_S, ROOT, EngineProcess
from tests.fix_venue import LOGINS, Trader


@pytest.mark.parametrize("dialect", list(LOGINS))
def test_each_dialect_trades_over_its_socket(tmp_path: Path, dialect: str) -> None:
    part = "4" if dialect.startswith("fix") else "0.004"
    with RunningVenue(tmp_path / "venue", dialect, levels=2) as venue, Trader(venue.port, dialect) as trader:
        trader.logon()
        name = trader.order()
        assert trader.told()[39] == "0"
        venue.fault("fill", qty=part)
        fill = trader.told()
        assert (fill[39], float(fill[32]), float(fill[14])) == ("1", float(part), float(part))
        cancel = trader.cancel(name)
        cancelled = trader.told()
        assert (cancelled[39], cancelled[11], cancelled[41]) == ("4", cancel, name)
        taken = trader.order(price="200.00" if dialect.startswith("fix") else "70000.00")
        told = trader.told(t11=taken, t39="2")
        assert float(told[151]) == 0
        (first, second) = venue.orders()
        assert (first["status"], second["status"]) == ("4", "2")
        assert trader.fix.logout().type == "5"


def test_after_a_lost_connection_a_venue_without_resends_begins_anew_and_knows_its_orders(tmp_path: Path) -> None:
    with RunningVenue(tmp_path / "venue", "coinbase") as venue, Trader(venue.port, "coinbase") as trader:
        trader.fix.logon([(8013, "N")])
        name = trader.rest()
        venue.fault("disconnect", when="mid_fill")
        venue.fault("fill", qty="0.004")
        with pytest.raises(Disconnected):
            trader.told(t150="F")
        answer = trader.again()
        assert answer.seq == 1
        assert trader.quiet(0.2) == []
        status = trader.status(name)
        assert (status[150], status[39], float(status[14])) == ("I", "1", 0.004)


def test_over_an_engine_that_runs_a_venue_started_anew_knows_its_orders(tmp_path: Path) -> None:
    producers = 'producers = [{ name = "operator", role = "operator" }, { name = "traders" }, { name = "venue" }]'
    accounts = ACCOUNTS + "[[account]]\naccount = 90\n"
    engine = EngineProcess(tmp_path, engine=f'{producers}\ndurability = "memory"', more=INSTRUMENT + accounts)
    try:
        engine.start()
        engine.client().close()
        with RunningVenue(engine.folders.data, "fix44", engine=False) as venue, Trader(venue.port, "fix44") as trader:
            trader.logon()
            name = trader.rest()
        with RunningVenue(engine.folders.data, "fix44", engine=False) as venue, Trader(venue.port, "fix44") as trader:
            trader.logon()
            assert trader.quiet(0.1) == [], "what was told before is not told again"
            status = trader.status(name)
            assert (status[150], status[39], status[151]) == ("I", "0", "10")
            venue.fault("fill", cl_ord_id=name, qty=10)
            assert trader.told(t150="F")[39] == "2"
    finally:
        engine.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += [
        "-keyout",
        str(key),
        "-out",
        str(cert),
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl on this machine to make a certificate with")
    return cert, key


def test_over_tls_the_venue_can_insist_on_its_name(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=certificate[0])
    nameless = ssl.create_default_context(cafile=certificate[0])
    nameless.check_hostname = False
    with RunningVenue(tmp_path / "venue", "fix44", tls=tls_context(*certificate, "localhost")) as venue:
        for name in ("elsewhere.example", None):
            plain = socket.create_connection(("127.0.0.1", venue.port), 5.0)
            with plain, pytest.raises(ssl.SSLError):
                nameless.wrap_socket(plain, server_hostname=name)
        with Trader(venue.port, "fix44", trusting) as trader:
            trader.logon()
            trader.rest()


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.pem"):
        tls_context(tmp_path / "none.pem", tmp_path / "none.key")


@contextmanager
def process(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    ports = folder / "ports.json"
    command = [sys.executable, "-m", "services.simulator", "fix", "--data", str(folder / "data"), "--engine"]
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([*command, "--ports-file", str(ports), *options], cwd=ROOT, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not ports.exists():
            assert child.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield child, json.loads(ports.read_text())
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        child.wait(PATIENCE_S)


def http(port: int, path: str, method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_sim/{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_command_serves_a_market_and_tells_its_truth_by_http(tmp_path: Path) -> None:
    client = "comp_id=CLIENT,account=1,username=client,password=password"
    options = ["--client", client, "--rate", "200", "--seed", "7"]
    with process(tmp_path, *options) as (child, ports), Trader(ports["port"], "fix44") as trader:
        trader.logon()
        name = trader.order(price="90.00")
        trader.told(t11=name)
        control = ports["control_port"]
        assert http(control, "fill?cl_ord_id=nobody", "POST") == (
            400,
            {"error": "there is no live order nobody: expected one"},
        )
        assert http(control, "over_fill?count=2", "POST") == (200, {"armed": ["over_fill  * x2"]})
        assert http(control, "nonsense", "POST")[0] == 400
        assert http(control, "elsewhere")[0] == 404
        (order,) = http(control, "orders?client=CLIENT")[1]
        assert (order["cl_ord_id"], order["status"], order["price"]) == (name, "0", "90.00")
        deadline = time.monotonic() + PATIENCE_S
        while (status := http(control, "status")[1])["live"] != 1 or not status["sessions"]["CLIENT"]["on"]:
            assert time.monotonic() < deadline
        trader.fix.logout()
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--client", "account=1"], "expected comp_id=TEXT"),
        (["--key", "x"], "expected the first two together"),
        (["--instrument", "ACME"], "expected TICKER:TICK:LOT"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: list[str], said: str) -> None:
    command = [sys.executable, "-m", "services.simulator", "fix", "--engine", "--data", str(tmp_path / "data")]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
