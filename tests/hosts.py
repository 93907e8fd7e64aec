"""Hosts on one machine: a data folder and a folder of rings each, services as processes, joined by a real nats-server.

`share` puts an engine's tape onto another host by a link: what a mirror gives, without its delay.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.errors import RingError, TapeError
from tapewire.folders import Folders
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader
from tests.engine_process import ACCOUNTS, INSTRUMENT, PATIENCE_S, ROOT
from tools.services.ports import free_port


def until(done: Callable[[], object], what: str | Callable[[], str], patience: float = PATIENCE_S) -> None:
    """`what` is told if it does not come about: a text, or what makes one by then."""
    deadline = time.monotonic() + patience
    while not done():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


class Hosts:
    """`with Hosts(tmp_path) as hosts:` a bus runs; then `start` what is to run where."""

    def __init__(self, folder: Path, *, engine: str = "", more: str = INSTRUMENT + ACCOUNTS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.env = f"h{os.getpid()}"
        self.nats = NatsServer(folder / "nats", port=free_port(), strict_port=True)
        self.config = folder / "tapewire.toml"
        self.config.write_text(
            f'env = "{self.env}"\n[nats]\nurl = "{self.nats.url}"\n[monitor]\nmetrics_port = 0\n'
            f"[engine]\nring_bytes = 65536\nsegment_bytes = 1048576\n{engine}\n{more}"
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.nats.start()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.end(name, signal.SIGKILL)
        self.nats.stop()

    def data(self, host: str) -> Path:
        return self.folder / host / "data"

    def rings(self, host: str) -> Path:
        return self.folder / host / "rings"

    def folders(self, host: str) -> Folders:
        return Folders(self.data(host))

    def start(self, service: str, host: str, *arguments: str, tree: Path = ROOT, settings: dict[str, str]) -> None:
        """`settings`: {"RELAY__OUT": "traders"} and such; `tree`: where the program is taken from."""
        name = f"{service}@{host}"
        self.folder.joinpath(host).mkdir(exist_ok=True)
        own = {"TAPEWIRE_DATA": str(self.data(host)), "TAPEWIRE_RINGS": str(self.rings(host))}
        own |= {f"TAPEWIRE_{key}": value for key, value in settings.items()}
        with self.log(name).open("ab") as log:
            command = [sys.executable, "-m", f"services.{service}", "--config", str(self.config), *arguments]
            environment = {**os.environ, **own}
            self.processes[name] = subprocess.Popen(command, cwd=tree, stderr=log, stdout=log, env=environment)

    def end(self, name: str, number: int = signal.SIGTERM) -> int:
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(PATIENCE_S)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self, name: str, text: str) -> int:
        return self.log(name).read_text().count(text) if self.log(name).exists() else 0

    def share(self, tape: str, host: str, of: str = "engine") -> None:
        """The tape of one host is seen on another."""
        self.folders(host).tapes.mkdir(parents=True, exist_ok=True)
        self.folders(host).tape(tape).symlink_to(self.folders(of).tape(tape))

    def lose_memory(self, host: str) -> None:
        """As a reboot does."""
        shutil.rmtree(self.rings(host))

    def client(self, host: str, producer: str = "traders") -> OrderClient:
        """Of that host's ring and tape, once what there is to trade stands there."""
        found: list[OrderClient] = []

        def opened() -> bool:
            try:
                found.append(OrderClient.open(self.data(host), producer=producer))
            except (RingError, TapeError):
                return False
            return True

        until(opened, self.logs)
        # Rings are there before what the settings define is on the tape; the instrument comes last.
        until(found[0].instruments, self.logs)
        return found[0]

    def logs(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))

    def records(self, host: str = "engine", tape: str = "orders.0") -> list[m.Message]:
        with TapeReader(str(self.folders(host).tape(tape)), None, limit="written") as reader:
            return [m.decode(raw) for raw in reader]

    def orders(self, source: int, host: str = "engine") -> list[int]:
        """ClOrdIDs of a producer's orders, in the order in which the engine took them."""
        return [one.cl_ord_id for one in self.records(host) if isinstance(one, m.NewOrder) and one.source == source]
