"""The parts of a control plane, each a process of the one program build/cluster, which `make cluster` makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Final

from tools.authority import Authority
from tools.cluster.client import Client
from tools.services.ports import free_port
from tools.services.server import HOST, Server, Unavailable, ask, said_by

BINARY: Final = Path(__file__).resolve().parents[2] / "build" / "cluster"
STAGES: Final = Path(__file__).with_name("stages.yaml")
SERVICES: Final = "10.96.0.0/16"  # addresses of Services, which nothing here makes reachable
ADVERTISED: Final = "192.0.2.1"  # of a network for documentation: the API server takes no loopback address for this
ADMINISTRATOR: Final = ("administrator", "system:masters")


class Part(Server):
    """`as_whom` it speaks to the API server: user and group of its certificate."""

    as_whom: ClassVar[tuple[str, str]]
    variable = ""

    def __init__(self, folder: Path, authority: Authority, server: int) -> None:
        """`server`: the API server's port. Raises Unavailable."""
        super().__init__(folder)
        if not BINARY.exists():
            raise Unavailable("no build/cluster: `make cluster` builds it where Go is, in a quarter of an hour")
        self.authority, self.server = authority, server
        self.certificate, self.key = authority.issue(self.name, ("localhost",), *self.as_whom)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def version(self) -> str:
        return said_by(BINARY, self.name, "--version")

    @property
    def kubeconfig(self) -> Path:
        """How a client of the API server finds it, and as whom; written anew, readable by nobody else."""
        path = self.folder / f"{self.name}.kubeconfig"
        where = {"server": f"https://{HOST}:{self.server}", "certificate-authority": str(self.authority.file)}
        whose = {"client-certificate": str(self.certificate), "client-key": str(self.key)}
        path.touch(mode=0o600)
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "here", "cluster": where}],
                    "users": [{"name": self.as_whom[0], "user": whose}],
                    "contexts": [{"name": "here", "context": {"cluster": "here", "user": self.as_whom[0]}}],
                    "current-context": "here",
                },
                indent=2,
            )
        )
        return path

    def client(self) -> Client:
        """Of the API server, as this part."""
        return Client(self.server, self.authority.file, self.certificate, self.key)

    def _command(self) -> list[str]:
        return [str(BINARY), self.name, *(f"--{key}={value}" for key, value in self._flags().items())]

    def _flags(self) -> dict[str, object]:
        raise NotImplementedError

    def _is_ready(self) -> bool:
        """Those that serve /healthz say there whether they run."""
        return Client(self.port, self.authority.file, self.certificate, self.key).is_ready("/healthz")

    def _serving_flags(self) -> dict[str, object]:
        """Of the parts of Kubernetes: where they answer, and by which certificate."""
        return {
            "bind-address": HOST,
            "secure-port": self.port,
            "tls-cert-file": self.certificate,
            "tls-private-key-file": self.key,
            "profiling": "false",
        }

    def _working_flags(self) -> dict[str, object]:
        """Of those that work for the API server: how they find it; there is one of each, so nobody is elected."""
        return {**self._serving_flags(), "kubeconfig": self.kubeconfig, "leader-elect": "false"}


class Etcd(Part):
    name, as_whom = "etcd", ("etcd", "")

    def _flags(self) -> dict[str, object]:
        peers = f"http://{HOST}:{free_port()}"
        return {
            "data-dir": self.folder / "etcd",
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            "cert-file": self.certificate,
            "key-file": self.key,
            "trusted-ca-file": self.authority.file,
            "client-cert-auth": "true",
            # What is lost with the machine here, nobody misses.
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }

    def _is_ready(self) -> bool:
        try:
            client = Client(self.port, self.authority.file, self.certificate, self.key)
            return client.get("/health").get("health") == "true"
        except OSError:
            return False


class ApiServer(Part):
    """Its port is `server`; it keeps everything in etcd. `accounts`: certificate and key of accounts' tokens."""

    name, as_whom = "kube-apiserver", ("apiserver", "")

    def __init__(
        self, folder: Path, authority: Authority, server: int, etcd: Etcd, accounts: tuple[Path, Path]
    ) -> None:
        super().__init__(folder, authority, server)
        self.port, self._etcd, self._accounts = server, etcd, accounts

    def _flags(self) -> dict[str, object]:
        return {
            **self._serving_flags(),
            "etcd-servers": self._etcd.url,
            "etcd-cafile": self.authority.file,
            "etcd-certfile": self._etcd.certificate,
            "etcd-keyfile": self._etcd.key,
            "advertise-address": ADVERTISED,
            "endpoint-reconciler-type": "none",
            "client-ca-file": self.authority.file,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            # A privileged pod is refused by Pod Security, not by this.
            "allow-privileged": "true",
            "service-cluster-ip-range": SERVICES,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._accounts[0],
            "service-account-signing-key-file": self._accounts[1],
        }

    def _is_ready(self) -> bool:
        return self.client().is_ready()


class ControllerManager(Part):
    name, as_whom = "kube-controller-manager", ("system:kube-controller-manager", "")

    def __init__(self, folder: Path, authority: Authority, server: int, accounts: Path) -> None:
        super().__init__(folder, authority, server)
        self._accounts = accounts

    def _flags(self) -> dict[str, object]:
        return {
            **self._working_flags(),
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self._accounts,
            "root-ca-file": self.authority.file,
            "horizontal-pod-autoscaler-sync-period": "2s",
        }


class Scheduler(Part):
    name, as_whom = "kube-scheduler", ("system:kube-scheduler", "")

    def _flags(self) -> dict[str, object]:
        return self._working_flags()


class Kwok(Part):
    """Plays the kubelets of all nodes: their pods are said to run, and to be ready, without a process anywhere."""

    name, as_whom = "kwok", ("kwok", "system:masters")

    def _flags(self) -> dict[str, object]:
        return {
            "kubeconfig": self.kubeconfig,
            "config": STAGES,
            "manage-all-nodes": "true",
            "node-lease-duration-seconds": 40,
            "cidr": "10.64.0.0/16",
            "server-address": f"{HOST}:{self.port}",
        }

    def _is_ready(self) -> bool:
        return b" 200 " in ask(self.port, f"GET /healthz HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode(), 15)[:15]
