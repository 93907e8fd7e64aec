"""A gateway and its clients as processes, for the tests that trade through it and end it."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tapewire import messages as m
from tapewire.fix.message import fields_of
from tapewire.tape import TapeReader
from tests.engine_process import ACCOUNTS, INSTRUMENT, PATIENCE_S, ROOT, EngineProcess
from tools.services.ports import free_port

PRODUCERS = 'producers = [{ name = "operator", role = "operator" }, { name = "traders" }, { name = "gateway" }]'
SESSIONS = """
[[gateway.sessions]]
name = "alice"
number = 1
comp_id = "ALICE"
username = "alice"
auth = "ed25519"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
accounts = [1]
[[gateway.sessions]]
name = "bob"
number = 2
comp_id = "BOB"
username = "bob"
auth = "ed25519"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
accounts = [2]
"""
Fields = dict[int, str]


class Exchange:
    """An engine and a gateway over one data folder."""

    def __init__(
        self,
        folder: Path,
        *,
        sessions: str = SESSIONS,
        more: str = INSTRUMENT + ACCOUNTS,
        gateway: str = "",
        durability: str = "memory",
        segment_bytes: int = 1 << 20,
    ) -> None:
        """`gateway`: more lines for the section of that name."""
        self.folder, self.port = folder, free_port()
        gateway = f"[gateway]\nbackend_port = {self.port}\ndrain_timeout = 1.0\n{gateway}\n{sessions}\n"
        engine = f'{PRODUCERS}\ndurability = "{durability}"'
        self.engine = EngineProcess(folder, engine=engine, more=more + gateway, segment_bytes=segment_bytes)
        self.log = folder / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._clients: list[Client] = []
        self._starts = 0

    @property
    def token(self) -> Path:
        """What the front shows to the session layer: these clients come without one."""
        return self.engine.folders.front_token

    def start(self) -> None:
        self.engine.start()
        self.engine.wait_until_configured()
        self.start_gateway()

    def start_gateway(self) -> None:
        """Starts it and waits until it listens."""
        self._starts += 1
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "services.gateway", "--config", str(self.engine.config)]
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while self.log.read_bytes().count(b'"listening"') < self._starts:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def end_gateway(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def says(self, event: str) -> bool:
        """Whether a gateway has said so."""
        return f'"{event}"' in self.log.read_text()

    def order_ids(self, match_id: int) -> tuple[int, int]:
        """Maker's and taker's order of a match, from the tape."""
        for raw in TapeReader(str(self.engine.tape), limit="written"):
            record = m.decode(raw)
            if isinstance(record, m.OrderExecuted) and record.match_id == match_id:
                return record.maker_order_id, record.taker_order_id
        raise AssertionError(f"no match {match_id} on the tape")

    def wait_for_record(self, kind: str) -> None:
        """Until the orders tape has a record of that type."""
        reader = TapeReader(str(self.engine.tape))
        deadline = time.monotonic() + PATIENCE_S
        while not reader.poll_type(m.MessageType[kind]):
            assert time.monotonic() < deadline, f"no {kind} on the tape"
            reader.wait(0.1)

    def client(self, comp_id: str, version: str = "FIX.4.4", *logon: str) -> Client:
        client = Client(self.port, version, comp_id, self.folder / f"store-{comp_id}", self.token, *logon)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.engine.close()


class Client:
    """The other end of `tests/fix/quickfix_client.py`."""

    def __init__(self, port: int, version: str, comp_id: str, store: Path, token: Path, *logon: str) -> None:
        command = [sys.executable, "-m", "tests.fix.quickfix_client", str(port), version, comp_id]
        command += [str(store), str(token), *logon]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events: list[list[str]] = []
        self.messages: list[Fields] = []
        """Every application message that came."""
        self.admin: list[Fields] = []
        self._queue: queue.Queue[list[str]] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(json.loads(line))

    def send(self, body: str) -> None:
        """`35=D|11=a|…|`"""
        assert self.process.stdin is not None
        self.process.stdin.write(body + "\n")
        self.process.stdin.flush()

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Takes one event in; False if there was none."""
        try:
            event = self._queue.get(timeout=timeout_s) if timeout_s else self._queue.get_nowait()
        except queue.Empty:
            return False
        self.events.append(event)
        if event[0] in ("app", "admin"):
            fields = fields_of(event[1].encode("utf-8", "surrogateescape")).fields
            (self.messages if event[0] == "app" else self.admin).append(fields)
        return True

    def wait_for(self, event: str, count: int = 1) -> None:
        """Until so many events of that name have come."""
        deadline = time.monotonic() + PATIENCE_S
        while sum(one[0] == event for one in self.events) < count:
            assert self.poll(0.1) or time.monotonic() < deadline, f"no {event}: {self.events[-5:]}"

    def next(self, **wanted: str) -> Fields:
        """The next application message, which must have these fields (`t35="8"`)."""
        seen = len(self.messages)
        deadline = time.monotonic() + PATIENCE_S
        while len(self.messages) == seen:
            assert self.poll(0.1) or time.monotonic() < deadline, f"nothing came: {self.events[-5:]}"
        message = self.messages[-1]
        assert {key: message.get(int(key[1:])) for key in wanted} == wanted, message
        return message

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self._thread.join()
        self.process.stdin.close()
        self.process.stdout.close()


def order(name: str, side: str, price: str, qty: int = 10, more: str = "") -> str:
    """A NewOrderSingle in ACME."""
    return f"35=D|11={name}|55=ACME|54={side}|60=20261121-12:00:00.000|38={qty}|40=2|44={price}|59=1|{more}"


def skip_reason() -> str:
    """Why there can be no session layer here; empty if there is one."""
    import importlib.util

    return "" if importlib.util.find_spec("quickfix") else "quickfix is not installed (no wheel for this Python)"
