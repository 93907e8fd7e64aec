"""The front as it is run: its own process, uvloop, a configuration, SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tapewire.fix.auth import make_front_token, write_secret
from tapewire.fix.client import FixClient, Login
from tapewire.fix.message import build, fields_of
from tapewire.histogram import StatsPage
from tests.engine_process import PATIENCE_S
from tools.services.ports import free_port

SECRET = bytes(range(32))
SETTINGS = """
data = "{folder}/data"
rings = "{folder}/rings"
[[account]]
account = 7
[gateway]
port = {port}
backend_port = {backend}
max_half_open = 50
max_half_open_per_address = 10
drain_timeout = {patience}
logon_timeout = 60.0
{more}
[[gateway.sessions]]
name = "acme"
number = 3
kind = "market-data"
comp_id = "ACME"
username = "acme"
auth = "hmac"
secret_file = "{folder}/secret"
"""


@contextmanager
def front(folder: Path, more: str = "") -> Iterator[tuple[subprocess.Popen[str], int, socket.socket]]:
    """The process, its port, and a listening socket in place of the session layer."""
    if not (folder / "secret").exists():
        write_secret(folder / "secret", SECRET)
    make_front_token(folder / "data" / "gateway" / "front.token")
    with ExitStack() as stack:
        backend = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        backend.settimeout(PATIENCE_S)
        port = free_port()
        settings = folder / "tapewire.toml"
        ports = {"port": port, "backend": backend.getsockname()[1]}
        settings.write_text(SETTINGS.format(folder=folder, patience=PATIENCE_S, more=more, **ports))
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "services.gateway.front", "--config", str(settings)],
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        try:
            assert process.stderr is not None
            assert '"event":"listening"' in process.stderr.readline()
            yield process, port, backend
        finally:
            process.kill()


def test_a_session_goes_through_it_and_sigterm_waits_for_its_logout(tmp_path: Path) -> None:
    with front(tmp_path) as (process, port, backend):
        login = Login("ACME", "TAPEWIRE", "acme", "hmac", SECRET)
        with closing(FixClient("127.0.0.1", port, login, timeout=PATIENCE_S)) as client:
            client.connect()
            client.send_raw(login.logon(1, time.time_ns()))
            behind, _ = backend.accept()
            with behind:
                logon = fields_of(behind.recv(4096))
                assert (logon.type, logon[49], 554 in logon) == ("A", "ACME", False)
                behind.sendall(build("FIX.4.4", [(35, "A"), (34, 1), (49, "TAPEWIRE"), (56, "ACME")]))
                assert client.expect("A")[34] == "1"
                process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
                assert process.poll() is None
                behind.sendall(build("FIX.4.4", [(35, "5"), (34, 2), (49, "TAPEWIRE"), (56, "ACME")]))
                assert client.expect("5")[34] == "2"
        assert process.wait(PATIENCE_S) == 0
        page = StatsPage.open(tmp_path / "data/stats/gateway.front")
        assert {name: page.counter(name) for name in ("connected", "logged_on", "live", "half_open", "backlog.3")} == {
            "connected": 1, "logged_on": 1, "live": 0, "half_open": 0, "backlog.3": 0,
        }  # fmt: skip
        page.close()
        assert process.stderr is not None
        lines = process.stderr.read()
        assert SECRET.hex() not in lines
        assert '"event":"logged on"' in lines


def test_a_recorded_logon_is_worth_nothing_behind_a_front_that_was_killed_and_started_again(tmp_path: Path) -> None:
    login = Login("ACME", "TAPEWIRE", "acme", "hmac", SECRET)

    def answered(port: int, logon: bytes) -> str:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock:
            sock.sendall(logon)
            return fields_of(sock.recv(4096)).get(58)

    with front(tmp_path) as (process, port, backend), socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock:
        recorded = login.logon(1, time.time_ns(), extra=[(8015, 60_000)])  # good for longer than the next start takes
        sock.sendall(recorded)
        behind, _ = backend.accept()
        behind.close()
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    kept = tmp_path / "data" / "gateway" / "front.logons"
    assert kept.stat().st_mode & 0o777 == 0o600
    with front(tmp_path) as (_, port, _):
        assert answered(port, recorded) == "Logon refused: the same Logon was used before; sign a new one"
    assert len(kept.read_text().splitlines()) == 1


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_connections_that_say_nothing_hold_no_more_files_than_allowed(tmp_path: Path, tls: bool) -> None:
    more = ""
    if tls:
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *names]
        try:
            where = ["-keyout", f"{tmp_path}/key.pem", "-out", f"{tmp_path}/cert.pem"]
            subprocess.run([*command, *where], check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("there is no openssl on this machine to make a certificate with")
        more = f'certificate = "{tmp_path}/cert.pem"\nprivate_key = "{tmp_path}/key.pem"'
    with front(tmp_path, more) as (process, port, _), ExitStack() as stack:

        def files() -> int:
            return len(os.listdir(f"/proc/{process.pid}/fd"))

        quiet = files()
        for n in range(600):
            source = (f"127.4.0.{n % 200 + 1}", 0)
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S, source))
        deadline = time.monotonic() + 30.0  # long before one of them is too late with its Logon
        while files() - quiet > 60:
            assert time.monotonic() < deadline, f"{files()} files are open; {quiet} were at first"
            time.sleep(0.05)
        context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem")) if tls else None
        wrong = Login("ACME", "TAPEWIRE", "acme", "hmac", bytes(32))
        client = stack.enter_context(closing(FixClient("127.0.0.1", port, wrong, tls=context, timeout=PATIENCE_S)))
        assert client.logon()[58].endswith("credentials are not right")
        stack.close()
        deadline = time.monotonic() + PATIENCE_S
        while files() > quiet + 2:
            assert time.monotonic() < deadline, f"{files()} files are open; {quiet} were at first"
            time.sleep(0.05)
