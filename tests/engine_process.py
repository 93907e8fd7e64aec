"""A real engine as a process, for the tests that end it in every way there is."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tapewire import definitions
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.errors import RingBusy
from tapewire.folders import Folders

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0
INSTRUMENT = '[[instrument]]\nticker = "ACME"\ntick_size = "0.01"\nlot_size = "1"\n'
ACCOUNT = re.compile(r"^\[\[account\]\]\s+account = (\d+)$", re.MULTILINE)
ACCOUNTS = "[[account]]\naccount = 1\n[[account]]\naccount = 2\n"


def whole_lines(log: Path) -> list[bytes]:
    """Of a log that may be written to just now: the last line may not be there to its end."""
    raw = log.read_bytes() if log.exists() else b""
    return raw[: raw.rfind(b"\n") + 1].splitlines()


class EngineProcess:
    """`python -m services.engine` over the folder `folder`; its log is read as it was written, all starts together."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: str = "",
        more: str = INSTRUMENT + ACCOUNTS,
        top: str = "",
        segment_bytes: int = 1 << 20,
    ) -> None:
        self.folder, self.log = folder, folder / "log"
        self.folders = Folders(folder / "data")
        self.config = folder / "tapewire.toml"
        self.config.write_text(
            f'env = "t{os.getpid()}"\ndata = "{folder}/data"\nrings = "{folder}/rings"\n{top}\n'
            f"[engine]\nring_bytes = 65536\nsegment_bytes = {segment_bytes}\n{engine}\n{more}"
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def tape(self) -> Path:
        return self.folders.orders_tape(0)

    def start(self) -> dict[str, Any]:
        """Starts it and waits until it says that it has recovered; returns what it says."""
        self.begin()
        return self.wait_for_line("recovered", self.starts)

    def begin(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "services.engine", "--config", str(self.config)]
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)
        return self.process

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in whole_lines(self.log) if line.startswith(b"{")]
        return [line for line in found if line["event"] == event]

    def wait_for_line(self, event: str, count: int = 1) -> dict[str, Any]:
        """The `count`-th line of that event, once it is there."""
        deadline = time.monotonic() + PATIENCE_S
        while len(lines := self.lines(event)) < count:
            assert self.process is None or self.process.poll() is None or self.lines(event), self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)
        return lines[count - 1]

    def client(self, from_seq: int | None = None) -> OrderClient:
        """A client of the producer `traders`, once the instrument is there."""
        deadline = time.monotonic() + PATIENCE_S
        while self.folders.find_inbound_ring(0, "traders") is None:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)
        client = OrderClient.open(self.folders.data, from_seq=from_seq)
        while "ACME" not in client.instruments():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)
        return client

    def operator(self) -> OrderClient:
        """A client of the producer `operator`, once the configuration's commands were sent."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return OrderClient.open(self.folders.data, producer="operator")
            except RingBusy:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.01)

    def wait_for_accounts(self, *accounts: int) -> None:
        """Until what the configuration defines, these accounts last, stands on the tape."""
        deadline = time.monotonic() + PATIENCE_S
        while not set(accounts) <= definitions.read(self.tape).accounts.keys():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def wait_until_configured(self) -> None:
        """Until all that its configuration defines stands on the tape: it is sent once the engine has recovered."""
        self.wait_for_accounts(*map(int, ACCOUNT.findall(self.config.read_text())))

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def order(client: OrderClient, side: m.Side, price: int, qty: int = 1, account: int = 1) -> int:
    return client.new_order(instrument=1, side=side, qty=qty, price=price, account=account)
