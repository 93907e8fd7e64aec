"""Engine and API as processes, as a client meets them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tapewire import messages as m
from tapewire.fix.auth import hash_password, write_secret
from tapewire.tape import TapeReader
from tests.api.client import HttpClient, hmac_sign
from tests.engine_process import PATIENCE_S, ROOT, EngineProcess
from tools.services.ports import free_port

SECRETS = {"desk": bytes(range(32)), "other": bytes(range(1, 33)), "watcher": bytes(range(2, 34)), "boss": bytes(32)}
PASSWORD = "correct horse battery staple"
PRODUCERS = (
    'producers = [{ name = "operator", role = "operator" }, { name = "traders" }, { name = "api" }, '
    '{ name = "api-operator", role = "operator" }]'
)
INSTRUMENTS = """
[[instrument]]
ticker = "BTCUSDT"
tick_size = "0.01"
lot_size = "0.00001"
reference_price = "64000.00"
collar_bps = 500
[[instrument]]
ticker = "BRK.B"
tick_size = "0.01"
lot_size = "1"
"""
ACCOUNTS = "[[account]]\naccount = 1\n[[account]]\naccount = 2\n"
KEY = """
[[api.keys]]
name = "{name}"
number = {number}
auth = "hmac"
secret_file = "{folder}/{name}.secret"
scopes = {scopes}
accounts = {accounts}
rate = {rate}
burst = {burst}
"""
KEYS = {
    "desk": (1, ["read", "trade"], [1]),
    "other": (2, ["read", "trade"], [2]),
    "watcher": (3, ["read"], [1]),
    "boss": (4, ["read", "trade", "risk", "admin"], [1, 2]),
}
ANSWERED_S = 20.0
"""A test that wants to see 202 says its own `answer_timeout`."""


class Stack:
    """Keys desk (account 1), other (2), watcher (reads 1) and boss (everything); user `ann` with PASSWORD."""

    def __init__(
        self,
        folder: Path,
        *,
        api: str = "",
        durability: str = "memory",
        rate: float = 100_000,
        burst: int = 100_000,
        more: str = "",
        producers: str = PRODUCERS,
        engine: str = "",
        segment_bytes: int = 1 << 20,
    ) -> None:
        """`api`, `engine`: more settings of these sections; `more`: more tables."""
        self.folder, self.port = folder, free_port()
        if "answer_timeout" not in api:
            api += f"\nanswer_timeout = {ANSWERED_S}"
        if "stream_port" not in api:  # else the next one, which may be somebody else's
            api += f"\nstream_port = {free_port()}"
        tables = f"[api]\nport = {self.port}\nbus = false\nreceive_window = 10.0\n{api}\n"
        for name, (number, scopes, accounts) in KEYS.items():
            write_secret(folder / f"{name}.secret", SECRETS[name])
            tables += KEY.format(
                name=name, number=number, folder=folder, scopes=scopes, accounts=accounts, rate=rate, burst=burst
            )
        tables += (
            f'[[api.users]]\nname = "ann"\nnumber = 50\npassword_hash = "{hash_password(PASSWORD)}"\n'
            f'scopes = ["read", "trade", "risk", "admin"]\naccounts = [1, 2]\nrate = {rate}\nburst = {burst}\n'
        )
        self.engine = EngineProcess(
            folder,
            engine=f'{producers}\ndurability = "{durability}"\n{engine}',
            more=INSTRUMENTS + ACCOUNTS + tables + more,
            segment_bytes=segment_bytes,
        )
        self.log = folder / "api.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._clients: list[HttpClient] = []
        self._starts = 0

    def __enter__(self) -> Stack:
        try:
            self.engine.start()
            self.engine.wait_until_configured()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *, ready: bool = True, early: bool = False) -> None:
        """Starts the API, and waits until it takes requests, or (not `ready`) only listens, or (`early`) answers from
        its cache."""
        self._starts += 1
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "services.api", "--config", str(self.engine.config)]
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)
        if early:
            self._await("starting")
            return
        self._await("listening")
        if ready:
            self._await("open")

    def until_open(self) -> None:
        """After an early start."""
        self._await("open")

    def _await(self, event: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.log.read_text().count(f'"event":"{event}"') < self._starts:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        """As the kernel would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As for maintenance; returns the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def client(self, key: str = "desk") -> HttpClient:
        """One with a key, which has the secret of `desk` if it is not one of KEYS; empty: with none."""
        made = HttpClient(self.port, key, hmac_sign(SECRETS.get(key, SECRETS["desk"])) if key else None)
        self._clients.append(made)
        return made

    def own_records(self) -> list[m.Message]:
        """All of the API's tape."""
        return self._records(self.engine.folders.api_tape(0))

    def orders_records(self) -> list[m.Message]:
        """All of the orders tape."""
        return self._records(self.engine.tape)

    def _records(self, tape: Path) -> list[m.Message]:
        with TapeReader(str(tape), None, limit="written") as reader:
            return [m.decode(raw) for raw in reader]

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.engine.close()


def order(cl_ord_id: str, **changes: object) -> dict[str, object]:
    """A body for POST /v1/orders: a buy order that rests."""
    body: dict[str, object] = {"cl_ord_id": cl_ord_id, "account": 1, "ticker": "BTCUSDT", "side": "buy"}
    body |= {"type": "limit", "price": "63000.00", "qty": "0.01000", "time_in_force": "gtc"}
    return {name: value for name, value in (body | changes).items() if value is not None}
