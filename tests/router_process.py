"""The house market and a router that trades on it, as processes: engine, republisher, bus, router."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tapewire import messages as m
from tapewire.router_client import RouterClient
from tapewire.tape import TapeReader, TapeWriter
from tests.engine_process import ACCOUNTS, PATIENCE_S, ROOT, EngineProcess

DAY_NS = 86_400 * 10**9
CONFIG = """
[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"

[[venues]]
name = "house"
number = 1
kind = "house"
[[venues.markets]]
ticker = "ACME"
symbol = "ACME"

[router]
durability = "memory"
book_interval = 0.01
profile_days = 2
[[router.feeds]]
venue = "house"
feed = "house"
"""
PRODUCERS = 'producers = [{ name = "operator", role = "operator" }, { name = "traders" }, { name = "router" }]\n'


class RouterProcess:
    """`python -m services.router` on the house market, and all that it needs."""

    def __init__(self, folder: Path, nats_url: str, more: str = "") -> None:
        bus = f'[nats]\nurl = "{nats_url}"\n[publisher]\nhealth_interval = 0.5\n'
        self.engine = EngineProcess(folder, engine=PRODUCERS, more=CONFIG + ACCOUNTS + bus + more)
        self.folders = self.engine.folders
        self.log = folder / "router.log"
        self._journal: subprocess.Popen[bytes] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def tape(self) -> Path:
        return self.folders.router_tape(0)

    def record_yesterday(self) -> None:
        """Trades of the day before, as the flusher would have recorded them: what VWAP is scheduled by."""
        self.folders.prepare(self.engine.folder / "rings")
        yesterday = time.time_ns() // DAY_NS * DAY_NS - DAY_NS
        with TapeWriter(str(self.folders.md_tape("house")), "md.house", durability="memory") as tape:
            for seq in range(1, 24 * 12 + 1):
                ts = yesterday + (seq - 1) * (DAY_NS // (24 * 12))
                trade = m.Trade(
                    seq=seq, ts=ts, ts_event=ts, instrument=1, ticker="ACME", trade_id=seq, price=1000, qty=10,
                    price_exponent=-2, qty_exponent=0, quality=m.BookQuality.live,
                )  # fmt: skip
                tape.append(bytes(trade))
            tape.commit()

    def start(self) -> None:
        """The whole market, and then the router."""
        self.engine.start()
        self.engine.client().close()
        command = [sys.executable, "-m", "services.journal", "--config", str(self.engine.config)]
        self._journal = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        self.start_router()

    def start_router(self) -> None:
        """Starts the router and waits until it works."""
        self.launch()
        self.until(lambda: self.log.read_text().count('"working"') >= self.starts)

    def launch(self) -> None:
        """Starts the router."""
        self.starts += 1
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "services.router", "--config", str(self.engine.config)]
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def until(self, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while not holds():
            assert self.process is None or self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def client(self, name: str = "traders") -> RouterClient:
        return RouterClient.open(self.folders.data, client=name)

    def records(self) -> list[m.Message]:
        with TapeReader(str(self.tape)) as reader:
            return list(map(m.decode, reader))

    def close(self) -> None:
        for process in (self.process, self._journal):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self.engine.close()
