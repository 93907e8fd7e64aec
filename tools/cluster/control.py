"""A control plane of this machine's own: etcd, API server, controllers, scheduler, and kubelets that are played."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tools.authority import Authority
from tools.cluster.client import Client
from tools.cluster.parts import (
    ADMINISTRATOR,
    BINARY,
    ApiServer,
    ControllerManager,
    Etcd,
    Kwok,
    Part,
    Scheduler,
)
from tools.services.ports import free_port

KUBECTL_WITHIN_S = 180.0


class _Administrator(Part):
    """Who applies manifests; no process."""

    name, as_whom = "administrator", ADMINISTRATOR


class Cluster:
    """A context manager. `folder` is made, and keeps certificates, logs and what etcd holds."""

    def __init__(self, folder: Path) -> None:
        """Raises Unavailable."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._stack = folder, ExitStack()
        authority, server = Authority(folder / "tls"), free_port()
        accounts = authority.issue("accounts", ())
        etcd = Etcd(folder, authority, server)
        self.administrator = _Administrator(folder, authority, server)
        self.server = ApiServer(folder, authority, server, etcd, accounts)
        self.parts: tuple[Part, ...] = (
            etcd,
            self.server,
            ControllerManager(folder, authority, server, accounts[1]),
            Scheduler(folder, authority, server),
            Kwok(folder, authority, server),
        )

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.administrator.kubeconfig

    def client(self) -> Client:
        """Asks as the administrator."""
        return self.administrator.client()

    def __enter__(self) -> Self:
        """Returns when every part answers. Raises NotStarted."""
        with ExitStack() as started:
            for part in self.parts:
                started.enter_context(part)
            self._stack = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kubectl(self, *arguments: str | Path, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Kubernetes' own, of the same version, as the administrator. `text` is what it reads.

        Raises AssertionError with its words where it fails and `check` is set.
        """
        done = subprocess.run(
            [str(BINARY), "kubectl", *map(str, arguments)],
            input=text,
            capture_output=True,
            text=True,
            timeout=KUBECTL_WITHIN_S,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder)},
            check=False,
        )
        assert done.returncode == 0 or not check, f"kubectl {' '.join(map(str, arguments))}: {done.stderr}"
        return done
