"""A market as `tapewire up` runs it, in either topology, and a seeded day of orders through FIX and the API."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tapewire import messages as m
from tapewire.errors import TapeError
from tapewire.fix.auth import write_secret
from tapewire.folders import Folders
from tapewire.tape import TapeReader
from tests.api.client import Answer, HttpClient, hmac_sign
from tests.engine_process import ACCOUNTS, INSTRUMENT, ROOT
from tests.fix.processes import SESSIONS, Client
from tests.fix.processes import order as fix_order
from tools.services.ports import free_port

PATIENCE_S = 60.0
SECRET = bytes(range(32))
PRODUCERS = (
    'producers = [{ name = "operator", role = "operator" }, { name = "traders" }, { name = "gateway" }, '
    '{ name = "api" }, { name = "api-operator", role = "operator" }]'
)
API_SOURCE = 4


class Market:
    """`with Market(folder, "split") as market:` all services run, and take orders. Account 1 by FIX, 2 by the API."""

    patience = PATIENCE_S

    def __init__(
        self,
        folder: Path,
        topology: str,
        *,
        durability: str = "disk",
        tree: Path = ROOT,
        more: str = "",
        producers: str = PRODUCERS,
    ) -> None:
        """`more`: further tables."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.topology, self.tree = folder, topology, tree
        self.data = folder / "data"
        self.fix_port, self.api_port = free_port(), free_port()
        write_secret(folder / "desk.secret", SECRET)
        self.config = folder / "tapewire.toml"
        self.config.write_text(
            f'env = "d{os.getpid()}"\ndata = "{self.data}"\nrings = "{folder}/rings"\n'
            f'[engine]\n{producers}\ndurability = "{durability}"\nsegment_bytes = 1048576\nring_bytes = 65536\n'
            f"[monitor]\nmetrics_port = 0\n"
            f"[api]\nport = {self.api_port}\nstream_port = {free_port()}\nbus = false\n"
            f'[[api.keys]]\nname = "desk"\nnumber = 1\nauth = "hmac"\nsecret_file = "{folder}/desk.secret"\n'
            f'scopes = ["read", "trade"]\naccounts = [2]\nrate = 100000\nburst = 100000\n'
            f"[gateway]\nport = {free_port()}\nbackend_port = {self.fix_port}\ndrain_timeout = 1.0\n{SESSIONS}"
            f"{INSTRUMENT}{ACCOUNTS}{more}"
        )
        self._clients: list[Client | HttpClient] = []

    def __enter__(self) -> Self:
        self._said = (self.folder / "up.log").open("wb")
        command = [sys.executable, "-m", "tapewire.cli", "up", "--topology", self.topology, "--json"]
        command += ["--config", str(self.config)]
        self.process = subprocess.Popen(command, cwd=self.tree, stdout=self._said, stderr=self._said)
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._said.close()

    def host(self, name: str) -> Path:
        """The data folder of a host."""
        return self.data / "hosts" / name if self.topology == "split" else self.data

    @property
    def tape(self) -> Path:
        return Folders(self.host("engine")).orders_tape(0)

    def fix(self) -> Client:
        token = Folders(self.host("gateway")).front_token
        self.wait_until(lambda: self.said("gateway", "gateway", '"listening"'), "the gateway listens")
        client = Client(self.fix_port, "FIX.4.4", "ALICE", self.folder / "store-ALICE", token)
        self._clients.append(client)
        client.wait_for("logon")
        return client

    def api(self) -> HttpClient:
        self.wait_until(lambda: self.said("api", "api", '"open"'), "the API is open")
        client = HttpClient(self.api_port, "desk", hmac_sign(SECRET))
        self._clients.append(client)
        return client

    def said(self, unit: str, host: str, text: str) -> int:
        log = self.data / "logs" / (f"{unit}@{host}.log" if self.topology == "split" else f"{unit}.log")
        return log.read_text().count(text) if log.exists() else 0

    def pid(self, service: str, host: str) -> int:
        """0: there is none now."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_text().split("\0")
                environment = path.with_name("environ").read_text().split("\0")
            except OSError:
                continue
            here = f"TAPEWIRE_DATA={self.host(host)}" in environment or self.topology == "fused"
            if f"services.{service}" in words and str(self.config) in words and here:
                return int(path.parent.name)
        return 0

    def kill(self, service: str, host: str) -> None:
        self.wait_until(lambda: self.pid(service, host), f"{service} at {host} runs")
        os.kill(self.pid(service, host), signal.SIGKILL)

    def records(self, host: str = "engine") -> list[m.Message]:
        with TapeReader(str(Folders(self.host(host)).orders_tape(0)), None, limit="written") as reader:
            return [m.decode(raw) for raw in reader]

    def orders(self) -> list[str]:
        """What clients called their orders, as they are on the tape."""
        return [one.client_text for one in self.records() if isinstance(one, m.NewOrder)]

    def wait_until(self, done: object, what: str) -> None:
        assert callable(done)
        deadline = time.monotonic() + self.patience
        while not done():
            assert time.monotonic() < deadline, f"{what}\n{self.logs()}"
            assert self.process.poll() is None, self.logs()
            time.sleep(0.05)

    def logs(self) -> str:
        paths = [self.folder / "up.log", *sorted((self.data / "logs").glob("*.log"))]
        return "\n".join(f"== {path.name}\n{path.read_text()[-1200:]}" for path in paths)

    def verify(self) -> None:
        """The tape replays to what it holds."""
        command = [sys.executable, "-m", "tapewire.cli", "verify", "orders.0", "--data", str(self.host("engine"))]
        done = subprocess.run(command, cwd=self.tree, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def api_order(name: str, side: str, price: str, qty: int) -> dict[str, object]:
    return {
        **{"cl_ord_id": name, "account": 2, "ticker": "ACME", "side": side, "type": "limit"},
        **{"price": price, "qty": str(qty), "time_in_force": "gtc"},
    }


def enter(client: HttpClient, body: dict[str, object]) -> Answer:
    """Until it is answered for good: the same ClOrdID again is answered what became of the first."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = client.call("POST", "/v1/orders", body)
            if answer.status in (200, 201):
                return answer
        except (OSError, http.client.HTTPException):
            client.close()
        assert time.monotonic() < deadline, "no answer"
        time.sleep(0.1)


