"""A venue beside the house market: a real bus, the simulated Binance and its connector as processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tapewire.nats_server import NatsServer
from tests.api.stack import Stack
from tests.engine_process import PATIENCE_S, ROOT

FEED = """
[nats]
url = "{nats}"
[feed.binance]
venue = "binance"
tickers = ["BTCUSDT"]
url = "{url}"
rest_url = "{rest}"
depth = 50
"""


class Venue:
    """`stack` and the venue, which does as `fault` says."""

    def __init__(self, stack: Stack, rest: str) -> None:
        self.stack, self._rest = stack, rest

    def fault(self, name: str, **query: int) -> None:
        asked = "&".join(f"{key}={value}" for key, value in query.items())
        request = urllib.request.Request(f"{self._rest}/_sim/{name}?{asked}", method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            assert answer.status == 200


@contextmanager
def running(folder: Path, rate: float = 40.0) -> Iterator[Venue]:
    """`rate`: arrivals a second at the venue."""
    with ExitStack() as ends:
        nats = ends.enter_context(NatsServer(folder / "nats", port=0))
        where = folder / "venues.json"
        simulator = ["services.simulator", "--venues", "binance", "--ports-file", str(where), "--rate", str(rate)]
        ends.enter_context(process(folder / "simulator.log", *simulator))
        deadline = time.monotonic() + PATIENCE_S
        while not where.exists():
            assert time.monotonic() < deadline, (folder / "simulator.log").read_text()
            time.sleep(0.02)
        at = json.loads(where.read_text())["binance"]
        stack = Stack(folder, more=FEED.format(nats=nats.url, url=at["url"], rest=at["rest_url"]))
        settings = stack.engine.config
        settings.write_text(settings.read_text().replace("bus = false", "bus = true"))
        ends.enter_context(stack)
        connector = ["services.connector", "binance", "--config", str(settings)]
        ends.enter_context(process(folder / "connector.log", *connector))
        yield Venue(stack, at["rest_url"])


@contextmanager
def process(log: Path, module: str, *arguments: str) -> Iterator[None]:
    with log.open("wb") as written:
        command = [sys.executable, "-m", module, *arguments]
        child = subprocess.Popen(command, cwd=ROOT, stderr=written, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.kill()
        child.wait()
