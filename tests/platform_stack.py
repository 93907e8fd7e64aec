"""Every service of one host as a process, TLS everywhere, each with a key of its own on the bus.

with Platform(tmp_path) as platform:      all are started, in the order that `tapewire up` has
    platform.ready("engine", "api", …)    until they say so
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from click.testing import CliRunner

from tapewire import health
from tapewire.cli import cli
from tapewire.config import Config, load
from tapewire.fix.auth import hash_password, write_secret
from tapewire.fix.client import FixClient, Login
from tapewire.nats_server import NatsServer
from tapewire.up.plan import plan
from tests.api.client import HttpClient, hmac_sign
from tests.engine_process import ROOT
from tests.fix.certificates import self_signed
from tools.services.ports import free_port

PATIENCE_S = 60.0
SETTINGS = """
env = "{env}"
data = "{folder}/data"
rings = "{folder}/rings"

[nats]
url = "tls://localhost:{nats}"
keys = "{folder}/bus/keys"
ca = "{folder}/cert.pem"
certificate = "{folder}/cert.pem"
private_key = "{folder}/key.pem"

[engine]
durability = "memory"
segment_bytes = 1048576
ring_bytes = 65536
producers = [{{ name = "operator", role = "operator" }}, {{ name = "traders" }}, {{ name = "gateway" }},
  {{ name = "api" }}, {{ name = "api-operator", role = "operator" }}, {{ name = "router" }}]

