"""The whole platform as a client meets it, as processes: engine, gateway and front, and clients of ours through it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tapewire.fix.auth import write_secret
from tapewire.fix.client import FixClient, Login
from tests.engine_process import PATIENCE_S, ROOT, EngineProcess
from tests.fix.processes import PRODUCERS
from tools.services.ports import free_port

SECRET = bytes(range(32))
INSTRUMENTS = """
[[instrument]]
ticker = "BTCUSDT"
tick_size = "0.01"
lot_size = "0.001"
reference_price = "100.00"
static_band_bps = 5000
[[instrument]]
ticker = "ETHUSDT"
tick_size = "0.01"
lot_size = "0.001"
"""
ACCOUNTS = """
[[account]]
account = 1
[[account]]
account = 2
"""
SETTINGS = """
[gateway]
port = {port}
backend_port = {backend}
refusal_delay = 0.05
logon_attempts = 10000
max_half_open_per_address = 64
"""
SESSION = """
[[gateway.sessions]]
name = "{name}"
number = {number}
kind = "{kind}"
version = "{version}"
comp_id = "{comp_id}"
username = "{comp_id}"
auth = "hmac"
secret_file = "{folder}/secret"
accounts = {accounts}
{more}
"""
BEGINS = {"42": "FIX.4.2", "44": "FIX.4.4", "50": "FIXT.1.1"}
KINDS = {"ORDERS": "orders", "OTHER": "orders", "DATA": "market-data", "COPY": "drop-copy"}


def session(folder: Path, number: int, comp_id: str, more: str = "") -> str:
    """Settings of one session; its CompID says what it is: `ORDERS-44`."""
    what, _, version = comp_id.partition("-")
    kind = KINDS[what]
    accounts = {"ORDERS": [1], "OTHER": [2], "DATA": [], "COPY": [1]}[what]
    return SESSION.format(
        name=comp_id.lower(), number=number, kind=kind, version=BEGINS[version], comp_id=comp_id, folder=folder,
        accounts=accounts, more=more,
    )  # fmt: skip


class Stack:
    """Sessions ORDERS, OTHER (account 2), DATA and COPY, each with -42, -44 and -50: one for each version of FIX."""

    def __init__(self, folder: Path, *, gateway: str = "", sessions: str = "", instruments: str = INSTRUMENTS) -> None:
        """`gateway`: more settings of `[gateway]`; `sessions`: of every session."""
        self.folder, self.port = folder, free_port()
        write_secret(folder / "secret", SECRET)
        comp_ids = [f"{what}-{version}" for version in BEGINS for what in KINDS]
        tables = "".join(session(folder, number, name, sessions) for number, name in enumerate(comp_ids, 1))
        settings = SETTINGS.format(port=self.port, backend=free_port()) + gateway
        self.engine = EngineProcess(
            folder, engine=f'{PRODUCERS}\ndurability = "memory"', more=instruments + ACCOUNTS + settings + tables
        )
        self.log = folder / "gateway.log"
        self.gateway: subprocess.Popen[bytes] | None = None
        self.front: subprocess.Popen[bytes] | None = None
        self._clients: list[FixClient] = []

    def __enter__(self) -> Stack:
        try:
            self.engine.start()
            self.engine.wait_until_configured()
            self.gateway = self._process("services.gateway", '"listening"', 1)
            self.front = self._process("services.gateway.front", '"listening"', 2)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _process(self, module: str, line: str, count: int) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", module, "--config", str(self.engine.config)]
            process = subprocess.Popen(command, cwd=ROOT, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while self.log.read_text().count(line) < count:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise AssertionError(self.log.read_text())
            time.sleep(0.01)
        return process

    def login(self, comp_id: str) -> Login:
        return Login(comp_id, "TAPEWIRE", comp_id, "hmac", SECRET, BEGINS[comp_id.partition("-")[2]])

    def client(self, comp_id: str, *, reset: bool = False) -> FixClient:
        """A client that is logged on; `reset`: with numbers from 1 on, whatever was before."""
        client = FixClient("127.0.0.1", self.port, self.login(comp_id), timeout=PATIENCE_S)
        self._clients.append(client)
        answer = client.logon(reset=reset, timeout=PATIENCE_S)
        assert answer.type == "A", answer.get(58)
        return client

    def restart_front(self) -> None:
        """After its end."""
        listening = self.log.read_text().count('"listening"')
        self.front = self._process("services.gateway.front", '"listening"', listening + 1)

    def kill_gateway(self) -> None:
        """And starts the next one over the same tapes."""
        assert self.gateway is not None
        self.gateway.kill()
        self.gateway.wait()
        self.gateway = self._process("services.gateway", '"listening"', self.log.read_text().count('"listening"') + 1)

    def stop_gateway(self) -> None:
        """As for maintenance: its clients are told."""
        assert self.gateway is not None
        self.gateway.send_signal(signal.SIGTERM)

    def memory(self) -> dict[str, int]:
        """Bytes of its own that each process holds; pages of tapes and rings are files and not among them."""
        processes = {"gateway": self.gateway, "front": self.front, "engine": self.engine.process}
        found = {}
        for name, one in processes.items():
            assert one is not None
            status = Path(f"/proc/{one.pid}/status").read_text()
            found[name] = 1024 * int(status.partition("RssAnon:")[2].split()[0])
        return found

    def check(self) -> None:
        """Raises AssertionError with its log if a process has ended."""
        for one in (self.gateway, self.front, self.engine.process):
            assert one is not None
            assert one.poll() is None, f"{one.args!r} ended with {one.returncode}\n{self.log.read_text()[-6000:]}"

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for one in (self.front, self.gateway):
            if one is not None and one.poll() is None:
                one.kill()
                one.wait()
        self.engine.close()
