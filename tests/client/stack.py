"""The platform as a bus client meets it: nats-server, engine, journal and API as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import tapewire
from tapewire import messages as m
from tapewire.connection import Connection
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader
from tests.api.stack import ANSWERED_S
from tests.engine_process import PATIENCE_S, ROOT, EngineProcess
from tools.services.ports import free_port

PRODUCERS = (
    'producers = [{ name = "operator", role = "operator" }, { name = "traders" }, { name = "api" }, '
    '{ name = "api-operator", role = "operator" }, { name = "strategy" }]'
)
INSTRUMENTS = """
[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"
reference_price = "100.00"
[[instrument]]
ticker = "BTCUSDT"
tick_size = "0.01"
lot_size = "0.001"
reference_price = "64000.00"
"""
ACCOUNTS = "".join(f"[[account]]\naccount = {account}\n" for account in (1, 2, 3, 4, 5, 6))
UNPAIRED_S = 0.01


class BusStack:
    """`with BusStack(tmp_path) as stack:` everything runs, the instruments are known, and the door is open."""

    def __init__(
        self,
        folder: Path,
        *,
        api: str = "",
        engine: str = "",
        journal: bool = True,
        nats_config: Path | None = None,
        nats: str = "",
        more: str = "",
    ) -> None:
        """`api`, `engine`: lines of their tables; `nats`: of `[nats]`; `nats_config`: the server's; `more`: tables."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.nats = NatsServer(folder / "nats", port=free_port(), strict_port=True, config=nats_config)
        self.nats_port = self.nats.wanted_port
        own = nats.format(port=self.nats_port) or f'url = "{self.nats.url}"'
        if "answer_timeout" not in api:
            api += f"\nanswer_timeout = {ANSWERED_S}"
        if "stream_port" not in api:
            api += f"\nstream_port = {free_port()}"
        tables = f"[nats]\n{own}\n[api]\nport = {free_port()}\nbus_door = true\n{api}\n"
        self.engine = EngineProcess(
            folder, engine=f'{PRODUCERS}\ndurability = "memory"\n{engine}', more=tables + INSTRUMENTS + ACCOUNTS + more
        )
        self.env = f"t{os.getpid()}"
        self._journal = journal
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._starts: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            self.nats.start()
            self.engine.start()
            self.engine.wait_until_configured()
            if self._journal:
                self.start("journal", '"publishing"')
            self.start("api", '"open"')
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, service: str, until: str) -> None:
        """Starts a service and waits until its log has the text `until` once more."""
        self._starts[service] = self._starts.get(service, 0) + 1
        log = self.log(service)
        with log.open("ab") as out:
            command = [sys.executable, "-m", f"services.{service}", "--config", str(self.engine.config)]
            self.processes[service] = subprocess.Popen(command, cwd=ROOT, stderr=out)
        deadline = time.monotonic() + PATIENCE_S
        while log.read_text().count(until) < self._starts[service]:
            assert self.processes[service].poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(UNPAIRED_S)

    def begin(self, service: str) -> None:
        """Starts a service and does not wait."""
        self._starts[service] = self._starts.get(service, 0) + 1
        with self.log(service).open("ab") as out:
            command = [sys.executable, "-m", f"services.{service}", "--config", str(self.engine.config)]
            self.processes[service] = subprocess.Popen(command, cwd=ROOT, stderr=out)

    def kill(self, service: str) -> None:
        """As the kernel would."""
        self.processes[service].send_signal(signal.SIGKILL)
        self.processes[service].wait(PATIENCE_S)

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def connect(self, account: int = 1, *, answer_timeout: float = ANSWERED_S) -> Connection:
        return tapewire.connect(self.nats.url, env=self.env, account=account, answer_timeout=answer_timeout)

    def records(self) -> list[m.Message]:
        """All of the orders tape."""
        with TapeReader(str(self.engine.tape), None, limit="written") as reader:
            return [m.decode(raw) for raw in reader]

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        self.engine.close()
        self.nats.stop()
