"""The same servers, and NATS, as containers of the images in compose.yaml: only where a Docker engine answers."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.services.kafka import API_VERSIONS
from tools.services.ports import free_port
from tools.services.server import HOST, READY_WITHIN_S, NotStarted, Unavailable, ask

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose.yaml"
ANSWERS_WITHIN_S = 10
DEFAULTED = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True)
class Recipe:
    """How one image is started: `{host}`, `{port}` and `{password}` are filled in everywhere."""

    inside: int  # the port it listens on in the container
    url: str
    ready: Callable[[int], bool]
    environment: dict[str, str]
    command: str = ""


def _http(path: str) -> Callable[[int], bool]:
    request = f"GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
    return lambda port: b" 200 " in ask(port, request, 15)[:15]


# PostgreSQL answers a request for TLS with one letter, whether it has any or not.
TLS_REQUEST = bytes.fromhex("0000000804d2162f")
RECIPES = {
    "nats": Recipe(4222, "nats://{host}:{port}", lambda port: ask(port, b"", 4) == b"INFO", {}, "-js"),
    "postgres": Recipe(
        5432,
        "postgresql://postgres:{password}@{host}:{port}/postgres",
        lambda port: len(ask(port, TLS_REQUEST, 1)) == 1,
        {"POSTGRES_PASSWORD": "{password}"},
    ),
    "redis": Recipe(6379, "redis://{host}:{port}/0", lambda port: ask(port, b"PING\r\n", 7) == b"+PONG\r\n", {}),
    "kafka": Recipe(
        9092,
        "{host}:{port}",
        lambda port: len(ask(port, API_VERSIONS, 10)) >= 10,
        {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://{host}:{port}",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        },
    ),
    "jaeger": Recipe(16686, "http://{host}:{port}", _http("/api/services"), {}),
    "prometheus": Recipe(9090, "http://{host}:{port}", _http("/-/ready"), {}),
}


def no_engine() -> str:
    """Why there is no Docker engine; empty if one answers."""
    docker = shutil.which("docker")
    if docker is None:
        return "no docker on this machine"
    try:
        done = subprocess.run(
            [docker, "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=ANSWERS_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the Docker engine does not answer within {ANSWERS_WITHIN_S} s"
    return "" if done.returncode == 0 else f"no Docker engine answers: {' '.join(done.stderr.split())[:120]}"


def image(service: str) -> str:
    """The one that compose.yaml names for it, its variables taken from the environment or by their defaults."""
    named: str = yaml.safe_load(COMPOSE.read_text())["services"][service]["image"]
    return DEFAULTED.sub(lambda found: os.environ.get(found[1]) or found[2], named)


class Container:
    """A context manager; `url` as the client takes it. Raises Unavailable if the image cannot be had or started."""

    def __init__(self, name: str) -> None:
        if reason := no_engine():
            raise Unavailable(reason)
        self.name, self.recipe, self.port = name, RECIPES[name], free_port()
        self._filled = {"host": HOST, "port": self.port, "password": secrets.token_hex(12)}
        self._container: Any = None

    @property
    def url(self) -> str:
        return self.recipe.url.format(**self._filled)

    @property
    def version(self) -> str:
        return f"container of {image(self.name)}"

    def start(self) -> Container:
        from docker.errors import DockerException
        from testcontainers.core.container import DockerContainer

        # The engine's client takes an address with the port; its types name only the port.
        container = DockerContainer(image(self.name)).with_bind_ports(self.recipe.inside, (HOST, self.port))  # type: ignore[arg-type]
        for key, value in self.recipe.environment.items():
            container.with_env(key, value.format(**self._filled))
        if self.recipe.command:
            container.with_command(self.recipe.command)
        try:
            self._container = container.start()
        except (DockerException, OSError) as error:
            raise Unavailable(f"no container of {image(self.name)}: {error}") from error
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.recipe.ready(self.port):
            if time.monotonic() > deadline:
                said = b"\n".join(self._container.get_logs()).decode(errors="replace")[-2000:]
                self.stop()
                raise NotStarted(f"{self.version} not ready in {READY_WITHIN_S:g} s. It said:\n{said}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        if self._container is not None:
            self._container.stop()
            self._container = None

    def __enter__(self) -> Container:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
