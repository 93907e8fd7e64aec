"""The process of a container on this machine: its command, its environment, and its mounts as folders below one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tapewire.nats_server import find_binary
from tests.deploy.needs import settings_text
from tests.deploy.rendering import Container, Document, command_of, environment_of, files_of

NOBODY: Final = "tls://127.0.0.1:1"
OURS: Final = {"tapewire": [sys.executable, "-m", "tapewire.cli"], "python": [sys.executable]}
WITHIN_S: Final = 20.0
_MOUNTED: Final = re.compile(
    r"(?<![\w.])/(?=(?:etc/(?:tapewire|bus|nats|nats-tls|gateway-tls|api-tls)|run|data|dev/shm)\b)"
)


def below(folder: Path, text: str) -> str:
    """`text` with every path that a pod mounts moved below `folder`."""
    return _MOUNTED.sub(f"{folder}/", text)


def put(folder: Path, path: Path, text: str) -> None:
    """A file of the pod as only its user can read it."""
    place = Path(below(folder, str(path)))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch(mode=0o600)
    place.write_text(text)


def _run(command: Iterable[str | Path], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def run(container: Container, documents: list[Document], folder: Path) -> subprocess.CompletedProcess[str]:
    """One of ours, to its end. No bus answers, nobody asks for its health. Raises TimeoutExpired: it goes on."""
    put(folder, Path("/etc/tapewire/tapewire.toml"), below(folder, settings_text(container, documents)))
    environment = {name: below(folder, value) for name, value in environment_of(container, documents).items()}
    environment |= {"TAPEWIRE_NATS__URL": NOBODY, "TAPEWIRE_HEALTH__PORT": "0", "PATH": os.environ["PATH"]}
    first, *others = command_of(container, documents)
    return _run([*OURS[first], *others], environment)


def run_nats(container: Container, documents: list[Document], folder: Path) -> subprocess.CompletedProcess[str]:
    """A server of the bus, until it has read its settings."""
    for name, text in {**files_of("nats-server", documents), **files_of("nats-cluster", documents)}.items():
        put(folder, Path("/etc/nats") / name, below(folder, text))
    environment = {name: below(folder, value) for name, value in environment_of(container, documents).items()}
    arguments = [below(folder, one) for one in container.spec["args"]]
    return _run([find_binary(), *arguments, "-t"], environment)


def copy_keys(container: Container, documents: list[Document], folder: Path) -> subprocess.CompletedProcess[str]:
    """What the init container `keys` does."""
    return _run([below(folder, one) for one in command_of(container, documents)], dict(os.environ))