[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"
[[account]]
account = 1
[[account]]
account = 2

[flusher]
segment_bytes = 1048576
[feed.binance]
venue = "binance"
tickers = {tickers}
url = "{url}"
rest_url = "{rest_url}"
ring_bytes = 1048576

[gateway]
host = "127.0.0.1"
port = {fix}
backend_port = {backend}
certificate = "{folder}/cert.pem"
private_key = "{folder}/key.pem"
refusal_delay = 0.05
[[gateway.sessions]]
name = "signer"
number = 1
comp_id = "SIGNER"
username = "signer"
auth = "hmac"
secret_file = "{folder}/fix.secret"
accounts = [1]
[[gateway.sessions]]
name = "speaker"
number = 2
comp_id = "SPEAKER"
username = "speaker"
auth = "password"
password_hash = "{fix_hash}"
accounts = [2]

[api]
port = {api}
certificate = "{folder}/cert.pem"
private_key = "{folder}/key.pem"
bus_door = true
trace_sampling = 1.0
[[api.keys]]
name = "desk"
number = 1
auth = "hmac"
secret_file = "{folder}/api.secret"
scopes = ["read", "trade"]
accounts = [1]
[[api.users]]
name = "ann"
number = 2
password_hash = "{api_hash}"
scopes = ["read", "trade", "risk", "admin"]
accounts = [1, 2]

[[venues]]
name = "away"
number = 2
dialect = "coinbase"
port = {venue}
tls = false
username = "{venue_key}"
secret_file = "{folder}/venue.secret"
passphrase_file = "{folder}/venue.passphrase"
reconnect = 1
[[venues.markets]]
ticker = "ACME"
symbol = "ACME"
[router]
durability = "memory"
[[router.accounts]]
account = 1
[[router.instruments]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"
[[router.feeds]]
venue = "away"
feed = "binance"

[monitor]
metrics_port = {metrics}
otlp_url = "{otlp}"
sample = 1.0
nice = 0
[health]
stalled_after = 5.0
{more}
"""


class Platform:
    def __init__(self, folder: Path, *, otlp: str = "", more: str = "") -> None:
        """`otlp`: where traces go. `more`: further tables."""
        self.folder, self.env = folder, f"t{os.getpid()}"
        self.certificate, _ = self_signed(folder, "localhost")
        self.planted: dict[str, str] = {}
        """Every secret there is, by what it is."""
        self.ports = {name: free_port() for name in ("nats", "fix", "backend", "api", "venue", "metrics")}
        self._keys()
        self.nats = NatsServer(folder / "nats", port=self.ports["nats"], strict_port=True, config=self._nats_settings())
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._otlp, self._more = otlp, more
        self._venue = _Venue(self.ports["venue"])
        self.config = folder / "tapewire.toml"

    def _plant(self, what: str) -> str:
        self.planted[what] = made = secrets.token_urlsafe(24)
        return made

    def _keys(self) -> None:
        made = CliRunner().invoke(
            cli, ["bus", "keys", str(self.folder / "bus"), "--env", self.env, "--feed", "binance", "--account", "1"]
        )
        assert made.exit_code == 0, made.output
        for path in (self.folder / "bus" / "keys").glob("*.nk"):
            self.planted[f"seed of {path.stem}"] = path.read_text().strip()
        self.planted["TLS key"] = (self.folder / "key.pem").read_text().splitlines()[1]
        self.api_secret, self.fix_secret = secrets.token_bytes(32), secrets.token_bytes(32)
        for name, secret in (("api", self.api_secret), ("fix", self.fix_secret)):
            write_secret(self.folder / f"{name}.secret", secret)
            self.planted[f"{name} secret"] = base64.b64encode(secret).decode()
        self.planted["venue secret"] = base64.b64encode(secrets.token_bytes(32)).decode()
        for name, text in (("secret", self.planted["venue secret"]), ("passphrase", self._plant("venue passphrase"))):
            path = self.folder / f"venue.{name}"
            path.write_text(text)
            path.chmod(0o600)
        self.api_password, self.fix_password = self._plant("API password"), self._plant("FIX password")
        self.hashes = {"api_hash": hash_password(self.api_password), "fix_hash": hash_password(self.fix_password)}
        self.planted |= {name: text.rpartition("$")[2] for name, text in self.hashes.items()}

    def _nats_settings(self) -> Path:
        """The shipped ones, which ask each client for a certificate besides its key."""
        text = (ROOT / "deploy" / "nats" / "nats-server.conf").read_text()
        values = {"CERT": self.certificate, "KEY": self.folder / "key.pem", "STORE": self.folder / "store"}
        for name, value in values.items():
            text = text.replace(f"$TAPEWIRE_NATS_{name}", f'"{value}"')
        text = text.replace("tls {", f'tls {{\n  ca_file: "{self.certificate}"\n  verify: true')
        path = self.folder / "bus" / "nats-server.conf"
        path.write_text(text)
        return path

    def __enter__(self) -> Self:
        try:
            self.nats.start()
            venue = self._simulator()
            self.config.write_text(
                SETTINGS.format(
                    folder=self.folder,
                    env=self.env,
                    tickers=json.dumps(venue["tickers"]),
                    url=venue["url"],
                    rest_url=venue["rest_url"],
                    venue_key="away-key",
                    otlp=self._otlp,
                    more=self._more,
                    **self.ports,
                    **self.hashes,
                )
            )
            self.config.chmod(0o600)
            self.settings: Config = load(self.config)
            for unit in plan(self.settings, self.config):
                if unit.name.startswith("venue"):  # without it a session ends, for its supervisor to start it again
                    router = self.settings.folders.router_tape(self.settings.router.number)
                    until(router.exists, lambda: self.log("router"))
                self.start(unit.name, *unit.arguments)
                if unit.name == "engine":
                    self.ready("engine")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _simulator(self) -> dict[str, object]:
        ports = self.folder / "ports.json"
        self.start("simulator", "services.simulator", "--venues", "binance", "--ports-file", str(ports))
        until(ports.exists, lambda: self.log("simulator"))
        found: dict[str, dict[str, object]] = json.loads(ports.read_text())
        return found["binance"]

    def start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", *arguments]
            self.processes[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def again(self, name: str) -> None:
        """Starts a service that was ended."""
        unit = next(one for one in plan(self.settings, self.config) if one.name == name)
        self.start(unit.name, *unit.arguments)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        self.processes[name].send_signal(number)
        self.processes[name].wait(PATIENCE_S)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def ask(self, service: str, what: str = "/ready") -> health.Answer:
        return health.ask_socket(self.settings.folders.health / service, what)

    def ready(self, *services: str) -> None:
        for service in services:
            until(lambda one=service: self.ask(one).ok, lambda one=service: f"{self.ask(one)}: {self._end(one)}")  # type: ignore[misc]

    def becomes(self, service: str, why: str) -> health.Answer:
        """Until it is not ready, with a reason that has `why` in it."""
        until(lambda: any(why in one for one in self.ask(service).reasons), lambda: str(self.ask(service)))
        return self.ask(service)

    def _end(self, service: str) -> str:
        return "".join(path.read_text()[-600:] for path in self.folder.glob(f"{service.split('-')[0]}*.log"))

    def http(self, *, key: str = "desk", secret: bytes | None = None) -> HttpClient:
        """A client of the API over TLS."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        sign = hmac_sign(secret or self.api_secret) if key else None
        return HttpClient(self.ports["api"], key, sign, tls=context)

    def fix(self, name: str = "SIGNER", secret: bytes | None = None) -> FixClient:
        context = ssl.create_default_context(cafile=str(self.certificate))
        how = "hmac" if name == "SIGNER" else "password"
        own = self.fix_secret if how == "hmac" else self.fix_password.encode()
        login = Login(name, "TAPEWIRE", name.lower(), how, secret or own)  # type: ignore[arg-type]
        return FixClient("localhost", self.ports["fix"], login, tls=context)

    def close(self) -> None:
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.kill()
                process.wait()
        self.nats.stop()
        self._venue.close()


class _Venue:
    """Takes every connection, reads a Logon, and closes: a venue that refuses us."""

    def __init__(self, port: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", port))
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return  # closed
            with client:
                client.settimeout(2.0)
                try:
                    self.heard.append(client.recv(4096))
                except OSError:
                    continue  # it said nothing

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(PATIENCE_S)


def until(done: Callable[[], object], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)