def run_day(market: Market, seed: int, steps: int) -> None:
    """One command after the other, each once the one before is on the tape with all its events."""
    draw = random.Random(seed)
    fix, api = market.fix(), market.api()
    with TapeReader(str(market.tape), None) as reader:
        taken = 0
        for number in range(steps):
            side, price, qty = draw.choice("12"), f"10.{draw.randrange(5):02}", draw.randrange(1, 9)
            name = f"day-{number}"
            if draw.random() < 0.5:
                fix.send(fix_order(name, side, price, qty))
            elif draw.random() < 0.2 and number:
                fix.send(f"35=F|11={name}|41=day-{draw.randrange(number)}|55=ACME|54={side}|60=20261121-12:00:00.000|")
                continue  # the gateway may answer it by itself
            else:
                enter(api, api_order(name, "buy" if side == "1" else "sell", price, qty))
            taken += 1
            deadline = time.monotonic() + PATIENCE_S
            while taken:
                taken -= sum(isinstance(m.decode(raw), m.NewOrder) for raw in reader.poll(256))
                reader.wait(0.05)
                assert time.monotonic() < deadline, market.logs()


def comparable(records: list[m.Message]) -> list[m.Message]:
    """Records without what the clock and the process gave: times; the API numbers its commands by its clock, too."""
    numbers = sorted({one.cl_ord_id for one in records if isinstance(one, m.NewOrder) and one.source == API_SOURCE})
    rank = {number: place for place, number in enumerate(numbers, start=1)}
    found = []
    for one in records:
        same = one.replace(ts=0, ts_event=0, ts_recv=0)
        if isinstance(same, m.EpochStarted):
            same = same.replace(pid=0)
        number = getattr(same, "cl_ord_id", 0)
        found.append(same.replace(cl_ord_id=rank[number]) if number in rank else same)
    return found


def same_day(one: Market, other: Market) -> None:
    """Both tapes hold the same, record by record."""
    here, there = comparable(one.records()), comparable(other.records())
    for first, second in zip(here, there, strict=False):
        assert first == second, f"{first}\n{second}"
    assert len(here) == len(there)


def events(market: Market) -> list[dict[str, str]]:
    lines = (market.folder / "up.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


__all__ = ["Market", "TapeError", "api_order", "enter", "events", "fix_order", "run_day", "same_day"]
