"""Engine, republisher, bus, router and API as processes: parent orders as a client of the API meets them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tapewire import messages as m
from tests.api.stack import Stack, order
from tests.engine_process import PATIENCE_S, ROOT

PRODUCERS = (
    'producers = [{ name = "operator", role = "operator" }, { name = "traders" }, { name = "api" }, '
    '{ name = "api-operator", role = "operator" }, { name = "router" }]'
)
TABLES = """
[nats]
url = "{url}"
[publisher]
health_interval = 0.5
[[venues]]
name = "house"
number = 1
kind = "house"
[[venues.markets]]
ticker = "BTCUSDT"
symbol = "BTCUSDT"
[router]
durability = "memory"
book_interval = 0.01
clients = [{{ name = "operator", role = "operator" }}, {{ name = "traders" }}, {{ name = "api" }}]
[[router.feeds]]
venue = "house"
feed = "house"
"""


class RouterStack(Stack):
    """A Stack with a router, which trades on the house market. `with RouterStack(...) as stack:` all of it works."""

    def __init__(self, folder: Path, nats_url: str, **more: Any) -> None:
        super().__init__(folder, producers=PRODUCERS, more=TABLES.format(url=nats_url), **more)
        self.router_log = folder / "router.log"
        self._journal: subprocess.Popen[bytes] | None = None
        self.router: subprocess.Popen[bytes] | None = None
        self._routers = 0

    def __enter__(self) -> RouterStack:
        super().__enter__()
        try:
            self._journal = self._begin("journal", subprocess.DEVNULL)
            self.start_router()
        except BaseException:
            self.close()
            raise
        return self

    def _begin(self, service: str, log: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"services.{service}", "--config", str(self.engine.config)]
        return subprocess.Popen(command, cwd=ROOT, stderr=log)

    def start_router(self) -> None:
        """Starts the router and waits until it works."""
        self._routers += 1
        with self.router_log.open("ab") as log:
            self.router = self._begin("router", log)
        deadline = time.monotonic() + PATIENCE_S
        while self.router_log.read_text().count('"working"') < self._routers:
            assert self.router.poll() is None, self.router_log.read_text()
            assert time.monotonic() < deadline, self.router_log.read_text()
            time.sleep(0.01)

    def stop_router(self, number: int = signal.SIGTERM) -> None:
        """Ends it."""
        assert self.router is not None
        self.router.send_signal(number)
        self.router.wait(PATIENCE_S)

    def quote(self) -> None:
        """Depth of three levels a side around 64000, of account 2; waits until the router knows it."""
        maker = self.client("boss")
        for step in range(1, 4):
            for side, price in (("sell", 64_000 + step), ("buy", 64_000 - step)):
                body = order(f"q-{side}-{step}", account=2, side=side, price=f"{price}.00", qty="1.00000")
                assert maker.call("POST", "/v1/orders", body).status == 201
        deadline = time.monotonic() + PATIENCE_S
        while not any(isinstance(r, m.BookSnapshot) and len(r.levels) == 6 for r in self.router_records()):
            assert time.monotonic() < deadline, self.router_log.read_text()
            time.sleep(0.01)

    def router_records(self) -> list[m.Message]:
        """All of the router's tape."""
        return self._records(self.engine.folders.router_tape(0))

    def close(self) -> None:
        for process in (self.router, self._journal):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        super().close()
