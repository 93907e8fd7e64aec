"""Fixtures `postgres`, `redis`, `kafka`, `jaeger`, `prometheus`: real servers, one of each for a whole test run.

Each is a `Running`: the one whose address stands in the environment (TAPEWIRE_TEST_POSTGRES, ..., as `make services`
prints them), else one that is started here, else the test is skipped and says why. Tests share it, so they keep apart
by database, key, topic. A test that kills its server, or sets it up otherwise, starts its own: `own(Postgres, folder)`.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from tools.services import Jaeger, Kafka, Postgres, Prometheus, Redis, Server, Unavailable

Kind = TypeVar("Kind", bound=Server)


@dataclass(frozen=True)
class Running:
    """`url` as the client takes it. `server` is None for one that was running before."""

    url: str
    server: Server | None


@functools.cache
def _empty_postgres() -> Path:
    """The folder of one that was started and stopped, to begin with: to make it takes longer than most tests."""
    folder = Path(tempfile.mkdtemp(prefix="tapewire-postgres-empty-"))
    atexit.register(shutil.rmtree, folder)
    with Postgres(folder):
        pass
    return folder


@contextmanager
def own(kind: type[Kind], folder: Path | None = None) -> Iterator[Kind]:
    """A started server of the test's own, which may kill, restart or stop it; skips where there can be none."""
    with tempfile.TemporaryDirectory(prefix=f"tapewire-{kind.name}-") as temporary:
        try:
            server = kind(folder or Path(temporary))
            if isinstance(server, Postgres) and folder is None:
                subprocess.run(["cp", "--archive", f"{_empty_postgres()}/.", temporary], check=True)
            with server:
                yield server
        except Unavailable as reason:
            pytest.skip(str(reason))


def _running(kind: type[Server]) -> Iterator[Running]:
    if url := os.environ.get(kind.variable):
        yield Running(url, None)
        return
    with own(kind) as server:
        yield Running(server.url, server)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Running]:
    yield from _running(Postgres)


@pytest.fixture(scope="session")
def redis() -> Iterator[Running]:
    yield from _running(Redis)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Running]:
    yield from _running(Kafka)


@pytest.fixture(scope="session")
def jaeger() -> Iterator[Running]:
    yield from _running(Jaeger)


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Running]:
    yield from _running(Prometheus)
