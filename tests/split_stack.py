"""nats-server, risk, matcher and a split engine as processes, for the tests that end each in every way there is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tapewire.nats_server import NatsServer
from tests.engine_process import ACCOUNTS, INSTRUMENT, PATIENCE_S, ROOT, EngineProcess
from tools.services.ports import free_port

SERVICES = ("risk", "matcher")


class SplitStack:
    """`with SplitStack(tmp_path) as stack:` everything runs."""

    def __init__(self, folder: Path, *, engine: str = "", nats: str = "", nats_config: Path | None = None) -> None:
        """`engine`, `nats`: lines of their tables, `nats` with `{port}`; `nats_config`: the server's."""
        self.folder = folder
        self.nats = NatsServer(folder / "nats", port=free_port(), strict_port=True, config=nats_config)
        own = nats.format(port=self.nats.wanted_port) or f'url = "{self.nats.url}"'
        more = f"[nats]\nconnect_timeout = 0.5\n{own}\n{INSTRUMENT}{ACCOUNTS}"
        lines = f'topology = "split"\ndurability = "memory"\nanswer_within = 0.3\n{engine}'
        self.engine = EngineProcess(folder, engine=lines, more=more)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.nats.start()
            for service in SERVICES:
                self.start(service)
            self.engine.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, service: str) -> None:
        with self.log(service).open("ab") as log:
            command = [sys.executable, "-m", f"services.{service}", "--config", str(self.engine.config)]
            self.processes[service] = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def kill(self, service: str) -> None:
        self.end(service, signal.SIGKILL)

    def end(self, service: str, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits; returns the exit status."""
        self.processes[service].send_signal(number)
        return self.processes[service].wait(PATIENCE_S)

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def wait_for(self, service: str, text: str, count: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.log(service).exists() or self.log(service).read_text().count(text) < count:
            assert time.monotonic() < deadline, self.log(service).read_text()
            time.sleep(0.01)

    def configure(self, topology: str) -> None:
        """For the engine's next start."""
        text = self.engine.config.read_text()
        old = "split" if topology == "fused" else "fused"
        self.engine.config.write_text(text.replace(f'topology = "{old}"', f'topology = "{topology}"'))

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        self.engine.close()
        self.nats.stop()
