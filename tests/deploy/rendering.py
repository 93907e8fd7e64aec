"""What Kustomize makes of a folder below deploy/k8s, and the pods in it as the kubelet would start them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
KUBERNETES: Final = ROOT / "deploy" / "k8s"
OVERLAYS: Final = (
    "base",
    "overlays/dev",
    "overlays/prod",
    "overlays/split",
    "examples/second-shard",
    "examples/stores",
)
WORKLOADS: Final = frozenset({"StatefulSet", "Deployment", "DaemonSet", "Job", "CronJob", "Pod", "ReplicaSet"})
_REFERENCE: Final = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")

Document = dict[str, Any]


@cache
def rendered_text(folder: str) -> str:
    """Skips where there is no kubectl; fails with Kustomize's own words."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on this machine: `kubectl kustomize` renders deploy/k8s")
    done = subprocess.run(
        [kubectl, "kustomize", str(KUBERNETES / folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(folder: str) -> list[Document]:
    """Its documents, each time anew: whoever asks may change them."""
    return [one for one in yaml.safe_load_all(rendered_text(folder)) if one]


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a workload. `kind`: init (runs and ends), sidecar (an init container that stays), main."""

    workload: Document
    kind: str
    spec: Document

    @property
    def where(self) -> str:
        return f"{self.workload['kind']}/{self.workload['metadata']['name']}: {self.spec['name']}"

    @property
    def is_ours(self) -> bool:
        return str(self.spec["image"]).partition(":")[0] == "tapewire"


def pod_of(workload: Document) -> Document:
    """Its pod template: `metadata` and `spec`."""
    if workload["kind"] == "Pod":
        return workload
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: Document = spec["template"]
    return found


def workloads(documents: list[Document]) -> list[Document]:
    return [one for one in documents if one["kind"] in WORKLOADS]


def containers(documents: list[Document]) -> Iterator[Container]:
    for workload in workloads(documents):
        spec = pod_of(workload)["spec"]
        for one in spec.get("initContainers", ()):
            yield Container(workload, "sidecar" if one.get("restartPolicy") == "Always" else "init", one)
        for one in spec.get("containers", ()):
            yield Container(workload, "main", one)


def services(documents: list[Document]) -> list[Container]:
    """The containers of our image that run a service, not those that run once before."""
    return [one for one in containers(documents) if one.is_ours and one.kind != "init"]


def labels_of(workload: Document) -> dict[str, str]:
    """Of its pods; of a StatefulSet with the one that its controller adds, for the first pod."""
    found = dict(pod_of(workload)["metadata"].get("labels", {}))
    if workload["kind"] == "StatefulSet":
        found["apps.kubernetes.io/pod-index"] = "0"
    return found


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` as the kubelet fills it in: one that is not there stays, `$$` is a dollar."""

    def found(hit: re.Match[str]) -> str:
        return "$" if hit[1] is None else environment.get(hit[1], hit[0])

    return _REFERENCE.sub(found, text)


def environment_of(container: Container, documents: list[Document]) -> dict[str, str]:
    """What the process sees: of `envFrom`, then of `env`, in which one may name those before it."""
    maps = {one["metadata"]["name"]: one.get("data", {}) for one in documents if one["kind"] == "ConfigMap"}
    seen: dict[str, str] = {}
    for source in container.spec.get("envFrom", ()):
        seen |= maps[source["configMapRef"]["name"]]
    labels = labels_of(container.workload)
    for one in container.spec.get("env", ()):
        if "value" in one:
            seen[one["name"]] = expand(str(one["value"]), seen)
            continue
        path = one["valueFrom"]["fieldRef"]["fieldPath"]
        label = re.fullmatch(r"metadata\.labels\['(.+)'\]", path)
        if label is not None:
            assert label[1] in labels, (
                f"{container.where}: {one['name']} is of the label {label[1]}, which is not there"
            )
            seen[one["name"]] = labels[label[1]]
        else:
            assert path == "metadata.name", f"{container.where}: {path}"
            seen[one["name"]] = f"{container.workload['metadata']['name']}-0"
    return seen


def command_of(container: Container, documents: list[Document]) -> list[str]:
    """What is run: `command`, else the image's entry point, and `args`."""
    seen = environment_of(container, documents)
    command = container.spec.get("command") or ["tapewire"]
    return [expand(one, seen) for one in (*command, *container.spec.get("args", ()))]


def files_of(config_map_prefix: str, documents: list[Document]) -> dict[str, str]:
    """What the ConfigMap of that name (and whatever hash) holds."""
    found = [
        one
        for one in documents
        if one["kind"] == "ConfigMap" and re.fullmatch(rf"{config_map_prefix}-[a-z0-9]{{10}}", one["metadata"]["name"])
    ]
    assert len(found) == 1, [one["metadata"]["name"] for one in found]
    data: dict[str, str] = found[0]["data"]
    return data


def named_ports(spec: Document) -> dict[str, int]:
    """The ports of all containers of a pod, by name."""
    every = (*spec.get("initContainers", ()), *spec.get("containers", ()))
    return {port["name"]: port["containerPort"] for one in every for port in one.get("ports", ())}
