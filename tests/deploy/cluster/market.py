"""What is applied to a control plane, and how it came out."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

from tests.deploy.rendering import KUBERNETES, Document, rendered_text
from tools.cluster import Client, Cluster, Refused, wait_until
from tools.cluster.nodes import ZONE

SPACE: Final = "tapewire"
PODS: Final = f"/api/v1/namespaces/{SPACE}/pods"
SETS: Final = f"/apis/apps/v1/namespaces/{SPACE}/statefulsets"
BUDGETS: Final = f"/apis/policy/v1/namespaces/{SPACE}/poddisruptionbudgets"
SCALERS: Final = f"/apis/autoscaling/v2/namespaces/{SPACE}/horizontalpodautoscalers"
PRIORITIES: Final = "/apis/scheduling.k8s.io/v1/priorityclasses"
MANAGER: Final = ("--server-side", "--field-manager=tests", "--force-conflicts")


def is_ready(pod: Document) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


class Market:
    """One overlay in a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client: Client = cluster.client()

    def apply(self, folder: str) -> subprocess.CompletedProcess[str]:
        return self.cluster.kubectl("apply", *MANAGER, "-f", "-", text=rendered_text(folder))

    def folder(self, folder: str) -> Path:
        return KUBERNETES / folder

    def pods(self, component: str = "", *, every: bool = False) -> dict[str, Document]:
        """By name; without those that are ending, unless `every`."""
        selector = f"app.kubernetes.io/component={component}" if component else ""
        found = self.client.items(PODS, labelSelector=selector) if selector else self.client.items(PODS)
        return {one["metadata"]["name"]: one for one in found if every or "deletionTimestamp" not in one["metadata"]}

    def workloads(self) -> list[Document]:
        found = self.client.items(SETS) + self.client.items(f"/apis/apps/v1/namespaces/{SPACE}/deployments")
        return found

    def wanted(self) -> int:
        """How many pods there are to be."""
        return sum(one["spec"]["replicas"] for one in self.workloads())

    def settle(self, within_s: float = 60.0) -> dict[str, Document]:
        """All pods are there and ready, and every controller and budget has seen it. Raises TimeoutError with why."""
        try:
            wait_until("as many as autoscalers want", self._scaled, within_s)
            wait_until("all pods ready", self._all_ready, within_s)
            wait_until("all budgets filled", self._budgets_filled, within_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; without a node: {self.without_node()}") from None
        return self.pods()

    def without_node(self) -> dict[str, str]:
        """What the scheduler says of each pod that has no node, by the pod's name."""
        return {
            name: str(one.get("message", ""))
            for name, pod in self.pods().items()
            for one in pod["status"].get("conditions", ())
            if (one["type"], one["status"]) == ("PodScheduled", "False")
        }

    def _scaled(self) -> bool:
        wanted = {
            one["spec"]["scaleTargetRef"]["name"]: one["spec"]["minReplicas"] for one in self.client.items(SCALERS)
        }
        return all(one["spec"]["replicas"] >= wanted.get(one["metadata"]["name"], 0) for one in self.workloads())

    def _all_ready(self) -> bool:
        pods = self.pods(every=True).values()
        return len(pods) == self.wanted() and all(map(is_ready, pods))

    def _budgets_filled(self) -> bool:
        return all(
            one.get("status", {}).get("currentHealthy", -1) >= one["status"]["expectedPods"] > 0
            for one in self.client.items(BUDGETS)
        )

    def zone(self, pod: Document) -> str:
        labels = self.client.get(f"/api/v1/nodes/{pod['spec']['nodeName']}")["metadata"]["labels"]
        return str(labels[ZONE])

    def set_ready(self, name: str, ready: bool) -> None:
        """As the kubelet would say after its probes; kwok leaves a running pod as it is."""
        now = {"type": "Ready", "status": str(ready), "reason": None if ready else "ContainersNotReady"}
        self.client.patch(f"{PODS}/{name}/status", {"status": {"conditions": [now]}}, "strategic")

    def budget(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.client.get(f"{BUDGETS}/{name}")["status"]
        return status

    def uncordon(self) -> None:
        """All nodes take pods again."""
        for node in self.client.items("/api/v1/nodes"):
            if node["spec"].get("unschedulable"):
                self.cluster.kubectl("uncordon", node["metadata"]["name"])

    def remove(self) -> None:
        """The namespace with all that is in it, and what belongs to the whole cluster."""
        self.uncordon()
        self.cluster.kubectl("delete", "namespace", SPACE, "--ignore-not-found", "--timeout=120s")
        for one in self.client.items(PRIORITIES):
            if one["metadata"]["name"].startswith("tapewire-"):
                self.client.delete(f"{PRIORITIES}/{one['metadata']['name']}")
        for volume in self.client.items("/api/v1/persistentvolumes"):
            self.client.delete(f"/api/v1/persistentvolumes/{volume['metadata']['name']}")


def refusal(client: Client, path: str, document: Document) -> str:
    """Why the API server does not take it; empty if it does."""
    try:
        client.make(path, document)
    except Refused as error:
        return str(error)
    return ""
